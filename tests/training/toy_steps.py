"""A phase of toy steps: the loop's own parts around a state of one weight, without a model."""

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from polymath.presets.demo import TINY
from polymath.progress import progress_bar
from polymath.training import spikes
from polymath.training.agreement import Agreement
from polymath.training.checkpoints import Checkpoints
from polymath.training.metrics import MetricsWriter
from polymath.training.optimizer import State as OptimizerState
from polymath.training.recipe import Phase
from polymath.training.reporting import Report
from polymath.training.step import State
from polymath.training.steps import Steps


def phase(steps: int, every: int, sigma: float | None = 6.0) -> Phase:
    optimizer = replace(TINY.robot.optimizer, spike_sigma=sigma)
    return replace(TINY.robot, steps=steps, checkpoint_every=every, log_every=1, optimizer=optimizer)


def fresh_state(step: int = 0) -> State:
    zero = jnp.zeros((), jnp.int32)
    moments = OptimizerState(zero, {}, None)
    return State(
        zero + step, zero, {"weight": jnp.zeros(3)}, {}, moments, spikes.no_history(4), spikes.nothing_left_out()
    )


def toy_step(state: State, loss: float) -> tuple[State, dict[str, Any]]:
    """A weight that counts its updates; a loss of NaN is not finite, one above 100 a spike."""
    healthy = jnp.bool_(loss <= 100)
    assert state.left_out is not None
    left_out = spikes.count(state.left_out, state.step, healthy, jnp.float32(loss), jnp.float32(1.0))
    weight, skipped = state.trainable["weight"], state.skipped + (0 if healthy else 1)
    new = state._replace(
        step=state.step + 1, skipped=skipped, trainable={"weight": weight + healthy}, left_out=left_out
    )
    values = {"loss": jnp.float32(loss), "cross_entropy": jnp.float32(0.0), "mse": jnp.float32(0.0)}
    return new, {**values, "skipped": skipped, **spikes.counts(left_out)}


def run(
    out: Path,
    phase: Phase,
    losses: Iterable[float],
    state: State | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Train on these losses to their end; raises what the steps raise, after their `end`."""
    state = fresh_state() if state is None else state
    first = int(state.step)
    directory = out / "checkpoints" / "robot"
    with (
        Checkpoints(directory, phase.checkpoint_every, phase.checkpoint_keep) as checkpoints,
        MetricsWriter(out, "robot", first) as metrics,
        progress_bar("toy", phase.steps) as bar,
    ):
        report = Report(phase, metrics, bar)
        agreement = Agreement(first, phase.checkpoint_minutes, lambda: False, clock)
        steps = Steps(toy_step, state, first, "robot", phase, checkpoints, report, None, agreement)  # type: ignore[arg-type]
        try:
            for loss in losses:
                steps.take(loss)  # type: ignore[arg-type]
        finally:
            steps.end()


NAN = float(np.nan)
