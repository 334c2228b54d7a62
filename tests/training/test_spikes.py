"""Which steps are left out: by hand-made numbers, and in the whole step."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
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


def left_out(losses: np.ndarray, norms: np.ndarray) -> list[int]:
    """The steps that the rule with 6 standard deviations over 128 steps leaves out."""

    @jax.jit
    def step(history: spikes.History, loss: jax.Array, norm: jax.Array) -> tuple[jax.Array, spikes.History | None]:
        return spikes.is_healthy(history, 6.0, loss, norm), spikes.remember(history, loss, norm)

    history, steps = spikes.no_history(128), []
    for number, (loss, norm) in enumerate(zip(losses, norms, strict=True)):
        is_healthy, history = step(history, jnp.float32(loss), jnp.float32(norm))
        steps += [] if is_healthy else [number]
    return steps


def test_a_lasting_shift_of_the_loss_is_left_out_for_a_few_steps_only() -> None:
    """From 2.0 to 2.3 at step 200, noise 0.02. Expected: what the same rule in plain numpy leaves out."""
    rng = np.random.default_rng(0)
    losses = np.where(np.arange(1000) < 200, 2.0, 2.3) + rng.normal(0, 0.02, 1000)
    expected = [i for i in range(128, 1000) if losses[i] > losses[i - 128 : i].mean() + 6 * losses[i - 128 : i].std()]
    assert left_out(losses, rng.normal(1, 0.1, 1000)) == expected
    assert 1 <= len(expected) <= 8
    assert expected[0] == 200


def test_a_spike_among_quiet_steps_is_left_out_alone_and_nan_is_not_remembered() -> None:
    losses = 2.0 + np.random.default_rng(1).normal(0, 0.02, 400)
    losses[[200, 300]] = 50.0, np.nan
    norms = np.ones(400) + np.random.default_rng(2).normal(0, 0.05, 400)
    norms[300] = np.nan
    assert left_out(losses, norms) == [200, 300]


def wild(kind: str) -> Batch:
    """A batch with a target that is no number, without an end, or 10,000 times too large."""
    value = {"nan": np.nan, "inf": np.inf, "spike": 1e4}[kind]
    batch = curves.random_batch(9)
    return batch._replace(actions=np.full_like(batch.actions, value))


@pytest.mark.parametrize("kind", ["nan", "inf", "spike"])
def test_a_bad_step_leaves_weights_moments_and_counters_bit_equal(kind: str) -> None:
    """Inside the whole step, 128 healthy steps before it. Two numbers count: batches seen, and steps left out.

    A spike is remembered, as by the rule's sources; what is not finite is not.
    """
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
    remembered = int(kind == "spike")
    assert int(after.history.seen) == 128 + remembered
    assert (np.asarray(after.history.values) != before.history.values).any() == bool(remembered)
    counted = {"step": 0, "skipped": 0, "history": None, "left_out": None}
    same = jax.tree.map(_bit_equal, before._replace(**counted), after._replace(**counted))
    assert all(jax.tree.leaves(same))
    after, _ = step(after, curves.random_batch(10))
    assert (int(after.step), int(after.skipped), int(after.optimizer.step)) == (3, 1, 2)
    assert int(after.history.seen) == 129 + remembered
    kinds = {name: int(metrics[name]) for name in ("skipped", "spikes", "not_finite", "not_finite_in_a_row")}
    bad = 1 - remembered
    assert kinds == {"skipped": 1, "spikes": remembered, "not_finite": bad, "not_finite_in_a_row": bad}


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kinds=st.lists(st.sampled_from([spikes.UPDATED, spikes.SPIKE, spikes.NOT_FINITE]), max_size=40))
def test_what_was_left_out_is_counted_by_kind_in_all_recently_and_in_a_row(
    kinds: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Expected: the same counts by plain Python, with a window of 8 steps."""
    monkeypatch.setattr(spikes, "RECENT", 8)
    left_out = spikes.nothing_left_out()
    for step, kind in enumerate(kinds):
        loss = jnp.float32(np.nan if kind == spikes.NOT_FINITE else 1.0)
        left_out = spikes.count(left_out, jnp.int32(step), jnp.bool_(kind == spikes.UPDATED), loss, jnp.float32(1.0))
    in_a_row = len(kinds) - 1 - max((i for i, kind in enumerate(kinds) if kind != spikes.NOT_FINITE), default=-1)
    assert {name: int(value) for name, value in spikes.counts(left_out).items()} == {
        "spikes": kinds.count(spikes.SPIKE),
        "not_finite": kinds.count(spikes.NOT_FINITE),
        "recent_spikes": kinds[-8:].count(spikes.SPIKE),
        "recent_not_finite": kinds[-8:].count(spikes.NOT_FINITE),
        "not_finite_in_a_row": in_a_row,
    }


def _bit_equal(old: np.ndarray, new: jax.Array) -> bool:
    return np.asarray(old).tobytes() == np.asarray(new).tobytes()
