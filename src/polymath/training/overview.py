"""What a phase will do with its data: rows, windows and steps an epoch; what of its schedule will not happen."""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np

from polymath.data.loading.loader import Loader
from polymath.data.loading.on_the_fly import OnTheFly
from polymath.training import optimizer
from polymath.training.recipe import Recipe

LOW = 0.5  # share of the peak that the learning rate should reach


@dataclass(frozen=True)
class PhaseOverview:
    """rows, length: of a step's batch. fill: share of its tokens that hold documents, None for prepared rows.

    documents: training windows and pairs that a step holds on average, None where prepared rows are among them;
    epochs: passes over each set, by its name.
    """

    phase: str
    steps: int
    rows: int
    length: int
    fill: float | None
    documents: float | None
    steps_per_epoch: dict[str, float]
    epochs: dict[str, float]

    def line(self) -> str:
        """For people."""
        parts = [f"{self.phase}: {self.steps:,} steps of {self.rows} rows x {self.length} tokens"]
        if self.fill is not None and self.documents is not None:
            parts.append(f"{self.fill:.0%} filled, {self.documents:.1f} windows or pairs a step (the effective batch)")
        for name, steps in self.steps_per_epoch.items():
            parts.append(f"{name}: {steps:,.0f} steps an epoch, {self.epochs[name]:.1f} epochs")
        return "; ".join(parts)


def phase_overview(recipe: Recipe, name: str, loader: Loader) -> PhaseOverview:
    """Counts, from the sizes of the documents alone; no picture is read."""
    phase, shares = recipe.phase(name), loader.shares()
    per_epoch = {stream.name: len(stream) / (share * phase.rows) for stream, share in shares}
    epochs = {stream: phase.steps / steps for stream, steps in per_epoch.items()}
    raw = [(stream, share) for stream, share in shares if isinstance(stream, OnTheFly)]
    fill = documents = None
    if len(raw) == len(shares):
        fill = sum(share * stream.fill() for stream, share in raw)
        documents = phase.rows * sum(share * stream.documents() / len(stream) for stream, share in raw)
    return PhaseOverview(name, phase.steps, phase.rows, loader.layout.length, fill, documents, per_epoch, epochs)


def schedule_note(recipe: Recipe, name: str) -> str | None:
    """A warning with the numbers where the phase is too short for its warm-up and cool-down."""
    phase = recipe.phase(name)
    schedule = phase.optimizer
    rates = np.asarray(optimizer.learning_rate(schedule, jnp.arange(phase.steps), phase.steps))
    highest = float(rates.max())
    if highest >= LOW * schedule.peak_learning_rate:
        return None
    return (
        f"{name}: in {phase.steps} steps, with a warm-up of {schedule.warmup_steps} and a cool-down of "
        f"{schedule.cooldown_steps}, the learning rate reaches {highest:.2g} of its peak of "
        f"{schedule.peak_learning_rate:.2g}; lower {name}.optimizer.warmup_steps and cooldown_steps, or train longer"
    )
