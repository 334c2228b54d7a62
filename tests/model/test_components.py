"""ViT, resampler, decoder, action head one by one: shapes, published formulas in numpy, what must not matter."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from polymath import specs as weights
from polymath.errors import DataError
from polymath.model import action_head, decoder, resampler, rotary, vit
from polymath.model.execution import Execution

VIT = vit.Config(image_size=28, patch=14, width=24, depth=2, heads=2, mlp=48)
RESAMPLER = resampler.Config(width=24, latents=5, depth=2, heads=2, head_width=8, mlp=48)
DECODER = decoder.Config(vocabulary=64, width=24, depth=2, heads=4, kv_heads=2, head_width=8, mlp=48)


def drawn(specs: Any, seed: int = 0) -> Any:
    """Weights whose biases and norms are not at their trivial start."""
    params = jax.jit(lambda key: weights.init(specs, key))(jax.random.key(seed))
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda w: w + 0.1 * rng.normal(size=w.shape).astype(np.float32), params)


def images(count: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 28, 28, 3), dtype=np.uint8)


@pytest.mark.parametrize("class_token", [True, False])
def test_vit_gives_one_feature_per_patch(class_token: bool) -> None:
    config = replace(VIT, class_token=class_token)
    features = jax.jit(lambda p, x: vit.forward(p, config, x))(drawn(vit.specs(config)), images())
    assert features.shape == (3, 4, 24)
    assert config.positions == 4 + class_token


def test_patches_are_in_reading_order() -> None:
    """By the definition: patch (row, column) is picture[14*row:14*row+14, 14*column:14*column+14], flattened."""
    picture = images(1).astype(np.float32)
    patches = vit.patchify(jnp.asarray(picture), VIT)
    np.testing.assert_array_equal(patches[0, 1], picture[0, :14, 14:].reshape(-1))
    np.testing.assert_array_equal(patches[0, 2], picture[0, 14:, :14].reshape(-1))


def test_vit_normalises_as_clip_does() -> None:
    white = vit.normalise(np.full((1, 28, 28, 3), 255, np.uint8), VIT)
    np.testing.assert_allclose(white[0, 0, 0], (1 - np.array(VIT.mean)) / np.array(VIT.std), rtol=1e-6)


def test_resampler_gives_its_latents_whatever_the_number_of_patches() -> None:
    params = drawn(resampler.specs(RESAMPLER))
    media = jax.random.normal(jax.random.key(2), (2, 9, 24))
    forward = jax.jit(lambda media: resampler.forward(params, RESAMPLER, media))
    out = forward(media)
    assert out.shape == forward(media[:, :4]).shape == (2, 5, 24)
    shuffled = forward(media[:, ::-1])  # attention to a set: the order cannot matter
    np.testing.assert_allclose(out, shuffled, atol=1e-5)


def test_resampler_attention_sums_to_one_over_the_patches() -> None:
    params, media = drawn(resampler.specs(RESAMPLER)), jax.random.normal(jax.random.key(2), (2, 9, 24))
    look = jax.jit(lambda media: resampler.attention_to_media(params, RESAMPLER, media))(media)
    assert look.shape == (2, 5, 9)
    np.testing.assert_allclose(look.sum(axis=-1), 1.0, rtol=1e-5)


def test_rotation_is_relative_and_keeps_length() -> None:
    """Su et al. 2021, section 3.2: <R_m q, R_n k> depends on m - n alone."""
    q, k = jax.random.normal(jax.random.key(0), (2, 1, 1, 1, 16))

    def product(m: int, n: int) -> float:
        at = lambda x, p: rotary.rotate(x, rotary.angles(jnp.asarray([[p]]), rotary.frequencies(16, 100.0)))  # noqa: E731
        return float(jnp.sum(at(q, m) * at(k, n)))

    np.testing.assert_allclose(product(7, 3), product(104, 100), rtol=1e-4)
    np.testing.assert_allclose(product(5, 5), float(jnp.sum(q * k)), rtol=1e-5)


def test_swiglu_is_the_formula_of_its_docstring() -> None:
    rng = np.random.default_rng(0)
    x, gate, up, down = (rng.normal(size=shape) for shape in ((5, 6), (10, 6), (10, 6), (10, 6)))
    block = decoder.Block(**{name: None for name in decoder.Block.__dataclass_fields__})
    block.gate, block.up, block.down, block.beta = jnp.asarray(gate), jnp.asarray(up), jnp.asarray(down), 1.7
    g, u = x @ gate.T, x @ up.T
    expected = (g / (1 + np.exp(-1.7 * g)) * u) @ down
    np.testing.assert_allclose(decoder.feed_forward(block, DECODER, jnp.asarray(x)), expected, rtol=2e-5, atol=1e-5)
    clamped = replace(DECODER, gate_clamp=0.5)
    g, u = np.minimum(g, 0.5), np.clip(u, -0.5, 0.5)
    expected = (g / (1 + np.exp(-1.7 * g)) * u) @ down
    np.testing.assert_allclose(decoder.feed_forward(block, clamped, jnp.asarray(x)), expected, rtol=2e-5, atol=1e-5)


def test_decoder_positions_matter_only_relatively() -> None:
    params = drawn(decoder.specs(DECODER))
    x = jax.random.normal(jax.random.key(4), (1, 6, 24))
    segments, positions = jnp.ones((1, 6), int), jnp.arange(6)[None]
    run = jax.jit(lambda p: decoder.forward(params, DECODER, x, p, segments, Execution(remat="none")))
    np.testing.assert_allclose(run(positions), run(positions + 50), atol=2e-5)
    assert float(jnp.abs(run(positions) - run(2 * positions)).max()) > 1e-3


def test_the_decoder_in_bfloat16_stays_close() -> None:
    """bfloat16 keeps 8 bits of mantissa: a relative error of about 2^-8 per layer."""
    params = drawn(decoder.specs(DECODER))
    x = jax.random.normal(jax.random.key(4), (1, 6, 24))
    place = jnp.arange(6)[None], jnp.ones((1, 6), int)
    run = jax.jit(lambda x: decoder.forward(params, DECODER, x, *place, Execution(remat="none")))
    exact, rough = run(x), run(x.astype(jnp.bfloat16))
    assert rough.dtype == jnp.bfloat16
    assert float(jnp.linalg.norm(exact - rough) / jnp.linalg.norm(exact)) < 0.02


def test_action_head_is_a_two_layer_perceptron_in_float32() -> None:
    config = action_head.Config(width=24, mlp=16, action_dim=3)
    params = drawn(action_head.specs(config))
    readouts = jax.random.normal(jax.random.key(0), (2, 4, 24)).astype(jnp.bfloat16)
    out = action_head.forward(params, readouts)
    assert (out.shape, out.dtype) == ((2, 4, 3), jnp.float32)
    hidden = jax.nn.gelu(readouts.astype(jnp.float32) @ params.up.T + params.up_bias, approximate=False)
    np.testing.assert_allclose(out, hidden @ params.out.T + params.out_bias, atol=1e-5)


@pytest.mark.parametrize("bad", [np.zeros((1, 28, 28, 4), np.uint8), np.zeros((1, 28, 28, 3), np.float32)])
def test_other_channels_and_dtypes_are_named(bad: np.ndarray) -> None:
    with pytest.raises(DataError, match=r"images: (uint8|float32) \[1, 28, 28, [34]\]"):
        vit.normalise(bad, VIT)
