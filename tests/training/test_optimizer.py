"""Adafactor against a numpy transcription of the paper's algorithm 4 (arXiv:1804.04235) and against optax itself."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from polymath.errors import ConfigError
from polymath.specs import Constant, Spec
from polymath.training import optimizer

SHAPE = (160, 192)  # both sides above optax's threshold of 128 for factoring


def adafactor_in_numpy(gradients: list[np.ndarray], rate: float, decay: float, epsilon: float = 1e-30) -> np.ndarray:
    """Sum of the updates -rate * clip(g / sqrt(v)) with v = (R C) / mean(R), statistics factored (algorithm 4)."""
    rows, columns, weight = np.zeros(SHAPE[0]), np.zeros(SHAPE[1]), np.zeros(SHAPE)
    for t, g in enumerate(gradients, start=1):
        beta = 1.0 - t**-decay
        squared = g.astype(np.float64) ** 2 + epsilon
        rows = beta * rows + (1 - beta) * squared.mean(axis=1)
        columns = beta * columns + (1 - beta) * squared.mean(axis=0)
        update = g / np.sqrt(np.outer(rows, columns) / rows.mean())
        weight -= rate * update / max(1.0, np.sqrt((update**2).mean()))
    return weight


def run(
    config: optimizer.Config, axes: tuple[str | None, ...], gradients: list[np.ndarray], start: np.ndarray | None = None
) -> np.ndarray:
    """The weight after one update per gradient, from `start` or zero."""
    shape = gradients[0].shape
    specs = {"w": Spec(shape, axes, Constant(0.0))}
    weights = {"w": jnp.zeros(shape) if start is None else jnp.asarray(start)}
    state = optimizer.init(config, specs, weights)
    for gradient in gradients:
        weights, state = optimizer.update(config, specs, {"w": jnp.asarray(gradient)}, state, weights, 1000)
    return np.asarray(weights["w"])


def gradients(layers: int | None = None) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    shape = SHAPE if layers is None else (layers, *SHAPE)
    scale = 1.0 if layers is None else np.array([1e-3, 1.0, 30.0])[:layers, None, None]
    return [(scale * rng.normal(size=shape)).astype(np.float32) for _ in range(4)]


CONSTANT_RATE = optimizer.Config(peak_learning_rate=0.1, warmup_steps=0, decay=0.8)
SCALED = replace(CONSTANT_RATE, parameter_scale=True)
START = np.random.default_rng(2).normal(0.0, 0.5, SHAPE).astype(np.float32)


def test_equals_the_papers_algorithm() -> None:
    rates = [float(optimizer.learning_rate(CONSTANT_RATE, t, 1000)) for t in range(4)]
    np.testing.assert_allclose(rates, [0.1 / np.sqrt(t) for t in (1, 2, 3, 4)], rtol=1e-6)
    expected = np.zeros(SHAPE)
    for t in range(4):  # the rate changes from step to step, so add the increments
        increment = adafactor_in_numpy(gradients()[: t + 1], 1.0, 0.8)
        before = adafactor_in_numpy(gradients()[:t], 1.0, 0.8) if t else 0.0
        expected += rates[t] * (increment - before)
    np.testing.assert_allclose(run(CONSTANT_RATE, (None, None), gradients()), expected, rtol=2e-4, atol=1e-6)


@pytest.mark.parametrize("settings", [CONSTANT_RATE, SCALED], ids=["absolute step", "parameter-scaled"])
def test_equals_optax_on_an_unstacked_weight(settings: optimizer.Config) -> None:
    """`optax.adafactor` itself, whose step is scaled after the clip as ours is."""
    theirs = optax.adafactor(
        learning_rate=lambda step: optimizer.learning_rate(settings, step, 1000),
        decay_rate=settings.decay,
        multiply_by_parameter_scale=settings.parameter_scale,
        clipping_threshold=settings.update_clip,
    )
    weight = jnp.asarray(START)
    state = theirs.init(weight)
    for gradient in gradients():
        update, state = theirs.update(jnp.asarray(gradient), state, weight)
        weight = optax.apply_updates(weight, update)
    assert np.abs(np.asarray(weight) - START).max() > 1e-3
    np.testing.assert_allclose(run(settings, (None, None), gradients(), START), weight, rtol=1e-5, atol=1e-7)


def test_a_stack_of_layers_is_updated_layer_by_layer() -> None:
    """Where optax on the whole stack clips by the RMS over all layers, ours gives each layer its own update."""
    stacked = run(CONSTANT_RATE, ("layers", None, None), gradients(layers=3))
    for layer in range(3):
        alone = run(CONSTANT_RATE, (None, None), [g[layer] for g in gradients(layers=3)])
        np.testing.assert_allclose(stacked[layer], alone, rtol=1e-5, atol=1e-7)


def test_optax_on_the_whole_stack_is_something_else() -> None:
    """The reason for the test above: optax clips the update of all layers by one RMS."""
    theirs = optax.chain(optax.scale_by_factored_rms(decay_rate=0.8), optax.clip_by_block_rms(1.0))
    config, stack = CONSTANT_RATE, gradients(layers=3)
    for t in (2, 3):
        stack[t][2] *= 30.0  # the last layer's gradient jumps, and its own clip must not slow down the first layer
    weight, state = jnp.zeros((3, *SHAPE)), theirs.init(jnp.zeros((3, *SHAPE)))
    for t, gradient in enumerate(stack):
        update, state = theirs.update(jnp.asarray(gradient), state, weight)
        weight = weight - optimizer.learning_rate(CONSTANT_RATE, t, 1000) * update
    ours = run(config, ("layers", None, None), stack)
    alone = run(config, (None, None), [g[0] for g in stack])
    np.testing.assert_allclose(ours[0], alone, rtol=1e-5, atol=1e-7)
    assert np.abs(np.asarray(weight)[0] - alone).max() > 0.05 * np.abs(alone).max()  # optax slows it down


def test_pax_forgets_like_adam_with_its_bias_corrected() -> None:
    """Praxis: beta_t = b (1 - b^(t-1)) / (1 - b^t), so v after t steps is the bias-corrected average of g^2."""
    v, raw = 0.0, 0.0
    for t in range(1, 6):
        beta = float(optimizer._adam_decay(t - 1, 0.99))
        v, raw = beta * v + (1 - beta) * t**2, 0.99 * raw + 0.01 * t**2
        np.testing.assert_allclose(v, raw / (1 - 0.99**t), rtol=1e-4)


def test_the_published_settings_differ_in_the_size_of_a_step() -> None:
    """Pax' step is the rate, T5X' is the rate times the weight's RMS: here 0.02, so the ratio is 50."""
    weight = {"w": jnp.full(SHAPE, 0.02)}
    specs = {"w": Spec(SHAPE, (None, None), Constant(0.02))}
    gradient = {"w": jnp.asarray(gradients()[0])}
    moved = []
    for published in (optimizer.PAX, optimizer.T5X):
        config = replace(published, peak_learning_rate=1e-3, warmup_steps=0, momentum=None)
        new, _ = optimizer.update(config, specs, gradient, optimizer.init(config, specs, weight), weight, 10)
        moved.append(float(jnp.sqrt(jnp.mean(jnp.square(new["w"] - weight["w"])))))
    np.testing.assert_allclose(moved[0] / moved[1], 50.0, rtol=0.02)


