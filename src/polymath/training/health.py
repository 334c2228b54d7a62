"""When a training ends by itself: too many of its recent updates were left out.

Of the last `spikes.RECENT` steps more than MOST_RECENT, or MOST_IN_A_ROW in a row, were not finite: weights that have
run away, or data that hold numbers that are not finite.

More than MOST_RECENT of them were spikes: losses or gradients that grow without end. Spikes of one height cannot be so
many: from a share of 1 / (1 + sigma^2) on, 2.7 % at 6 standard deviations, they raise mean and deviation of their
window so far that they are none any more.
"""

from collections.abc import Mapping
from typing import Any

from polymath.training.recipe import Phase
from polymath.training.spikes import RECENT

MOST_RECENT = 100
MOST_IN_A_ROW = 20
COUNTS = ("skipped", "spikes", "not_finite", "recent_spikes", "recent_not_finite", "not_finite_in_a_row")
"""Of a step's metrics, those that count updates that were left out; see `spikes.counts`."""


def problem(phase_name: str, phase: Phase, step: int, counts: Mapping[str, Any]) -> str | None:
    """Why the training must end after `step` steps, with the remedy; None while it is healthy."""
    rate, where = phase.optimizer.peak_learning_rate, f"{phase_name}.optimizer"
    lower = f"--set {where}.peak_learning_rate={rate / 2:g} --allow learning-rate"
    not_finite, in_a_row = int(counts["recent_not_finite"]), int(counts["not_finite_in_a_row"])
    if not_finite > MOST_RECENT or in_a_row >= MOST_IN_A_ROW:
        return (
            f"{phase_name}, step {step}: the loss or the gradient was not finite in {not_finite} of the last "
            f"{min(step, RECENT):,} steps, {in_a_row} in a row up to this one, and their updates were skipped; run "
            f"again from the newest checkpoint with {lower}, or look at the data with `polymath data doctor`"
        )
    if counts["recent_spikes"] > MOST_RECENT:
        return (
            f"{phase_name}, step {step}: {int(counts['recent_spikes'])} of the last {min(step, RECENT):,} updates were "
            f"skipped as spikes, loss or gradient more than {phase.optimizer.spike_sigma:g} standard deviations above "
            f"the steps before; run again from the newest checkpoint with {lower}, or with a higher "
            f"{where}.spike_sigma and --allow spikes"
        )
    return None
