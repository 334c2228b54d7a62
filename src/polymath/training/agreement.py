"""After which step to save and after which to stop, decided by all processes together.

A process alone decides by its own clock, and a signal interrupts it wherever it stands. Several of them may not: one
would save step N while another waits for it in a collective of step N + 1. They meet after the same steps, about once a
second and when the device has done the step, and exchange

    process   a signal has arrived   first process: the minutes are over   first process: steps until the next meeting
"""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.experimental import multihost_utils

SECONDS = 1.0  # between two meetings, if steps are shorter
MOST_STEPS = 1_000  # between two meetings


class Decision(NamedTuple):
    """What all processes do after a step."""

    save: bool
    stop: bool


class Agreement:
    """`minutes` between two checkpoints, None: not by the clock; `has_signal`: whether this process got a signal.

    Times are those of `clock`, seconds that never go backwards.
    """

    def __init__(
        self,
        first: int,
        minutes: float | None,
        has_signal: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._minutes, self._has_signal, self._clock = minutes, has_signal, clock
        self._saved_at = self._met_at = clock()
        self._met, self._next = first, first + 1

    def after(self, step: int, values: Any) -> Decision:
        """What to do after `step` steps; before a meeting it waits for the arrays `values` of the newest step."""
        if jax.process_count() == 1:
            return Decision(self._is_time(), stop=False)
        if step < self._next:
            return Decision(save=False, stop=False)
        jax.block_until_ready(values)
        own = [self._has_signal(), self._is_time(), self._steps_to_next(step)]
        table = multihost_utils.process_allgather(np.asarray(own, np.int32))  # [processes, 3]
        self._met, self._met_at, self._next = step, self._clock(), step + int(table[0, 2])
        return Decision(save=bool(table[0, 1]), stop=bool(table[:, 0].any()))

    def saved(self) -> None:
        """Note that a checkpoint is saved now."""
        self._saved_at = self._clock()

    def _is_time(self) -> bool:
        return self._minutes is not None and self._clock() - self._saved_at >= 60 * self._minutes

    def _steps_to_next(self, step: int) -> int:
        """As many as fit into the seconds between two meetings, at the pace since the last one."""
        pace = (self._clock() - self._met_at) / (step - self._met)
        return int(np.clip(SECONDS / max(pace, 1e-6), 1, MOST_STEPS))
