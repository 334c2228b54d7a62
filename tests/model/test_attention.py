"""Attention against the textbook formula softmax(QK'/sqrt(E))V in float64, and the mask against its definition."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from polymath.errors import ConfigError
from polymath.model.attention import (
    Scores,
    attend,
    cudnn_attention,
    device_kernel,
    packed_attention,
    packed_causal_mask,
    splash_attention,
    splash_blocks,
)
from polymath.model.execution import Execution


def textbook(query: np.ndarray, key: np.ndarray, value: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
    """One head at a time, in float64; query head h uses key-value head h // (H / K)."""
    batch, _, heads, width = query.shape
    out = np.zeros(query.shape)
    for b in range(batch):
        for h in range(heads):
            k, v = (x[b, :, h // (heads // key.shape[2])].astype(np.float64) for x in (key, value))
            scores = query[b, :, h].astype(np.float64) @ k.T / np.sqrt(width)
            if mask is not None:
                scores = np.where(mask[b], scores, -np.inf)
            weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
            out[b, :, h] = weights / weights.sum(axis=-1, keepdims=True) @ v
    return out


@pytest.mark.parametrize(("heads", "kv_heads"), [(4, 4), (4, 2), (6, 1)])
@pytest.mark.parametrize("masked", [True, False])
def test_equals_the_textbook_formula(heads: int, kv_heads: int, masked: bool) -> None:
    rng = np.random.default_rng(0)
    query = rng.normal(size=(2, 7, heads, 8)).astype(np.float32)
    key, value = (rng.normal(size=(2, 7, kv_heads, 8)).astype(np.float32) for _ in range(2))
    segments = np.array([[1, 1, 1, 2, 2, 0, 0], [1, 2, 2, 2, 2, 2, 3]])
    mask = np.asarray(packed_causal_mask(jnp.asarray(segments))) if masked else None
    expected = textbook(query, key, value, mask)
    np.testing.assert_allclose(attend(query, key, value, mask), expected, atol=2e-6)


def test_mask_shows_the_past_of_the_own_segment_only() -> None:
    """The drawing in the docstring of attention.py, row by row."""
    mask = packed_causal_mask(jnp.asarray([[1, 1, 1, 2, 2, 0]]))[0].astype(int)
    expected = [
        [1, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0],
        [0, 0, 0, 1, 0, 0],
        [0, 0, 0, 1, 1, 0],
        [0, 0, 0, 0, 0, 1],
    ]
    np.testing.assert_array_equal(mask, expected)


def test_a_window_hides_what_lies_further_back() -> None:
    mask = packed_causal_mask(jnp.asarray([[1, 1, 1, 1, 2, 2]]), window=2)[0].astype(int)
    expected = [
        [1, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [0, 1, 1, 0, 0, 0],
        [0, 0, 1, 1, 0, 0],
        [0, 0, 0, 0, 1, 0],
        [0, 0, 0, 0, 1, 1],
    ]
    np.testing.assert_array_equal(mask, expected)


def test_splash_attention_with_a_window_and_a_cap_equals_the_reference() -> None:
    rng = np.random.default_rng(3)
    query, key, value, weight = (
        jnp.asarray(rng.normal(size=(1, 256, heads, 128)), jnp.float32) for heads in (2, 1, 1, 2)
    )
    segments, scores = jnp.asarray(np.repeat([1, 2], [170, 86])[None]), Scores(cap=1.5, window=40)
    mask = packed_causal_mask(segments, scores.window)
    ours = jax.vjp(
        lambda q, k, v: splash_attention(q, k, v, segments, interpret=True, scores=scores), query, key, value
    )
    reference = jax.vjp(lambda q, k, v: attend(q, k, v, mask, scores.cap), query, key, value)
    np.testing.assert_allclose(ours[0], reference[0], atol=2e-5)
    for a, b in zip(ours[1](weight), reference[1](weight), strict=True):
        np.testing.assert_allclose(a, b, atol=2e-4)


def test_large_scores_neither_overflow_nor_leak_into_the_gradient() -> None:
    query = jnp.full((1, 2, 1, 4), 300.0)  # scores of 180,000: exp would overflow without the running maximum
    key = jnp.stack([jnp.full((1, 1, 4), 300.0), jnp.full((1, 1, 4), -300.0)], axis=1)
    value = jnp.asarray([[[[1.0, 2.0, 3.0, 4.0]], [[5.0, 6.0, 7.0, 8.0]]]])
    out = attend(query, key, value, None)
    np.testing.assert_allclose(out[0, :, 0], [[1.0, 2.0, 3.0, 4.0]] * 2)
    gradient = jax.grad(lambda q: jnp.sum(attend(q, key, value, None)))(query)
    assert bool(jnp.isfinite(gradient).all())


def test_splash_attention_equals_the_reference_in_value_and_gradient() -> None:
    """The Pallas kernel of TPUs, interpreted: packed segments with padding, four query heads on two key heads."""
    rng = np.random.default_rng(2)
    query, key, value, weight = (
        jnp.asarray(rng.normal(size=(1, 256, heads, 128)), jnp.float32) for heads in (4, 2, 2, 4)
    )
    segments = jnp.asarray(np.repeat([1, 2, 3, 0], [100, 60, 80, 16])[None])
    mask = packed_causal_mask(segments)

    def ours(q: jax.Array, k: jax.Array, v: jax.Array) -> jax.Array:
        return jnp.sum(weight * splash_attention(q, k, v, segments, interpret=True))

    def reference(q: jax.Array, k: jax.Array, v: jax.Array) -> jax.Array:
        return jnp.sum(weight * attend(q, k, v, mask))

    context = splash_attention(query, key, value, segments, interpret=True)
    np.testing.assert_allclose(context, attend(query, key, value, mask), atol=2e-5)
    gradients = (jax.grad(f, argnums=(0, 1, 2))(query, key, value) for f in (ours, reference))
    for a, b in zip(*gradients, strict=True):
        np.testing.assert_allclose(a, b, atol=2e-4)


@pytest.mark.parametrize("length", range(32, 4097, 32))
def test_splash_blocks_divide_every_length_and_fill_less_than_one_of_the_smallest(length: int) -> None:
    """Prompts come in steps of 32. The kernel's own checks run while it is traced, without a TPU."""
    padded, block = splash_blocks(length)
    assert padded % block == 0 == block % 128
    assert 0 <= padded - length < 128
    query, key = (jax.ShapeDtypeStruct((1, length, heads, 128), jnp.bfloat16) for heads in (4, 2))
    segments = jax.ShapeDtypeStruct((1, length), jnp.int32)
    context = jax.eval_shape(splash_of_segments, query, key, key, segments)
    assert (context.shape, context.dtype) == (query.shape, query.dtype)


def splash_of_segments(query: jax.Array, key: jax.Array, value: jax.Array, segments: jax.Array) -> jax.Array:
    return packed_attention(segments, query.dtype, "splash", "context")(query, key, value)


def test_lengths_that_training_uses_take_the_largest_block() -> None:
    assert [splash_blocks(length)[1] for length in (128, 512, 1024, 2048, 4096)] == [128, 512, 512, 512, 512]


@pytest.mark.parametrize(("length", "kernels"), [(32, 0), (96, 0), (128, 2), (160, 2), (640, 2), (768, 2), (1184, 2)])
def test_splash_attention_lowers_for_a_tpu_with_its_gradient(length: int, kernels: int) -> None:
    """On a machine without one: a forward and a backward kernel, and the reference below a block."""
    query, key = (jax.ShapeDtypeStruct((1, length, heads, 64), jnp.bfloat16) for heads in (4, 2))
    segments = jax.ShapeDtypeStruct((1, length), jnp.int32)

    def total(q: jax.Array, k: jax.Array, v: jax.Array, segments: jax.Array) -> jax.Array:
        return jnp.sum(splash_of_segments(q, k, v, segments).astype(jnp.float32))

    traced = jax.jit(jax.grad(total, argnums=(0, 1, 2))).trace(query, key, key, segments)
    assert traced.lower(lowering_platforms=("tpu",)).as_text().count("tpu_custom_call") == kernels


@pytest.mark.parametrize("length", [160, 384])
def test_padded_splash_attention_equals_the_reference_in_value_and_gradient(length: int) -> None:
    rng = np.random.default_rng(4)
    query, key, value, weight = (
        jnp.asarray(rng.normal(size=(1, length, heads, 64)), jnp.float32) for heads in (2, 1, 1, 2)
    )
    segments = jnp.asarray(np.repeat([1, 2, 0], [70, length - 90, 20])[None])
    mask = packed_causal_mask(segments)
    ours = jax.vjp(lambda q, k, v: splash_attention(q, k, v, segments, interpret=True), query, key, value)
    reference = jax.vjp(lambda q, k, v: attend(q, k, v, mask), query, key, value)
    np.testing.assert_allclose(ours[0], reference[0], atol=2e-5)
    for a, b in zip(ours[1](weight), reference[1](weight), strict=True):
        np.testing.assert_allclose(a, b, atol=2e-4)


def packed_inputs() -> tuple[jax.Array, ...]:
    """Query, key, value [2, 64, 4 or 2, 16] and segment ids: two documents and padding."""
    rng = np.random.default_rng(3)
    qkv = (jnp.asarray(rng.normal(size=(2, 64, heads, 16)), jnp.float32) for heads in (4, 2, 2))
    return *qkv, jnp.asarray(np.repeat([[1, 2, 0]], 2, 0).repeat([30, 24, 10], axis=1))


def test_what_cudnn_is_asked_for_is_the_reference_in_value_and_gradient() -> None:
    """The same call of `jax.nn`, but with XLA in the kernel's place: mask, causality, grouped queries."""
    query, key, value, segments = packed_inputs()
    mask = packed_causal_mask(segments)
    asked = jax.vjp(lambda q, k, v: cudnn_attention(q, k, v, mask, implementation="xla"), query, key, value)
    reference = jax.vjp(lambda q, k, v: attend(q, k, v, mask), query, key, value)
    np.testing.assert_allclose(asked[0], reference[0], atol=2e-6)
    for a, b in zip(asked[1](query), reference[1](query), strict=True):
        np.testing.assert_allclose(a, b, atol=2e-5)


def test_cudnn_attention_lowers_for_cuda_with_its_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine without a GPU; the one thing that jax asks of cuDNN itself, its version, is answered here."""
    monkeypatch.setattr("jax._src.cudnn.fused_attention_stablehlo.check_cudnn_version", lambda: 91_002)
    query, key, value, segments = (x.astype(jnp.bfloat16) if x.ndim == 4 else x for x in packed_inputs())

    def total(q: jax.Array, k: jax.Array, v: jax.Array, segments: jax.Array) -> jax.Array:
        return jnp.sum(packed_attention(segments, q.dtype, "cudnn", "context")(q, k, v).astype(jnp.float32))

    traced = jax.jit(jax.grad(total, argnums=(0, 1, 2))).trace(query, key, value, segments)
    text = traced.lower(lowering_platforms=("cuda",)).as_text()
    assert "@__cudnn$fmhaScaleBiasSoftmax(" in text
    assert "@__cudnn$fmhaScaleBiasSoftmaxBackward(" in text
    assert text.count('"CAUSAL"') + text.count("22CAUSAL") >= 2


@pytest.mark.parametrize(
    ("platform", "dtype", "kernel"),
    [
        ("tpu", "bfloat16", "splash"),
        ("gpu", "bfloat16", "cudnn"),
        ("gpu", "float32", "reference"),
        ("cpu", "bfloat16", "reference"),
    ],
)
def test_the_kernel_of_a_device(platform: str, dtype: str, kernel: str) -> None:
    assert device_kernel(platform, dtype) == kernel


def test_cudnn_in_single_precision_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"half precision alone, but execution\.dtype is float32; set"):
        Execution(dtype="float32", attention="cudnn")
