"""The rules of an episode, without a simulator: subtasks in turn, 360 steps for each, the end at the first failure."""

from typing import Dict, Sequence, Tuple

from polymath_worker import Outcome

SUBTASK_STEPS = 360
"""Control steps for a subtask, 12 seconds (EP_LEN of the official `evaluate_policy.py`)."""


class Episode:
    """How far a policy is in a chain of `subtasks`; told after every control step whether the subtask is solved."""

    def __init__(self, subtasks: Sequence[str]) -> None:
        self.subtasks: Tuple[str, ...] = tuple(subtasks)
        self.solved, self.steps, self.failed = 0, 0, False

    @property
    def done(self) -> bool:
        return self.failed or self.solved == len(self.subtasks)

    @property
    def part(self) -> int:
        """Index of the subtask under way; of the last one that was, when the episode is over."""
        return min(self.solved, len(self.subtasks) - 1)

    @property
    def subtask(self) -> str:
        return self.subtasks[self.part]

    def after_step(self, solved: bool) -> Outcome:
        """Count one control step. Success is the whole chain, the score the number of subtasks solved."""
        self.steps += 1
        if solved:
            self.solved, self.steps = self.solved + 1, 0
        elif self.steps == SUBTASK_STEPS:
            self.failed = True
        success = self.solved == len(self.subtasks)
        return Outcome(success, self.done, float(self.solved), self.part, self._measures())

    def _measures(self) -> Dict[str, float]:
        """Each subtask that has ended: 1 solved, 0 failed. Those that were never begun are not there."""
        ended = dict.fromkeys(self.subtasks[: self.solved], 1.0)
        return {**ended, self.subtask: 0.0} if self.failed else ended
