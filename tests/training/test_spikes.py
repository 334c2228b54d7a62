"""Which steps are left out: by hand-made numbers, and in the whole step."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tests.training import curves

from polymath.model.execution import Execution
from polymath.training import losses, spikes
from polymath.training.step import init_params, init_state, make_step
from polymath.types import Batch


def filled(window: int = 128) -> spikes.History:
    history, rng = spikes.no_history(window), np.random.default_rng(0)
    for loss, norm in zip(rng.normal(3.0, 0.1, window), rng.normal(1.0, 0.2, window), strict=True):
        history = spikes.remember(history, jnp.float32(loss), jnp.float32(norm))
    return history


def healthy(history: spikes.History | None, loss: float, norm: float, sigma: float | None = 6.0) -> bool:
    return bool(spikes.is_healthy(history, sigma, jnp.float32(loss), jnp.float32(norm)))


def test_six_standard_deviations_over_128_steps_are_the_limit() -> None:
    history = filled()
    values = np.asarray(history.values)
    mean, deviation = values.mean(axis=1), values.std(axis=1)
    for which in (0, 1):
        for sigmas, expected in ((5.9, True), (6.1, False)):
            now = mean.copy()
            now[which] += sigmas * deviation[which]
            assert healthy(history, *now) is expected


def test_nothing_is_a_spike_before_the_window_is_full_but_nan_is_always_left_out() -> None:
    young = spikes.remember(spikes.no_history(128), jnp.float32(1.0), jnp.float32(1.0))
    assert healthy(young, 1e6, 1e6)
    assert not healthy(young, np.nan, 1.0)
    assert not healthy(None, 1.0, np.inf, None)
    assert healthy(filled(), 0.0, 0.0)  # a low loss is good news


def wild(kind: str) -> Batch:
    """A batch with a target that is no number, without an end, or 10,000 times too large."""
    value = {"nan": np.nan, "inf": np.inf, "spike": 1e4}[kind]
    batch = curves.random_batch(9)
    return batch._replace(actions=np.full_like(batch.actions, value))


@pytest.mark.parametrize("kind", ["nan", "inf", "spike"])
def test_a_bad_step_leaves_weights_moments_counters_and_history_bit_equal(kind: str) -> None:
    """Inside the whole step, 128 healthy steps before it. Two numbers count: batches seen, and steps left out."""
    config = replace(curves.OPTIMIZER, spike_sigma=6.0)
    assert config.spike_window == 128
    state = init_state(curves.MODEL, config, init_params(curves.MODEL, jax.random.key(0)))
    step = make_step(curves.MODEL, config, losses.Config(tile=64), Execution(remat="none"), 100)
    state, metrics = step(state, curves.random_batch(0))
    noise = 1.0 + 0.1 * np.random.default_rng(0).normal(size=(2, 128))
    values = noise * np.array([[metrics["loss"]], [metrics["grad_norm"]]])
    state = state._replace(history=spikes.History(jnp.asarray(values, jnp.float32), jnp.asarray(128, jnp.int32)))
    before = jax.tree.map(np.asarray, state)
    after, metrics = step(state, wild(kind))
    assert np.isfinite(metrics["loss"]) == (kind == "spike")
    assert (int(after.step), int(after.skipped)) == (2, 1)
    assert int(after.optimizer.step) == 1
    same = jax.tree.map(_bit_equal, before._replace(step=0, skipped=0), after._replace(step=0, skipped=0))
    assert all(jax.tree.leaves(same))
    after, _ = step(after, curves.random_batch(10))
    assert (int(after.step), int(after.skipped), int(after.optimizer.step)) == (3, 1, 2)
    assert int(after.history.seen) == 129


def _bit_equal(old: np.ndarray, new: jax.Array) -> bool:
    return np.asarray(old).tobytes() == np.asarray(new).tobytes()
