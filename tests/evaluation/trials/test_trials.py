"""A robot that is a toy, an operator that is a script: order, verdicts, pause, undo, resume, results."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polymath import cli
from polymath.errors import ConfigError, DataError, PolymathError
from polymath.evaluation.trials.log import TrialLog
from polymath.evaluation.trials.plan import TrialPlan
from polymath.evaluation.trials.results import results
from polymath.evaluation.trials.run import run_trials, score_of
from polymath.policy.session import SessionsLost, with_sessions
from polymath.types import ActionChunk, Observation
from polymath.workers.pool import WorkerPool
from polymath.workers.process import WorkerCommand

PLAN = TrialPlan(("run-a", "run-b"), ("left", "right"), 2, 7, 2, "point_worker", ("a/1", "b/1"))
POINT = WorkerCommand("point_worker", ("1",), path=(str(Path(__file__).parents[2] / "workers"),))


class Still:
    """Never moves, so a trial lasts until the robot's limit of 30 control steps."""

    def __init__(self, name: str, answer: np.ndarray | None = None) -> None:
        self.name, self.asked = name, 0
        self.answer = np.zeros((2, 2), np.float32) if answer is None else answer

    def act(self, observations: Sequence[Observation]) -> list[ActionChunk]:
        self.asked += 1
        return [ActionChunk(self.answer)] * len(observations)


class Script:
    """Gives the answers in order; `pauses`: at which calls of `wants_pause` a pause is wanted."""

    def __init__(self, *answers: str, pauses: Sequence[int] = ()) -> None:
        self.answers, self.pauses, self.calls = list(answers), set(pauses), 0
        self.lines: list[str] = []

    def tell(self, text: str) -> None:
        self.lines.append(text)

    def ask(self, prompt: str) -> str:
        self.lines.append(prompt)
        return self.answers.pop(0)

    def wants_pause(self) -> bool:
        self.calls += 1
        return self.calls in self.pauses


def played(tmp_path: Path, script: Script, plan: TrialPlan = PLAN, answer: np.ndarray | None = None) -> bool:
    policies = {name: with_sessions(Still(name, answer)) for name in plan.policies}
    with WorkerPool(POINT, 1) as pool:
        log = TrialLog(tmp_path / "trials.jsonl", plan)
        return run_trials(plan, policies, pool, log, script, tmp_path / "videos")


def verdicts(tmp_path: Path, plan: TrialPlan = PLAN) -> dict[int, float]:
    return {number: each.score for number, each in TrialLog(tmp_path / "trials.jsonl", plan).verdicts.items()}


@given(
    policies=st.integers(1, 4), tasks=st.integers(1, 4), arrangements=st.integers(1, 6), seed=st.integers(0, 2**32 - 1)
)
def test_every_policy_plays_every_arrangement_once_side_by_side(
    policies: int, tasks: int, arrangements: int, seed: int
) -> None:
    names = tuple(f"p{i}" for i in range(policies))
    plan = TrialPlan(names, tuple(f"t{i}" for i in range(tasks)), arrangements, seed, 1, "r", names)
    order = plan.order()
    assert order == plan.order()
    assert [trial.number for trial in order] == list(range(1, policies * tasks * arrangements + 1))
    assert set(Counter(trial[1:] for trial in order).values()) == {1}
    for start in range(0, len(order), policies):
        block = order[start : start + policies]
        assert len({(trial.task, trial.arrangement) for trial in block}) == 1
        assert {trial.policy for trial in block} == set(names)


def test_a_trial_whose_session_is_lost_comes_again(tmp_path: Path) -> None:
    class Forgetful(Still):
        def act(self, observations: Sequence[Observation]) -> list[ActionChunk]:
            if self.asked == 3:
                self.asked += 1
                raise SessionsLost("ws://lab: has left")
            return super().act(observations)

    plan = replace(PLAN, policies=("run-a",), checkpoints=("a/1",), tasks=("left",), arrangements=1)
    script = Script("", "", "y")
    with WorkerPool(POINT, 1) as pool:
        log = TrialLog(tmp_path / "trials.jsonl", plan)
        assert run_trials(plan, {"run-a": with_sessions(Forgetful("run-a"))}, pool, log, script, tmp_path / "videos")
    assert "The policy has lost this trial: ws://lab: has left" in script.lines
    assert verdicts(tmp_path, plan) == {1: 1.0}


def test_the_order_differs_between_seeds_and_neither_policy_is_always_first() -> None:
    plan = replace(PLAN, arrangements=20)
    firsts = Counter(trial.policy for trial in plan.order()[::2])
    assert 10 <= firsts["run-a"] <= 30  # 40 fair coins: outside in 1 of 900 seeds
    assert plan.order() != replace(plan, seed=8).order()


