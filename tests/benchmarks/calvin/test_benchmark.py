"""The benchmark's description, which needs no simulator, and the worker's source."""

import ast
import sys
from pathlib import Path

import numpy as np
import pytest
from calvin_worker import initial, simulator
from calvin_worker.checkout import CAMERAS, SCENES

from polymath.benchmarks.calvin.benchmark import BENCHMARK, SIMULATOR, worker_command
from polymath.benchmarks.calvin.published import PUBLISHED
from polymath.benchmarks.calvin.rules import SUBTASKS
from polymath.benchmarks.registry import benchmark
from polymath.data.formats.calvin import CalvinEpisodes
from polymath.data.robots.embodiments import CALVIN
from polymath.errors import ConfigError
from polymath.evaluation.benchmark import Plan

FILES = sorted((SIMULATOR / "calvin_worker").glob("*.py"))
ALLOWED = {"numpy", "polymath_worker", "pybullet", "hydra", "omegaconf", "calvin_env", *sys.stdlib_module_names}


def test_a_plan_that_names_nothing_is_the_official_evaluation() -> None:
    keys = benchmark("calvin").episode_keys(Plan())
    assert [key.seed for key in keys] == list(range(1000))
    assert {(key.task, key.split) for key in keys} == {("chain", "D")}
    assert BENCHMARK.levels == 5


def test_other_scenes_and_single_subtasks_are_there_when_named() -> None:
    keys = BENCHMARK.episode_keys(Plan(tasks=("open_drawer",), splits=("A", "B"), episodes=1))
    assert [(key.task, key.split) for key in keys] == [("open_drawer", "A"), ("open_drawer", "B")]
    assert set(BENCHMARK.splits) == set(SCENES)
    assert set(BENCHMARK.tasks) == {"chain", *SUBTASKS}


def test_more_chains_than_the_official_ones_are_refused() -> None:
    with pytest.raises(ConfigError, match="episodes 1001"):
        BENCHMARK.complete(Plan(episodes=1001))


def test_the_worker_is_started_with_the_simulators_interpreter_and_one_scene() -> None:
    command = worker_command(BENCHMARK.complete(Plan(python="/envs/calvin/bin/python", image_size=64)))
    assert command.python == "/envs/calvin/bin/python"
    assert command.path == (str(SIMULATOR),)
    assert command.arguments == (
        *("--renderer", "tiny", "--image-size", "64"),
        *("--cameras", "rgb_static", "rgb_gripper"),
        *("--picture-every", "1"),
    )


def test_without_the_simulator_the_error_holds_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POLYMATH_CALVIN_PYTHON", raising=False)
    monkeypatch.setenv("POLYMATH_HOME", str(tmp_path))
    with pytest.raises(ConfigError, match="`polymath setup calvin`"):
        worker_command(BENCHMARK.complete(Plan()))


def test_robot_is_the_one_that_calvins_data_is_read_as() -> None:
    """State order, camera names and action units of training and of evaluation are one description."""
    assert BENCHMARK.embodiment is CALVIN
    assert CALVIN.name == simulator.EMBODIMENT
    assert tuple(CAMERAS) == CALVIN.cameras
    assert (CALVIN.state_dim, CALVIN.action_dim) == (initial.robot_obs().size, 7)
    assert "rel_actions" in str(CalvinEpisodes.__doc__)


@pytest.mark.parametrize("result", PUBLISHED, ids=lambda result: f"{result.method} {result.setting}")
def test_published_average_lengths_are_the_sums_of_their_rates(result: object) -> None:
    """Each average is the mean number of subtasks solved, which the five rates sum to; FLOWER's two are misprinted."""
    rates = [result.numbers[f"{i} in a row"] for i in range(1, 6)]
    assert rates == sorted(rates, reverse=True)
    off = abs(sum(rates) / 100 - result.numbers["average length"])
    assert off < (0.07 if result.method == "FLOWER" else 0.02)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_workers_source_is_python_3_8_and_imports_the_simulator_alone(file: Path) -> None:
    tree = ast.parse(file.read_text(), feature_version=(3, 8))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            assert {alias.name.split(".")[0] for alias in node.names} <= ALLOWED
        if isinstance(node, ast.ImportFrom) and not node.level:
            assert str(node.module).split(".")[0] in ALLOWED
        # evaluated annotations: `list[int]` and `int | None` are newer than 3.8, and the parser takes both
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
            assert node.value.id not in {"list", "dict", "tuple", "set", "type"}, f"line {node.lineno}"
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            assert not isinstance(node.right, ast.Constant) or node.right.value is not None, f"line {node.lineno}"


def test_the_gripper_is_exactly_open_or_closed() -> None:
    """Above 0 opens; 0 itself closes. The other six numbers pass unclipped."""
    world = pytest.importorskip("calvin_worker.world")
    for value, expected in ((1.0, 1.0), (1e-6, 1.0), (0.0, -1.0), (-0.2, -1.0)):
        action = np.array([1.5, -2, 0, 0, 0, 0, value], np.float32)
        official = world.official_action(action)
        assert official[-1] == expected
        np.testing.assert_array_equal(official[:6], action[:6].astype(np.float64))
    with pytest.raises(ValueError, match="shape \\[8\\], CALVIN takes 7"):
        world.official_action(np.zeros(8))


def test_a_seed_without_a_start_is_a_failed_demonstration(monkeypatch: pytest.MonkeyPatch) -> None:
    """The recorder then draws another; an exception would end the whole recording."""

    def no_start(*_: object) -> None:
        raise simulator.demonstrations.StartError("no start state in scene D")

    monkeypatch.setattr(simulator.demonstrations, "demonstrate", no_start)
    names = ("world", "_pictures", "_picture_every")
    calvin = type("Slot", (), {name: None for name in names} | {"demonstrate": simulator.Calvin.demonstrate})()
    failed = calvin.demonstrate("open_drawer", "D", 3, 0.0)
    assert (failed.success, failed.instruction, failed.actions.shape) == (False, "no start state in scene D", (0, 7))
