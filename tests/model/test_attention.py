"""Attention against the textbook formula softmax(QK'/sqrt(E))V in float64, and the mask against its definition."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from polymath.model.attention import attend, packed_causal_mask, splash_attention


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
