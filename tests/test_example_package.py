"""A package outside the repository adds a format, a robot, a benchmark, a policy and a preset, and works with them.

Everything runs in processes of its own, which find the example package where a test has installed it.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("work")


@pytest.fixture
def run(example_plugin: Path, work: Path):
    """Run Python with these arguments beside the example package; what it printed."""

    def run(*arguments: str, status: int = 0) -> str:
        environment = {**os.environ, "PYTHONPATH": str(example_plugin)}
        done = subprocess.run(
            [sys.executable, *arguments], cwd=work, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == status, done.stderr
        return done.stdout if status == 0 else done.stderr

    return run


@pytest.fixture
def polymath(run):
    return lambda *arguments, **options: run("-m", "polymath.cli", *arguments, **options)


def test_the_whole_way_of_another_package(run, polymath, work: Path) -> None:
    run("-m", "polymath_example_plugin.demonstrate", "episodes", "--episodes", "4")
    summary = json.loads(polymath("data", "inspect", "csv:episodes", "--json"))
    assert summary["episodes"] == 4
    assert "cart_tiny" in {row["name"] for row in json.loads(polymath("presets", "--json"))}

    polymath("train", "cart_tiny", "--data", "csv:episodes", "--out", "run")
    assert json.loads((work / "run" / "embodiment.json").read_text())["action_names"] == ["dx", "gripper"]
    # The same recipe, named by its module, continues the run and finds nothing left to do.
    checkpoints = sorted((work / "run" / "checkpoints" / "robot").iterdir())
    polymath("train", "polymath_example_plugin.recipes:CART_TINY", "--data", "csv:episodes", "--out", "run")
    assert sorted((work / "run" / "checkpoints" / "robot").iterdir()) == checkpoints

    evaluate = ("eval", "cart", "--episodes", "3", "--workers", "1", "--json")
    learned = json.loads(polymath(*evaluate, "--policy", "run"))["seen"]["run"]
    assert (learned["episodes"], learned["identity"]["benchmark"]) == (3, "cart")
    # A policy that sees the mark is at most a quarter of a pixel's width beside it: it always succeeds.
    seeing = json.loads(polymath(*evaluate, "--policy", "sees_the_mark", "--out", "run/evaluation"))["seen"]
    assert (seeing["sees_the_mark"]["successes"], seeing["sees_the_mark"]["episodes"]) == (3, 3)
    rows = json.loads((work / "run" / "evaluation" / "results.json").read_text())["seen"]
    assert set(rows) == {"run", "sees_the_mark"}
    assert {path.name for path in (work / "run" / "evaluation" / "videos").iterdir()} == {"run", "sees_the_mark"}


def test_an_option_of_the_benchmark_belongs_to_the_result(polymath) -> None:
    """With a tolerance of a hundredth of a millimetre not even the seeing policy succeeds."""
    evaluate = ("eval", "cart", "--policy", "sees_the_mark", "--episodes", "2", "--workers", "1", "--json")
    exact = json.loads(polymath(*evaluate, "--option", "tolerance=1e-5", "--out", "exact"))["seen"]["sees_the_mark"]
    assert exact["successes"] == 0
    assert exact["identity"]["options"] == {"tolerance": "1e-5"}
    assert "its episodes were run with options" in polymath(*evaluate, "--out", "exact", status=2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("eval", "cat", "--policy", "random", "--out", "x"), "benchmark 'cat': no such benchmark; did you mean cart?"),
        (
            ("eval", "nothing", "--policy", "random", "--out", "x"),
            "choose from bridge, calvin, cart, libero, libero_90, metaworld",
        ),
        (("eval", "cart", "--policy", "sees_the_mrk", "--out", "x"), "did you mean sees_the_mark?"),
        (("eval", "cart", "--policy", "random", "--out", "x", "--option", "wind=1"), "choose from tolerance"),
        (("eval", "cart", "--policy", "random", "--out", "x", "--tasks", "marc"), "did you mean mark?"),
        (
            ("eval", "metaworld", "--policy", "run"),
            "policy run drives robot 'cart', but benchmark metaworld has 's",
        ),
        (("train", "cart_tinny", "--data", "csv:episodes", "--out", "x"), "did you mean cart_tiny?"),
    ],
)
def test_what_does_not_fit_is_one_line(polymath, work: Path, arguments, message) -> None:
    error = polymath(*arguments, status=2)
    assert message in error
    assert "Traceback" not in error
    assert not (work / "x").exists()
