"""Two robots in one run, from raw sets to actions: Meta-World's and CALVIN's, of other widths, cameras and rates."""

import importlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import polymath
from polymath.benchmarks.metaworld.robot import EMBODIMENT as METAWORLD
from polymath.cli import main
from polymath.data.formats.lerobot.writer import LeRobotWriter
from polymath.data.formats.opening import open_source
from polymath.data.formats.selection import select
from polymath.data.interface import EpisodeSet, episode_name
from polymath.data.robots.embodiments import CALVIN
from polymath.data.robots.statistics import of_episodes
from polymath.errors import ConfigError
from polymath.evaluation.find_candidate import find_candidate
from polymath.evaluation.run_candidate import of_run
from polymath.policy.contract import Contract
from polymath.policy.several import SeveralRobots
from polymath.serving.limits import Limits
from polymath.serving.run import Plan, by_robot, check
from polymath.training import held_out
from polymath.training.metrics import read_metrics
from polymath.training.run import open_run, open_whole
from polymath.types import Embodiment, Episode, Observation

SMALL = (
    "robot.steps=2 robot.rows=1 robot.pairs=0 robot.pointing=0 allow_untrained=true layout.action_tokens=false "
    "chunk_seconds=0.1 held_out.share=0.5"
)
ROBOTS = {"metaworld": METAWORLD, "calvin": CALVIN}


def write(place: Path, robot: Embodiment) -> Path:
    """Two short episodes of noise, gripper actions within [-1, 1]."""
    rng = np.random.default_rng(robot.slot)
    with LeRobotWriter(place, robot, int(robot.control_hz), 64, False, {"renderer": place.name}) as writer:
        for _ in range(2):
            pictures = {name: rng.integers(0, 256, (4, 64, 64, 3), np.uint8) for name in robot.cameras}
            states = rng.normal(robot.slot, 1, (4, robot.state_dim)).astype(np.float32)
            actions = rng.uniform(-1, 1, (4, robot.action_dim)).astype(np.float32)
            writer.add(Episode(pictures, states, actions, "open the drawer", "open", robot.name))
    return place


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The two sets, and RUN, trained on both for two steps."""
    folder = tmp_path_factory.mktemp("two-robots")
    names = [f"{write(folder / name, robot)}?weight={2 + len(robot.cameras)}" for name, robot in ROBOTS.items()]
    assert main(["train", "tiny", "--data", *names, "--out", str(folder / "run"), "--set", *SMALL.split()]) == 0
    return folder


@pytest.fixture(scope="module")
def policy(work: Path) -> SeveralRobots:
    loaded = polymath.load_policy(work / "run")
    assert isinstance(loaded, SeveralRobots)
    return loaded


def observation(robot: Embodiment) -> Observation:
    rng = np.random.default_rng(0)
    pictures = {name: rng.integers(0, 256, (48, 64, 3), np.uint8) for name in robot.cameras}
    return Observation(pictures, np.full(robot.state_dim, robot.slot, np.float32), "open the drawer", robot.name)


def trained_on(work: Path, name: str) -> EpisodeSet:
    """The episodes of a set but the one that the run holds out."""
    record = held_out.read(work / "run")
    assert record is not None
    (part,) = [each for each in record.sets if Path(each.source).name == name]
    episodes = open_source(work / name)
    rows = [i for i in range(len(episodes)) if episode_name(episodes, i) in part.trained]
    assert (len(rows), len(part.held_out)) == (1, 1)
    return select(episodes, episodes=rows)


def test_errors_on_held_out_episodes_are_measured_for_each_robot(work: Path) -> None:
    names = {name for line in read_metrics(work / "run" / "metrics.jsonl") for name in line}
    for robot in ROBOTS.values():
        assert {f"held_out/mae/{robot.name}/{name}" for name in robot.action_names} <= names


def test_the_run_holds_each_robot_with_the_statistics_of_its_own_set(work: Path) -> None:
    """Other sets' numbers would move the mean of the states, which is the robot's slot."""
    run = open_whole(work / "run")
    assert [(robot.name, robot.renderer) for robot in run.robots] == [
        (METAWORLD.name, "metaworld"),
        (CALVIN.name, "calvin"),
    ]
    for name, robot in ROBOTS.items():
        view = open_run(work / "run", robot.name)
        assert view.statistics == of_episodes(trained_on(work, name))
        assert (view.embodiment, view.data.renderer) == (robot, name)
    assert (run.recipe.layout.action_dim, run.recipe.layout.state_dim) == (7, 15)


def test_one_policy_drives_each(policy: SeveralRobots) -> None:
    chunks = policy.act([observation(robot) for robot in ROBOTS.values()])
    for chunk, robot in zip(chunks, ROBOTS.values(), strict=True):
        assert chunk.actions.shape == (3, robot.action_dim), "0.1 s at the faster robot's 30 Hz"
        session = policy.open(embodiment=robot.name)
        np.testing.assert_allclose(session.act(observation(robot)).actions, chunk.actions, rtol=1e-4, atol=1e-5)


def test_the_other_robots_statistics_change_no_answer(work: Path, policy: SeveralRobots, tmp_path: Path) -> None:
    """CALVIN's numbers are counted in thousands in a copy of the run: Meta-World's actions stay, bit for bit."""
    copy = Path(shutil.copytree(work / "run", tmp_path / "copy"))
    file = copy / "robots.json"
    robots = json.loads(file.read_text())
    for part in ("state", "action"):
        numbers = robots["robots"][1]["statistics"][part]
        numbers |= {name: [1000 * x for x in values] for name, values in numbers.items() if name != "count"}
    file.write_text(json.dumps(robots))
    other = polymath.load_policy(copy)
    for robot, same in ((METAWORLD, True), (CALVIN, False)):
        ((before,), (after,)) = (each.act([observation(robot)]) for each in (policy, other))
        assert np.array_equal(before.actions, after.actions) == same, robot.name


def test_one_policy_drives_both_simulators(
    example_plugin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Meta-World's arm and the example package's cart, recorded, trained on in one run, and driven by `polymath eval`.

    Each one's numbers are those of its own set, of which the cart's actions are metres, 0.1 at most.
    """
    monkeypatch.syspath_prepend(str(example_plugin))
    monkeypatch.setenv("PYTHONPATH", str(example_plugin))  # of the simulators
    arm, cart, run = (tmp_path / name for name in ("arm", "cart", "run"))
    record = ["record", "metaworld", "--tasks", "reach-left", "--episodes", "2", "--workers", "1", "--out", str(arm)]
    assert main(record) == 0, capsys.readouterr().err
    demonstrate = importlib.import_module("polymath_example_plugin.demonstrate")
    for seed in range(4):
        demonstrate.record(cart / f"episode_{seed:03d}", seed)
    sets = {"sawyer-metaworld": str(arm), "cart": f"csv:{cart}"}
    whole = [*SMALL.split(), "held_out.share=0"]
    assert main(["train", "tiny", "--data", *sets.values(), "--out", str(run), "--set", *whole]) == 0
    for robot in open_whole(run).robots:
        assert robot.statistics == of_episodes(open_source(sets[robot.name]))
    capsys.readouterr()
    for benchmark, robot, tasks in (("metaworld", "sawyer-metaworld", ["--tasks", "reach-left"]), ("cart", "cart", [])):
        size = [*tasks, "--splits", "seen", "--episodes", "2", "--workers", "1", "--out", str(tmp_path / benchmark)]
        assert main(["eval", benchmark, "--policy", str(run), *size, "--json"]) == 0, capsys.readouterr().err
        result = json.loads(capsys.readouterr().out)["seen"]["run"]
        assert (result["episodes"], result["identity"]["robot"].split(":")[0]) == (2, robot)


