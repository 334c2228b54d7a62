"""Several raw sets of several robots in one run: widths, weights, and statistics that never mix."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from polymath.data.formats.lerobot.writer import LeRobotWriter
from polymath.data.formats.memory import MemoryEpisodes
from polymath.data.loading.loader import Source
from polymath.data.robots.statistics import of_episodes
from polymath.errors import ConfigError, DataError
from polymath.presets.demo import TINY
from polymath.training.datasets import DataSets, TrainingData, in_slot, sort_data
from polymath.training.fitting import without_pairs
from polymath.training.job import fit_to_data
from polymath.training.robots import Robot
from polymath.training.run import Run, create, find_run, of_robots, open_run, open_whole
from polymath.training.start import Start
from polymath.types import Embodiment, Episode

ARM = Embodiment("arm", 1, ("front",), ("x", "y", "z", "grip"), ("dx", "dy", "dz", "grip"), (3,), 20.0)
LEG = Embodiment(
    "leg",
    2,
    ("left", "right"),
    tuple(f"joint {i}" for i in range(9)),
    tuple(f"motor {i}" for i in range(7)),
    (),
    10.0,
)
SCALE = {"arm": 1.0, "leg": 50.0}  # of the numbers of a robot; the leg's are in degrees


def episodes(robot: Embodiment, seed: int = 0) -> MemoryEpisodes:
    return MemoryEpisodes(robot, drawn(robot, seed))


def drawn(robot: Embodiment, seed: int = 0) -> list[Episode]:
    """Noise of the robot's widths and cameras, states about SCALE, actions within ±SCALE."""
    rng, scale = np.random.default_rng(seed), SCALE[robot.name]
    episodes = []
    for _ in range(3):
        pictures = {name: rng.integers(0, 256, (6, 64, 64, 3), np.uint8) for name in robot.cameras}
        states = rng.normal(scale, 0.2 * scale, (6, robot.state_dim)).astype(np.float32)
        actions = (scale * rng.uniform(-1, 1, (6, robot.action_dim))).astype(np.float32)
        episodes.append(Episode(pictures, states, actions, f"move the {robot.name}", "move", robot.name))
    return episodes


@pytest.fixture(scope="module")
def both(data: TrainingData) -> TrainingData:
    """The two sets, with the tokenizer of this room's tests."""
    return TrainingData((episodes(ARM), episodes(LEG)), data.tokenizer)


def made(data: TrainingData, out: Path) -> Run:
    """The run directory that a training of the data begins with."""
    sets = DataSets(data, 64)
    recipe, tokenizer, _ = fit_to_data(without_pairs(TINY), data, sets, out, Start())
    return create(of_robots(out, recipe, tokenizer, sets.driven, sets.record()))


