"""What a step's numbers go to: curves on disk and the terminal's line, of the first of several processes alone."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import jax

from polymath.progress import ProgressBar
from polymath.training.health import COUNTS
from polymath.training.measurement import PREFIX
from polymath.training.metrics import MetricsWriter
from polymath.training.processes import is_first
from polymath.training.recipe import Phase
from polymath.training.run import Run


class Report:
    """Curves and the terminal's line of one phase."""

    def __init__(self, phase: Phase, metrics: MetricsWriter | None, bar: ProgressBar) -> None:
        self._phase, self._metrics, self._bar = phase, metrics, bar
        self._held_out = ""

    def step(self, step: int, values: dict[str, Any], measured: dict[str, float]) -> None:
        """Log the step if it is one to log, the last one, or was measured on held-out episodes."""
        if self._metrics is None or not (measured or step % self._phase.log_every == 0 or step == self._phase.steps):
            return
        numbers = {name: float(value) for name, value in jax.device_get(values).items()}
        counts = {name: int(numbers.pop(name)) for name in COUNTS}
        self._metrics.write(step, {**numbers, **counts, **measured})
        if measured:
            self._held_out = f" · held-out mse {measured[f'{PREFIX}mse']:.4f}"
        left_out = "".join(f" · {counts[kind]} {kind.replace('_', ' ')}" for kind in COUNTS[1:3] if counts[kind])
        self._bar.reach(step, f"ce {numbers['cross_entropy']:.3f} mse {numbers['mse']:.4f}{left_out}{self._held_out}")


def curves(run: Run, phase_name: str, first: int) -> AbstractContextManager[MetricsWriter | None]:
    """The writer of the phase's metrics after step `first`; of several processes the first one has one."""
    return MetricsWriter(run.path, phase_name, first) if is_first() else nullcontext()
