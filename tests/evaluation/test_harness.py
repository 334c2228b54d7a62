"""The harness over real worker processes with the toy simulator: what does not fit together is refused, in one line."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import polymath
from polymath.errors import ConfigError, PolymathError
from polymath.evaluation.benchmark import Benchmark
from polymath.workers.process import WorkerCommand, WorkerError
from polymath.workers.setup import Setup

POINT = polymath.Embodiment("point", 20, ("top",), ("x", "y"), ("dx", "dy"), (), 20.0)


class Answers:
    name = "answers"

    def __init__(self, answer: Callable) -> None:
        self.answer = answer

    def act(self, observations):
        return self.answer(len(observations))


STILL = Answers(lambda n: [polymath.ActionChunk(np.zeros((4, 2), np.float32))] * n)


@pytest.fixture
def evaluate(point_worker, tmp_path: Path):
    def evaluate(policy=STILL, fault="", description=None, **choices):
        fields = {"name": "point", "tasks": ("a", "b"), "splits": {"seen": ("Seen", "")}, "image_size": 16}
        fields |= {"embodiment": POINT, "seeds": range(1000, 3000)}
        fields["worker"] = lambda plan: WorkerCommand("point_worker", (str(plan.slots), fault), plan.python)
        benchmark = Benchmark(**{**fields, **(description or {})})
        choices = {"episodes": 1, "workers": 1, "slots": 2, "out": tmp_path / "out"} | choices
        return polymath.evaluate(benchmark, policy, **choices)

    return evaluate


def test_an_evaluation_run_twice_has_each_episode_once_and_says_so(evaluate, tmp_path: Path, caplog) -> None:
    first = evaluate()
    assert evaluate() == first
    assert first["seen"].episodes == 2
    assert len((tmp_path / "out" / "episodes" / "answers.jsonl").read_text().splitlines()) == 3
    assert "2 of 2 episodes are there already; if this is another policy" in caplog.text
    with pytest.raises(ConfigError, match="its episodes were run with execute = 2"):
        evaluate(execute=1)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda n: [polymath.ActionChunk(np.zeros((4, 3)))] * n, r"of shape \[4, 3\], but the robot takes 2 numbers"),
        (lambda n: [np.zeros((4, 2))] * n, "answered with a ndarray, not a polymath.ActionChunk"),
        (lambda n: None, "a NoneType instead of a list of action chunks"),
        (lambda n: [polymath.ActionChunk(np.zeros((4, 2)))], "1 action chunks for 8 observations"),
        (lambda n: [polymath.ActionChunk("left")] * n, "no array of real numbers"),
        (lambda n: [polymath.ActionChunk(np.full((4, 2), 1j))] * n, "no array of real numbers"),
    ],
)
def test_answers_that_are_no_actions(evaluate, answer, message) -> None:
    with pytest.raises(PolymathError, match=message):
        evaluate(Answers(answer))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"description": {"name": "dot"}}, "benchmark dot: its worker's benchmark is 'point'"),
        ({"description": {"tasks": ("a", "z")}}, r"its worker's tasks is \('a',\), but the plan asks for \('a', 'z'\)"),
        ({"image_size": 32}, "its worker's image_size is 16, but the plan asks for 32"),
        ({"description": {"worker": lambda plan: "python -m worker"}}, "worker gave a str, not a WorkerCommand"),
        ({"description": {"tasks": ("a/b",)}}, "task 'a/b' names files"),
        ({"description": {"splits": {}}}, "splits is empty"),
        ({"description": {"seeds": range(10)}}, "holds no block of 1000 seeds"),
        ({"policy": Answers}, "a type without name and act"),
        ({"name": ".."}, "it names files"),
        ({"tasks": "a"}, "tasks is the text 'a'; give a list"),
        ({"episodes": "3"}, "episodes '3': choose a whole number"),
        ({"out": __file__}, "is a file; name a directory"),
    ],
)
def test_what_does_not_fit(evaluate, arguments, message) -> None:
    with pytest.raises(ConfigError, match=message):
        evaluate(**arguments)


def test_a_worker_of_another_version_of_the_protocol(evaluate) -> None:
    with pytest.raises(WorkerError, match="speaks version 3 of the protocol, this evaluator speaks 2"):
        evaluate(fault="old")


def test_an_environment_that_lacks_something_is_named_with_its_remedy(
    evaluate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLYMATH_POINT_PYTHON", sys.executable)
    lacking = {
        "setup": Setup("point", ("3.11", "3.13")),
        "worker": lambda plan: WorkerCommand("no_such_simulator", (), plan.python),
    }
    with pytest.raises(WorkerError, match=r"No module named no_such_simulator\n\(`polymath setup point` makes"):
        evaluate(description=lacking)
