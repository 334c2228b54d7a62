"""Runs the trials: the robot moves, a person judges.

before a trial    Enter starts it · u the last verdict was a mistake · q the end for today
while it runs     Enter pauses: c continue · s stop and judge · r run it again · q
after a trial     y · n · a score from 0 to 1, each with a note behind it if you like · r run it again · u · q
"""

import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from polymath.errors import PolymathError
from polymath.evaluation.trials.log import TrialLog, Verdict
from polymath.evaluation.trials.operator import Operator
from polymath.evaluation.trials.plan import Trial, TrialPlan
from polymath.evaluation.video import upscale, write_mp4
from polymath.policy.session import EpisodeKey, Policy, Session, SessionsLost
from polymath.types import Observation
from polymath.workers.pool import Lost, Place, WorkerPool
from polymath_worker.protocol import State

SPLIT = "real"
PLACE = Place(0, 0)
VIDEO_PIXELS = 256
JUDGE = "y, n or a score from 0 to 1 (r: run it again, u: undo the last verdict, q: stop here) > "


class _Again(Exception):
    """The trial is to be run again: nothing of it counts."""


class _Quit(Exception):
    """The operator stops here."""


def run_trials(
    plan: TrialPlan, policies: Mapping[str, Policy], pool: WorkerPool, log: TrialLog, operator: Operator, videos: Path
) -> bool:
    """Run the trials that have no verdict; True when all are judged, False where the operator stopped before.

    The videos are VIDEOS/trial-007.mp4. Raises PolymathError for an answer that the robot cannot execute, WorkerError
    where the robot's worker fails.
    """
    trials = plan.order()
    try:
        while missing := [trial for trial in trials if trial.number not in log.verdicts]:
            trial = missing[0]
            operator.tell(f"\nTrial {trial.number} of {len(trials)}: {trial.task}, arrangement {trial.arrangement}")
            if _undone(operator.ask("Enter: start (u: undo the last verdict, q: stop here) > "), log):
                continue
            try:
                _judge(operator, log, _play(trial, plan, policies[trial.policy], pool, operator, videos), trial)
            except _Again:
                operator.tell("Nothing of this trial counts; it comes again.")
    except _Quit:
        return False
    return True


def _play(
    trial: Trial, plan: TrialPlan, policy: Policy, pool: WorkerPool, operator: Operator, videos: Path
) -> tuple[int, float]:
    """Steps and seconds of the trial. Raises _Again or _Quit where the operator says so."""
    session, began = policy.open(EpisodeKey(trial.task, SPLIT, trial.arrangement)), time.monotonic()
    try:
        pool.reset(PLACE, trial.task, SPLIT, trial.arrangement, record=True)
        state = _received(pool, operator)
        frames, executed = [state.frames], None
        while not state.done:
            if operator.wants_pause() and _paused(operator):
                break
            try:
                actions = _actions(policy.name, session, state, executed, plan.execute)
            except SessionsLost as error:
                operator.tell(f"The policy has lost this trial: {error}")
                raise _Again from None
            pool.act(PLACE, actions)
            state = _received(pool, operator)
            executed = actions[: state.executed]
            frames.append(state.frames)
        film = np.concatenate(frames)
        if len(film):
            path = videos / f"trial-{trial.number:03d}.mp4"
            write_mp4(path, upscale(film, VIDEO_PIXELS), pool.hello.control_hz, title=trial.task)
        return state.steps, time.monotonic() - began
    finally:
        session.close()


def _received(pool: WorkerPool, operator: Operator) -> State:
    [(_, state)] = pool.receive()
    if isinstance(state, Lost):
        operator.tell(f"The robot's worker was started anew: {state.problem}")
        raise _Again
    return state


def _actions(name: str, session: Session, state: State, executed: np.ndarray | None, execute: int) -> np.ndarray:
    chunk = session.act(Observation(**vars(state.observation)), executed)
    actions = np.asarray(chunk.actions, np.float32)
    if actions.ndim != 2 or len(actions) < execute or not np.isfinite(actions[:execute]).all():
        raise PolymathError(
            f"policy {name}: an action chunk of shape {list(actions.shape)}, or not finite, where {execute} actions "
            "are to be executed; the robot was not moved"
        )
    return np.ascontiguousarray(actions[:execute])


def _paused(operator: Operator) -> bool:
    """Whether the trial ends here and is judged; False goes on."""
    while True:
        answer = operator.ask("Paused. c: continue, s: stop and judge, r: run it again, q: stop here > ").lower()
        if answer == "r":
            raise _Again
        if answer == "q":
            raise _Quit
        if answer in ("c", "s"):
            return answer == "s"


def _judge(operator: Operator, log: TrialLog, played: tuple[int, float], trial: Trial) -> None:
    """Ask until there is a verdict on this trial."""
    while True:
        answer = operator.ask(JUDGE)
        word, _, note = answer.partition(" ")
        if word.lower() == "r":
            raise _Again
        score = score_of(word)
        if score is not None:
            log.add(Verdict(trial.number, score, *played, note=note.strip()))
            return
        if _undone(word, log):
            operator.tell("That trial comes again later; now the verdict on this one.")
        else:
            operator.tell(f"{answer!r} is no verdict.")


def score_of(word: str) -> float | None:
    """y: 1, n: 0, or a number from 0 to 1; None for anything else."""
    if word.lower() in ("y", "yes"):
        return 1.0
    if word.lower() in ("n", "no"):
        return 0.0
    try:
        score = float(word)
    except ValueError:
        return None
    return score if 0 <= score <= 1 else None


def _undone(word: str, log: TrialLog) -> bool:
    """Take the newest verdict back if `word` says so. Raises _Quit for q."""
    if word.lower() == "q":
        raise _Quit
    if word.lower() != "u" or not log.verdicts:
        return False
    log.undo(next(reversed(log.verdicts)))
    return True
