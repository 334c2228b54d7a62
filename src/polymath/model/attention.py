"""Causal attention over packed sequences, and plain attention for images.

   keys      0 1 2 | 3 4 | pad          A query sees the keys of its own segment that do not come after it.
query 0      x     |     |              Segments are documents packed into one sequence; padding has segment 0.
      1      x x   |     |
      2      x x x |     |
      3            | x   |
      4            | x x |
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int


def packed_causal_mask(segment_ids: Int[Array, "B S"]) -> Bool[Array, "B S S"]:
    """mask[b, q, k]: may query q see key k? Padding sees only padding, so that no row is empty."""
    length = segment_ids.shape[1]
    causal = jnp.tril(jnp.ones((length, length), bool))
    return causal & (segment_ids[:, :, None] == segment_ids[:, None, :])


def attend(
    query: Float[Array, "B S H E"],
    key: Float[Array, "B T K E"],
    value: Float[Array, "B T K E"],
    mask: Bool[Array, "B S T"] | None,
) -> Float[Array, "B S H E"]:
    """Scaled dot-product attention with grouped queries: H/K query heads share a key-value head. Softmax in float32.

    The queries that share a head are laid end to end, so that both products are plain batched matrix products, and the
    division by the softmax's denominator comes last, on the small result.
    """
    batch, length, heads, width = query.shape
    groups = key.shape[2]
    query = (query * width**-0.5).reshape(batch, length, groups, heads // groups, width)
    query = query.transpose(0, 2, 3, 1, 4).reshape(batch, groups, -1, width)  # [B, K, G*S, E]
    scores = jnp.einsum("BKME,BTKE->BKMT", query, key, preferred_element_type=jnp.float32)
    if mask is not None:
        bias = jnp.where(mask, 0.0, jnp.finfo(jnp.float32).min)[:, None, None]
        scores = (scores.reshape(batch, groups, -1, length, key.shape[1]) + bias).reshape(scores.shape)
    weights = jnp.exp(scores - jax.lax.stop_gradient(jnp.max(scores, axis=-1, keepdims=True)))
    total = jnp.sum(weights, axis=-1, keepdims=True)
    context = jnp.einsum("BKMT,BTKE->BKME", weights.astype(value.dtype), value) / total.astype(value.dtype)
    context = context.reshape(batch, groups, -1, length, width)
    return context.transpose(0, 3, 1, 2, 4).reshape(batch, length, heads, width)
