"""LIBERO as a benchmark, without its simulator: tasks, groups, starts, the worker's command."""

import ast
import sys
from pathlib import Path

import pytest

from polymath.benchmarks.libero.benchmark import BENCHMARK, BENCHMARK_90, HERE, TASKS
from polymath.benchmarks.registry import benchmark
from polymath.data.robots.embodiments import robot_named
from polymath.errors import ConfigError
from polymath.evaluation.benchmark import Plan

# Liu et al. 2023: three suites of 10 tasks, and LIBERO-100, which is split into 90 and 10.
SIZES = {"libero_spatial": 10, "libero_object": 10, "libero_goal": 10, "libero_10": 10, "libero_90": 90}
ALLOWED_IMPORTS = {"libero", "robosuite", "bddl", "mujoco", "cv2", "numpy", "polymath_worker"}
SOURCES = sorted((HERE / "simulator").rglob("*.py"))


def test_the_suites_have_their_official_sizes_and_no_task_twice() -> None:
    assert {suite: len(tasks) for suite, tasks in TASKS.items()} == SIZES
    assert len({task for tasks in TASKS.values() for task in tasks}) == 130
    assert benchmark("libero") is BENCHMARK
    assert benchmark("libero_90") is BENCHMARK_90


def test_a_suite_is_a_group_of_ten_tasks_in_the_official_order() -> None:
    plan = BENCHMARK.complete(Plan(tasks=("libero_object",), splits=("seen",), episodes=50))
    assert plan.tasks == tuple(TASKS["libero_object"])
    assert plan.tasks[0] == "pick_up_the_alphabet_soup_and_place_it_in_the_basket"  # task 0 of libero_object
    keys = BENCHMARK.episode_keys(plan)
    assert len(keys) == 500
    assert [key.seed for key in keys[:50]] == list(range(50)), "the seed is the index of the official initial state"


def test_there_are_no_more_than_the_fifty_official_states() -> None:
    with pytest.raises(ConfigError, match="1 to 50 episodes per task and split"):
        BENCHMARK.complete(Plan(episodes=51))


def test_libero_90_has_no_variations() -> None:
    with pytest.raises(ConfigError, match=r"split 'novel_objects': no such split of benchmark libero_90"):
        BENCHMARK_90.complete(Plan(splits=("novel_objects",)))


def test_the_robot_is_that_of_the_data_sets_reader() -> None:
    assert BENCHMARK.embodiment is robot_named("panda-libero")
    assert (BENCHMARK.embodiment.state_dim, BENCHMARK.embodiment.action_dim) == (8, 7)


def test_the_worker_runs_in_the_simulators_interpreter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = tmp_path / "python"
    python.touch()
    monkeypatch.setenv("POLYMATH_LIBERO_PYTHON", str(python))
    for each, suites in ((BENCHMARK, ["libero_spatial", "libero_object", "libero_goal", "libero_10"]),
                         (BENCHMARK_90, ["libero_90"])):  # fmt: skip
        command = each.worker(each.complete(Plan(options={"pictures": "raw"})))
        assert command.python == str(python)
        assert command.argv[1:3] == ["-m", "libero_worker"]
        assert command.argv[-len(suites) :] == suites
        assert (Path(command.path[0]) / "libero_worker" / "__main__.py").is_file()
        assert "raw" in command.arguments


def test_pictures_of_an_unknown_orientation() -> None:
    with pytest.raises(ConfigError, match="option pictures 'upright': choose from turned, raw"):
        BENCHMARK.worker(BENCHMARK.complete(Plan(options={"pictures": "upright"}, python="python")))


def test_without_the_simulator_the_command_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLYMATH_HOME", str(tmp_path))
    monkeypatch.delenv("POLYMATH_LIBERO_PYTHON", raising=False)
    with pytest.raises(ConfigError, match="polymath setup libero"):
        BENCHMARK.worker(BENCHMARK.complete(Plan()))


def test_published_rates_are_of_the_four_suites_and_have_a_source() -> None:
    assert BENCHMARK.published
    for row in BENCHMARK.published:
        assert list(row.numbers) == list(BENCHMARK.groups)
        assert all(50 < rate <= 100 for rate in row.numbers.values())
        assert row.source
    openvla = next(row for row in BENCHMARK.published if row.method == "OpenVLA")
    assert sum(openvla.numbers.values()) / 4 == pytest.approx(76.5)  # the mean that its paper states


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_the_simulators_side_needs_nothing_of_ours(source: Path) -> None:
    tree = ast.parse(source.read_text(), feature_version=(3, 8))
    names = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and not node.level]
    foreign = {name.split(".")[0] for name in names} - ALLOWED_IMPORTS - set(sys.stdlib_module_names)
    assert not foreign