def test_bfloat16_weights_and_their_statistics_still_move_after_100_000_steps() -> None:
    """The rate is 1.4e-5 there, 1/280 of a bfloat16's last place at 1; rounding to the nearest would lose every step.

    Statistics in the weights' dtype, optax' own habit, would not move either: 1 - beta is 1e-4.
    """
    config = replace(optimizer.T5X, peak_learning_rate=4.5e-5, warmup_steps=10_000, decay=0.8)
    specs = {"w": Spec(SHAPE, (None, None), Constant(1.0))}
    weights = {"w": jnp.ones(SHAPE, jnp.bfloat16)}
    fresh = optimizer.init(config, specs, weights)
    late = jnp.asarray(100_000, jnp.int32)
    settled = fresh.factored["w"]._replace(
        count=late, v_row=fresh.factored["w"].v_row + 1, v_col=fresh.factored["w"].v_col + 1
    )
    state = optimizer.State(late, {"w": settled}, None)
    assert settled.v_row.dtype == jnp.float32
    gradient = {"w": jnp.full(SHAPE, 2.0, jnp.bfloat16)}
    update = jax.jit(lambda s, w: optimizer.update(config, specs, gradient, s, w, 10**6))
    for _ in range(100):
        weights, state = update(state, weights)
    assert float(jnp.mean(state.factored["w"].v_row)) > 1.01
    expected = 100 * float(optimizer.learning_rate(config, 100_000, 10**6))  # clipped to an RMS of 1, times RMS(w) = 1
    np.testing.assert_allclose(1.0 - float(jnp.mean(weights["w"].astype(jnp.float32))), expected, rtol=0.15)


def test_schedule_is_linear_warmup_then_inverse_square_root() -> None:
    """Praxis' LinearRampupSqrtDecay: the peak at the end of the warm-up, half of it after four times as many steps."""
    config = optimizer.Config(peak_learning_rate=2e-4, warmup_steps=100, cooldown_steps=50)
    rate = [float(optimizer.learning_rate(config, step, 1_000)) for step in range(1_000)]
    np.testing.assert_allclose([rate[0], rate[49], rate[99], rate[399]], [2e-6, 1e-4, 2e-4, 1e-4], rtol=1e-5)
    np.testing.assert_allclose(rate[999], 2e-4 * np.sqrt(100 / 1_000) / 50, rtol=1e-4)  # 1/50 of the cooldown is left


@pytest.mark.parametrize(
    ("groups", "complaint"),
    [
        (((r"a\..*", 1.0),), "'b.w' matches no group"),
        (((r".*", 1.0), (r"a\..*", 0.0)), "'a.w' matches the groups"),
    ],
)
def test_every_weight_needs_exactly_one_group(groups: tuple[tuple[str, float], ...], complaint: str) -> None:
    specs = {name: {"w": Spec((2,), (None,), Constant(0.0))} for name in ("a", "b")}
    with pytest.raises(ConfigError, match=complaint):
        optimizer.learning_rate_factors(optimizer.Config(groups=groups), specs)


def test_a_factor_of_zero_freezes_and_merge_inverts_split() -> None:
    specs = {name: Spec((2,), (None,), Constant(0.0)) for name in ("a", "b")}
    params = {"a": jnp.ones(2), "b": 2 * jnp.ones(2)}
    trainable, frozen = optimizer.split(params, specs, optimizer.Config(groups=(("a", 0.0), ("b", 1.0))))
    assert set(trainable) == {"b"}
    assert set(frozen) == {"a"}
    merged = optimizer.merge(trainable, frozen, specs)
    assert jax.tree.all(jax.tree.map(lambda x, y: bool((x == y).all()), merged, params))
