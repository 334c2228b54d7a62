"""One action at a time, as an environment's loop or another library's robot asks for them: queues over a policy.

    stepper = Stepper(policy, execute=2)
    stepper.reset()                                # before an episode of every row
    actions = stepper.actions(observations)        # one observation a row -> float32 [rows, A], one control step

A row is one robot with a session of its own. Of each chunk `execute` actions are handed out before the policy is asked
again, all rows that need an answer in one call, as an evaluation does it (`polymath.evaluation.rollout`): the policy is
told what was executed, and where a row's instruction changes, the rest of its chunk is dropped and its session forgets
what was before, for a new subtask has begun.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from polymath.errors import ConfigError, DataError, PolymathError
from polymath.policy.session import Policy, Session, Turn, check_answer, name_of
from polymath.types import Observation


@dataclass
class _Row:
    """One robot: `waiting` are the actions still to be handed out, `executed` those since its last answer."""

    session: Session
    instruction: str
    waiting: deque[Float[np.ndarray, " A"]] = field(default_factory=deque)
    executed: list[Float[np.ndarray, " A"]] = field(default_factory=list)


class Stepper:
    """Raises ConfigError for an `execute` below 1."""

    def __init__(self, policy: Policy, execute: int) -> None:
        if type(execute) is not int or execute < 1:
            raise ConfigError(f"execute {execute!r}: choose a whole number of at least 1, actions of each chunk")
        self.policy, self.execute = policy, execute
        self._rows: list[_Row] = []

    def reset(self) -> None:
        """A new episode of every row begins with the next observations."""
        for row in self._rows:
            row.session.close()
        self._rows = []

    def actions(self, observations: Sequence[Observation]) -> Float[np.ndarray, "rows A"]:
        """The next action of each row, in the robot's units.

        Raises DataError for another number of rows than before, and what the policy raises; PolymathError for chunks
        that are shorter than `execute` or hold NaN.
        """
        if not observations:
            raise DataError("observations: none; give one for each robot")
        if not self._rows:
            self._rows = [_Row(self.policy.open(), each.instruction) for each in observations]
        if len(observations) != len(self._rows):
            raise DataError(
                f"observations: {len(observations)}, but the episodes under way are {len(self._rows)}; call reset first"
            )
        self._fill(observations)
        actions = [row.waiting.popleft() for row in self._rows]
        for row, action in zip(self._rows, actions, strict=True):
            row.executed.append(action)
        return np.stack(actions)

    def chunks(self, observations: Sequence[Observation]) -> Float[np.ndarray, "rows W A"]:
        """Whole chunks for the first observations of episodes of their own; the rows are left alone."""
        sessions = [self.policy.open() for _ in observations]
        try:
            turns = [Turn(session, each) for session, each in zip(sessions, observations, strict=True)]
            answer = check_answer(name_of(self.policy), self.policy.answer(turns), len(turns))
            return np.stack([np.asarray(chunk.actions, np.float32) for chunk in answer])
        finally:
            for session in sessions:
                session.close()

    def _fill(self, observations: Sequence[Observation]) -> None:
        """Ask for the rows that have nothing left to do, or something else to do."""
        turns: dict[int, Turn] = {}
        for index, (row, observation) in enumerate(zip(self._rows, observations, strict=True)):
            if observation.instruction != row.instruction:
                row.session.reset()
                row.instruction = observation.instruction
                row.waiting.clear()
                row.executed.clear()
            if not row.waiting:
                executed = np.stack(row.executed) if row.executed else None
                turns[index] = Turn(row.session, observation, executed)
        if not turns:
            return
        answer = check_answer(name_of(self.policy), self.policy.answer(list(turns.values())), len(turns))
        for index, chunk in zip(turns, answer, strict=True):
            self._rows[index].waiting.extend(self._executable(chunk.actions))
            self._rows[index].executed.clear()

    def _executable(self, actions: Float[np.ndarray, "W A"]) -> Float[np.ndarray, "K A"]:
        actions, name = np.asarray(actions, np.float32), name_of(self.policy)
        if actions.ndim != 2 or len(actions) < self.execute:
            raise PolymathError(
                f"policy {name}: an action chunk of shape {list(actions.shape)}, but {self.execute} actions are to be "
                "executed before it is asked again; choose fewer, no more than the policy's chunk length"
            )
        if not np.isfinite(actions[: self.execute]).all():
            raise PolymathError(
                f"policy {name}: a NaN or infinite action; was the checkpoint written by a diverged run?"
            )
        return actions[: self.execute]
