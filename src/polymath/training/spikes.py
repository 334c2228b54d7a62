"""Which steps are left out: numbers that are not finite, and losses or gradients far above the recent ones.

A spike is a loss or a gradient norm more than `sigma` standard deviations above the mean of the last `window` steps
(Levanter's skip-step, and MaxText's `skip_step_on_spikes`: 6 standard deviations over 128 steps). As there, the window
remembers every finite step, whether it was left out or not: after a lasting change of the level (another camera,
another shard of the data) the window fills up with the new level, and training continues.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int


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
