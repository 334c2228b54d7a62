"""Which steps are left out: numbers that are not finite, and losses or gradients far above the recent ones.

A spike is a loss or a gradient norm more than `sigma` standard deviations above the mean of the last `window` steps
(Levanter's skip-step, and MaxText's `skip_step_on_spikes`: 6 standard deviations over 128 steps). As there, the window
remembers every finite step, whether it was left out or not: after a lasting change of the level (another camera,
another shard of the data) the window fills up with the new level, and training continues.

What was left out is counted by its kind, in all and over the last `RECENT` steps; `training.health` has the limits.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, UInt8

RECENT = 1_000  # steps
UPDATED, SPIKE, NOT_FINITE = 0, 1, 2


class History(NamedTuple):
    """The last `window` finite steps in a ring; `seen` of them have been seen in all."""

    values: Float[Array, "2 window"]  # loss, gradient norm
    seen: Int[Array, ""]


def no_history(window: int) -> History:
    return History(jnp.zeros((2, window)), jnp.zeros((), jnp.int32))


def is_healthy(
    history: History | None, sigma: float | None, loss: Float[Array, ""], norm: Float[Array, ""]
) -> Bool[Array, ""]:
    """Finite and, once the window is full, no spike."""
    now = jnp.stack([loss, norm])
    finite = jnp.all(jnp.isfinite(now))
    if history is None or sigma is None:
        return finite
    mean, deviation = jnp.mean(history.values, axis=1), jnp.std(history.values, axis=1)
    full = history.seen >= history.values.shape[1]
    return finite & ~(full & jnp.any(now > mean + sigma * deviation))


def remember(history: History | None, loss: Float[Array, ""], norm: Float[Array, ""]) -> History | None:
    """The history with this step in it; unchanged if the step is not finite."""
    if history is None:
        return None
    now = jnp.stack([loss, norm])
    finite = jnp.all(jnp.isfinite(now))
    place = history.seen % history.values.shape[1]
    values = history.values.at[:, place].set(jnp.where(finite, now, history.values[:, place]))
    return History(values, history.seen + finite.astype(jnp.int32))


class LeftOut(NamedTuple):
    """Steps that changed no weight. `kinds`: of each of the last RECENT steps, at step % RECENT, what it was."""

    kinds: UInt8[Array, " RECENT"]
    spikes: Int[Array, ""]  # of the whole phase
    not_finite: Int[Array, ""]  # of the whole phase
    in_a_row: Int[Array, ""]  # steps that were not finite, up to the newest one


def nothing_left_out() -> LeftOut:
    """Every number in a buffer of its own: a step takes them over one by one."""
    return LeftOut(jnp.zeros(RECENT, jnp.uint8), *(jnp.zeros((), jnp.int32) for _ in range(3)))


def count(
    left_out: LeftOut, step: Int[Array, ""], healthy: Bool[Array, ""], loss: Float[Array, ""], norm: Float[Array, ""]
) -> LeftOut:
    """The counts with this step in them; `step`: how many came before it."""
    finite = jnp.isfinite(loss) & jnp.isfinite(norm)
    kind = jnp.where(healthy, UPDATED, jnp.where(finite, SPIKE, NOT_FINITE)).astype(jnp.uint8)
    return LeftOut(
        kinds=left_out.kinds.at[step % RECENT].set(kind),
        spikes=left_out.spikes + (kind == SPIKE),
        not_finite=left_out.not_finite + (kind == NOT_FINITE),
        in_a_row=jnp.where(finite, 0, left_out.in_a_row + 1),
    )


def counts(left_out: LeftOut) -> dict[str, Int[Array, ""]]:
    """The numbers of `left_out` by the names that they have among a step's metrics."""
    return {
        "spikes": left_out.spikes,
        "not_finite": left_out.not_finite,
        "recent_spikes": jnp.sum(left_out.kinds == SPIKE),
        "recent_not_finite": jnp.sum(left_out.kinds == NOT_FINITE),
        "not_finite_in_a_row": left_out.in_a_row,
    }