def test_a_benchmark_chooses_its_robot(work: Path, policy: SeveralRobots) -> None:
    from polymath.benchmarks.metaworld.benchmark import BENCHMARK

    for given in (work / "run", policy):
        candidate = find_candidate(given, BENCHMARK)
        assert candidate.embodiment == METAWORLD
        assert candidate.cameras == METAWORLD.cameras
    droid = replace(BENCHMARK, embodiment=replace(METAWORLD, name="droid"))
    with pytest.raises(ConfigError, match=r"there is no robot 'droid', only sawyer-metaworld, panda-calvin"):
        find_candidate(work / "run", droid)
    with pytest.raises(ConfigError, match=r"drives several robots, sawyer-metaworld, panda-calvin; choose one"):
        of_run(work / "run")


def test_open_loop_chooses_the_robot_of_the_data(work: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    command = ["eval", "openloop", "--policy", str(work / "run"), "--data", str(work / "calvin"), "--probes", "0"]
    assert main([*command, "--out", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["seen"] == "trained on"


def test_the_export_holds_all_robots_or_one(work: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    run, out = str(work / "run"), tmp_path / "both"
    assert main(["export", run, "--out", str(out)]) == 0
    assert main(["import", str(out), "--out", str(tmp_path / "back")]) == 0
    assert open_whole(tmp_path / "back").robots == open_whole(work / "run").robots
    assert "panda-calvin" in (out / "README.md").read_text()
    lerobot = ["--format", "lerobot", "--out", str(tmp_path / "one")]
    assert main(["export", run, *lerobot]) == 2
    assert "drives several robots" in capsys.readouterr().err
    assert main(["export", run, *lerobot, "--embodiment", CALVIN.name]) == 0
    view = open_run(work / "run", CALVIN.name)
    assert polymath.load_policy(tmp_path / "one").run.statistics == view.statistics


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for compiled programs, and the settings of jax as they were."""
    import jax

    names = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")
    names += ("jax_persistent_cache_min_entry_size_bytes",)
    before = {name: getattr(jax.config, name) for name in names}
    yield tmp_path / "compiled"
    for name, value in before.items():
        jax.config.update(name, value)


def test_the_server_has_a_model_for_each(work: Path, programs: Path) -> None:
    views = by_robot("both", open_whole(work / "run"))
    assert list(views) == ["both-sawyer-metaworld", "both-panda-calvin"]
    plan = Plan({"both": work / "run"}, port=0, rows=(1,), limits=Limits(tokens=4), compiled=programs)
    served = check(plan)["models"]
    assert [(model["name"], model["robot"]) for model in served] == [
        ("both-sawyer-metaworld", "sawyer-metaworld"),
        ("both-panda-calvin", "panda-calvin"),
    ]
    assert Contract.of(views["both-panda-calvin"]).cameras.names == CALVIN.cameras
