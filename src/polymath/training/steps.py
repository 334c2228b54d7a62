"""The steps of a phase, one after the other, without a wait between two of them.

device    |  step n  |  step n+1  |  step n+2  |
host          dispatch n+1, report n-1, fetch batch n+2, dispatch n+2, report n, …

A step is dispatched first; while it computes, the step before it is reported and the next batch is fetched. The host
counts the steps itself: it waits for the device only for a step that is over, or where a state is saved or measured.
"""

from collections.abc import Callable
from typing import Any

import jax

from polymath.errors import PolymathError
from polymath.interrupts import delayed_interrupts
from polymath.training import health
from polymath.training.agreement import Agreement
from polymath.training.checkpoints import Checkpoints
from polymath.training.gradients import Metrics
from polymath.training.measurement import Measurement
from polymath.training.recipe import Phase
from polymath.training.reporting import Report
from polymath.training.step import State
from polymath.types import Batch

StepFunction = Callable[[State, Batch], tuple[State, Metrics]]


class Steps:
    """A phase under way: `state` after `step` steps.

    A state after a step that was not finite is saved at the phase's end alone: what is restored is a state that could
    still learn. A checkpoint that was due there follows after the next finite step.
    """

    def __init__(
        self,
        function: StepFunction,
        state: State,
        first: int,
        phase_name: str,
        phase: Phase,
        checkpoints: Checkpoints,
        report: Report,
        measurement: Measurement | None,
        agreement: Agreement,
    ) -> None:
        self.state, self.step, self._first = state, first, first
        self._function, self._phase_name, self._phase = function, phase_name, phase
        self._checkpoints, self._report = checkpoints, report
        self._measurement, self._agreement = measurement, agreement
        self._unreported: tuple[int, Metrics] | None = None
        self._problem: str | None = None
        self._is_finite, self._is_overdue, self._is_agreed = True, False, jax.process_count() == 1

    def take(self, batch: Batch) -> None:
        """Dispatch one step, report the one before it, measure and save where that is due.

        Raises KeyboardInterrupt where several processes agree to stop, because one of them got a signal.
        Raises PolymathError if too many of the recent updates were left out (`training.health`).
        """
        with delayed_interrupts():
            self.state, values = self._function(self.state, batch)
            self.step += 1
            self.report()
            self._unreported = self.step, values
            if self._measurement is not None and self._measurement.is_due(self.step):
                measured = self._measurement.measure(self.state)
                self._checkpoints.measured(self.step, self._measurement.error(measured))
                self.report(measured)
            decision = self._agreement.after(self.step, values)
            self._is_overdue = self._is_overdue or decision.save or self._checkpoints.is_due(self.step)
            if self._is_overdue:
                self.save()
            if decision.stop:
                self._is_agreed = True
                raise KeyboardInterrupt

    def report(self, measured: dict[str, float] | None = None) -> None:
        """Wait for the step that is not reported yet, if there is one, and report it. Raises as `take` does."""
        if self._unreported is None:
            return
        (step, values), self._unreported = self._unreported, None
        counts: dict[str, Any] = jax.device_get({name: values[name] for name in health.COUNTS})
        self._is_finite = not counts["not_finite_in_a_row"]
        self._report.step(step, values, measured or {})
        self._problem = health.problem(self._phase_name, self._phase, step, counts)
        if self._problem is not None:
            raise PolymathError(self._problem)

    def save(self) -> None:
        """Save the state, unless its newest step was not finite and more are to come."""
        self.report()
        if self._is_finite or self.step == self._phase.steps:
            self._checkpoints.save(self.state, now=True)
            self._is_overdue = False
            self._agreement.saved()

    def end(self) -> None:
        """Report and save what can be saved, and wait until it is on disk; for every way out of the phase.

        Of several processes none saves alone: where one of them fails, the others wait for it elsewhere.
        """
        with delayed_interrupts():
            is_agreed = self._is_agreed or self.step == self._phase.steps
            if is_agreed and self._problem is None and self.step > self._first and self._is_whole():
                self.save()
            self._checkpoints.wait()

    def _is_whole(self) -> bool:
        """Whether no array of the state has been given away, as when the very first step is interrupted."""
        return not any(leaf.is_deleted() for leaf in jax.tree.leaves(self.state))