@pytest.fixture(scope="module")
def begun(both: TrainingData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(both, tmp_path_factory.mktemp("several") / "run").path


def test_each_robot_is_normalised_by_its_own_sets_alone(both: TrainingData) -> None:
    """The expected statistics are those of each set opened by itself."""
    arm, leg = DataSets(both, 64).robots
    assert arm.statistics == of_episodes(episodes(ARM))
    assert leg.statistics == of_episodes(episodes(LEG))


def test_rows_hold_each_robots_numbers_by_its_own_statistics(begun: Path, both: TrainingData) -> None:
    """With the other robot's, or with common, statistics, states would be far from their own mean and deviation."""
    run = open_whole(begun)
    arm, leg = DataSets(both, 64).sources(run, "robot", run.recipe.phase_layout("robot"))
    for source, robot in ((arm, ARM), (leg, LEG)):
        documents = [each for k in range(len(source.stream)) for each in source.stream.row((0, 0), k)]
        states = np.concatenate([each.states for each in documents])
        assert states.shape[1] == run.recipe.layout.state_dim == 9
        own, padding = states[:, : robot.state_dim], states[:, robot.state_dim :]
        np.testing.assert_allclose(own.mean(0), 0, atol=0.3)
        np.testing.assert_allclose(own.std(0), 1, atol=0.3)
        assert not padding.any()
        masks = np.concatenate([each.action_mask for each in documents])
        assert masks[..., : robot.action_dim].any()
        assert not masks[..., robot.action_dim :].any()


def test_the_run_stores_each_robot(begun: Path) -> None:
    run = open_whole(begun)
    assert [robot.name for robot in run.robots] == ["arm", "leg"]
    assert (run.recipe.layout.action_dim, run.recipe.layout.state_dim) == (7, 9)
    assert not (begun / "embodiment.json").exists()
    for robot in (ARM, LEG):
        view = open_run(begun, robot.name)
        assert view.embodiment == robot
        assert view.statistics == of_episodes(episodes(robot))
        assert view.robots == (Robot(robot, view.statistics, view.data.robot, None),)


def test_a_robot_must_be_chosen_by_its_name(begun: Path) -> None:
    with pytest.raises(ConfigError, match=r"run: drives several robots, arm, leg; choose one of them"):
        open_run(begun)
    with pytest.raises(ConfigError, match=r"run: there is no robot 'lg', only arm, leg; did you mean leg"):
        open_run(begun, "lg")


def test_the_run_continues_with_its_own_statistics(both: TrainingData, tmp_path: Path) -> None:
    """As `find_run` does for a run with a checkpoint, whatever the sets hold by then."""
    run = made(both, tmp_path / "run")
    (run.checkpoints("robot") / "2").mkdir(parents=True)
    other = DataSets(TrainingData((episodes(ARM, seed=5), episodes(LEG, seed=5))), 64).driven
    first = other[0]
    found = find_run(run.path, run.recipe, run.tokenizer, first.embodiment, first.statistics, run.data, other)
    assert found.robots == run.robots


def test_weights_are_shares_of_the_rows(begun: Path, both: TrainingData, tmp_path: Path) -> None:
    assert _shares(_sources(both, open_whole(begun))) == pytest.approx([0.5, 0.5])
    names = tuple(f"{write(tmp_path / robot.name, robot)}?weight={w}" for robot, w in ((ARM, 7), (LEG, 3)))
    data, _ = sort_data(names)
    assert _shares(_sources(data, open_whole(begun))) == pytest.approx([0.7, 0.3])


def _shares(sources: list[Source]) -> list[float]:
    total = sum(source.weight for source in sources)
    return [source.weight / total for source in sources]


def write(place: Path, robot: Embodiment) -> Path:
    with LeRobotWriter(place, robot, int(robot.control_hz), 64) as writer:
        for episode in drawn(robot):
            writer.add(episode)
    return place


def _sources(data: TrainingData, run: Run) -> list[Source]:
    return DataSets(data, 64).sources(run, "robot", run.recipe.phase_layout("robot"))


def test_sets_of_one_robot_are_counted_together() -> None:
    """By hand: the extremes of both, and the steps of both."""
    one, other = episodes(ARM), episodes(ARM, seed=1)
    (robot,) = DataSets(TrainingData((one, other)), 64).robots
    parts = [of_episodes(one).state, of_episodes(other).state]
    assert robot.statistics.state.count == parts[0].count + parts[1].count
    assert robot.statistics.state.max[0] == max(part.max[0] for part in parts)


def test_robots_that_a_name_or_a_slot_does_not_tell_apart_are_refused() -> None:
    with pytest.raises(DataError, match=r"share slot 1 but differ in name.*\?slot="):
        _ = DataSets(TrainingData((episodes(ARM), episodes(replace(LEG, slot=1)))), 64).robots
    faster = replace(ARM, control_hz=40.0)
    with pytest.raises(DataError, match=r"both name their robot 'arm', but control_hz is 20\.0 in one and 40\.0 in"):
        _ = DataSets(TrainingData((episodes(ARM), episodes(faster))), 64).robots


def test_controls_chooses_the_robot_that_the_run_is_for(both: TrainingData, tmp_path: Path) -> None:
    """The other robot's windows still train, normalised by its own statistics."""
    data = replace(both, controls="leg")
    made(data, tmp_path / "run")
    run = open_run(tmp_path / "run")
    assert run.embodiment == LEG
    states = np.concatenate([each.states[:, :4] for each in _sources(data, run)[0].stream.row((0, 0), 0)])
    assert np.abs(states.mean()) < 1, "with the leg's statistics the arm's states would all lie near -5"
    with pytest.raises(ConfigError, match=r"--controls arn: there is no robot 'arn', only arm, leg; did you mean arm"):
        _ = DataSets(replace(both, controls="arn"), 64).driven


def test_a_slot_for_one_of_several_sets_stands_behind_its_name() -> None:
    with pytest.raises(ConfigError, match=r"--slot 3: --data names 2 raw sets of episodes; write \?slot=3 behind one"):
        in_slot(TrainingData(("one", "other")), 3)


def test_sets_are_sorted_by_their_kind() -> None:
    one, other = episodes(ARM), episodes(LEG)
    data, has_pairs = sort_data([one, other])
    assert (data.raw_episodes, has_pairs) == ((one, other), False)
    assert sort_data([one])[0].robot is one
