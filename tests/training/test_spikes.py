"""Which steps are left out: by hand-made numbers, and in the whole step."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
from tests.training import curves

from polymath.model.execution import Execution
from polymath.training import losses, spikes
from polymath.training.step import init_params, init_state, make_step


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


def test_a_spike_leaves_weights_moments_counters_and_history_bit_equal() -> None:
    config = replace(curves.OPTIMIZER, spike_sigma=6.0, spike_window=3)
    state = init_state(curves.MODEL, config, init_params(curves.MODEL, jax.random.key(0)))
    step = make_step(curves.MODEL, config, losses.Config(tile=64), Execution(remat="none"), 100)
    for number in range(3):
        state, _ = step(state, curves.random_batch(number))
    before = jax.tree.map(np.asarray, state)
    wild = curves.random_batch(9)._replace(actions=np.full_like(curves.random_batch(9).actions, 1e4))
    after, metrics = step(state, wild)
    assert np.isfinite(metrics["loss"])
    assert (int(after.step), int(after.skipped)) == (4, 1)
    kept = ("trainable", "optimizer", "history")
    for old, new in zip(*(jax.tree.leaves([getattr(s, name) for name in kept]) for s in (before, after)), strict=True):
        np.testing.assert_array_equal(old, new)
    after, _ = step(after, curves.random_batch(10))
    assert int(after.skipped) == 1
    assert int(after.history.seen) == 4