def test_a_whole_evaluation(tmp_path: Path) -> None:
    judged = ["y", "n", "0.5", "1", "n", "y a nice one", "n", "n"]
    answers = [word for verdict in judged for word in ("", verdict)]
    answers.insert(answers.index("y a nice one") + 2, "maybe")  # no verdict: the seventh trial is asked about again
    script = Script(*answers)
    assert played(tmp_path, script)
    assert list(verdicts(tmp_path).values()) == [1, 0, 0.5, 1, 0, 1, 0, 0]
    log = TrialLog(tmp_path / "trials.jsonl", PLAN)
    assert log.verdicts[6].note == "a nice one"
    assert log.verdicts[1].steps == 30
    assert (tmp_path / "videos/trial-008.mp4").stat().st_size > 0
    outcome = results(PLAN, log)
    expected = {"run-a": 0, "run-b": 0}
    for trial in PLAN.order():
        expected[trial.policy] += log.verdicts[trial.number].success
    assert {row.policy: row.successes for row in outcome.policies} == expected
    assert outcome.order == tuple(trial.policy for trial in PLAN.order())
    [pair] = outcome.pairs
    assert pair.only_a - pair.only_b == expected["run-a"] - expected["run-b"]


def test_neither_the_operator_nor_the_log_is_told_which_policy_plays(tmp_path: Path) -> None:
    script = Script("", "y", "", "n", "q")
    assert not played(tmp_path, script)
    assert not any("run-a" in line or "run-b" in line for line in script.lines)
    rows = (tmp_path / "trials.jsonl").read_text().splitlines()[1:]
    assert not any("run-a" in row or "run-b" in row for row in rows)
    with pytest.raises(DataError, match="6 of 8 trials have no verdict"):
        results(PLAN, TrialLog(tmp_path / "trials.jsonl", PLAN))


def test_it_resumes_after_the_last_verdict_and_a_cut_line(tmp_path: Path) -> None:
    assert not played(tmp_path, Script("", "y", "", "q"))
    path = tmp_path / "trials.jsonl"
    with path.open("a") as file:
        file.write('{"trial": 2, "sco')
    script = Script("", "n", "q")
    assert not played(tmp_path, script)
    assert verdicts(tmp_path) == {1: 1, 2: 0}
    assert any(line.startswith("\nTrial 2 of 8") for line in script.lines)


def test_a_mistaken_verdict_is_undone_and_its_trial_comes_again(tmp_path: Path) -> None:
    script = Script("", "y", "u", "", "n", "q")
    assert not played(tmp_path, script)
    assert verdicts(tmp_path) == {1: 0}


def test_undo_while_judging_brings_the_earlier_trial_back(tmp_path: Path) -> None:
    assert not played(tmp_path, Script("", "y", "", "u", "n", "", "n", "q"))
    assert verdicts(tmp_path) == {1: 0, 2: 0}


def test_pause_continue_stop_and_run_again(tmp_path: Path) -> None:
    # trial 1: paused at its third question, continued, paused at the fifth and stopped: 2 * 4 control steps
    script = Script("", "what", "c", "s", "n", "", "r", "", "y", "q", pauses=(3, 5, 6))
    assert not played(tmp_path, script)
    log = TrialLog(tmp_path / "trials.jsonl", PLAN)
    assert {number: (v.score, v.steps) for number, v in log.verdicts.items()} == {1: (0, 8), 2: (1, 30)}
    assert "Nothing of this trial counts; it comes again." in script.lines


def test_an_action_that_is_not_finite_never_reaches_the_robot(tmp_path: Path) -> None:
    with pytest.raises(PolymathError, match="the robot was not moved"):
        played(tmp_path, Script(""), answer=np.full((2, 2), np.nan, np.float32))


@pytest.mark.parametrize(
    ("word", "score"),
    [
        ("y", 1),
        ("N", 0),
        ("0.25", 0.25),
        ("1", 1),
        ("1.5", None),
        ("-0.1", None),
        ("nan", None),
        ("", None),
        ("u", None),
    ],
)
def test_scores(word: str, score: float | None) -> None:
    assert score_of(word) == score


def test_a_log_of_another_plan_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "trials.jsonl"
    TrialLog(path, PLAN)
    with pytest.raises(ConfigError, match=r"execute = 2, these have 3; name another --out"):
        TrialLog(path, replace(PLAN, execute=3))


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"trial": 9, "score": 1.0, "steps": 1, "seconds": 1.0}, "there are 8 trials"),
        ({"trial": 1, "score": 2.0, "steps": 1, "seconds": 1.0}, "scores from 0 to 1"),
        ({"trial": 1}, "score"),
        ({"undone": 3}, "has no verdict"),
        ([1], "no JSON object"),
    ],
)
def test_a_line_that_makes_no_sense_is_named(tmp_path: Path, row: object, words: str) -> None:
    path = tmp_path / "trials.jsonl"
    TrialLog(path, PLAN)
    with path.open("a") as file:
        file.write(json.dumps(row) + "\n")
    with pytest.raises(PolymathError, match="line 2.*" + words):
        TrialLog(path, PLAN)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"policies": ()}, "policies"),
        ({"policies": ("a", "a")}, "each once"),
        ({"tasks": (" ",)}, "tasks"),
        ({"arrangements": 0}, "arrangements 0"),
        ({"execute": 0}, "execute 0"),
        ({"seed": -1}, "seed -1"),
    ],
)
def test_plans_without_trials_are_refused(change: dict, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        replace(PLAN, **change)


def test_a_key_that_no_policy_asks_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--policies", "run-a", "run-b", "--tasks", "lift", "--robot", "robot", "--out", str(tmp_path)]
    assert cli.main(["eval", "real", *words, "--key-file", "key"]) != 0
    assert "--key-file: policy run-a, run-b is not served" in capsys.readouterr().err
