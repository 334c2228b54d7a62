"""Key-value cache of the decoder: a step costs its new tokens, not the history.

Every row of a batch holds one sequence of its own length. `append` is the only operation: prefill is an append to an
empty cache, streaming control appends the tokens of the newest observation, decoding appends one token.

    row 0   k k k k k n n .      k  in the cache (lengths[0] = 5)      n  appended now (new[0] = 2)
    row 1   k k n n n . . .      .  room; capacity T = 8
"""

from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Int

from polymath.model import decoder
from polymath.model.attention import attend
from polymath.model.layer_kinds import LayerKinds, angles_of, layer_kinds, mask_of
from polymath.sharding.sharded_weight import gather_weights

Rows = Float[Array, "B T K E"]  # the cached keys, or values, of one layer


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Cache:
    key: Float[Array, "L B T K E"]
    value: Float[Array, "L B T K E"]
    lengths: Int[Array, " B"]

    @property
    def capacity(self) -> int:
        return self.key.shape[2]


def empty(config: decoder.Config, batch: int, capacity: int, dtype: DTypeLike = jnp.float32) -> Cache:
    """Room for `capacity` tokens a row. Raises ConfigError beyond the trained context."""
    decoder.check_length(config, capacity)
    shape = (config.depth, batch, capacity, config.kv_heads, config.head_width)
    return Cache(jnp.zeros(shape, dtype), jnp.zeros(shape, dtype), jnp.zeros(batch, jnp.int32))


def side_by_side(caches: Sequence[Cache], capacity: int) -> Cache:
    """The rows of caches of one capacity in one cache, with room for `capacity` tokens each, theirs at least."""
    room = [(0, 0)] * 5
    room[2] = (0, capacity - caches[0].capacity)
    key, value = (
        jnp.pad(jnp.concatenate(rows, axis=1), room)
        for rows in ([each.key for each in caches], [each.value for each in caches])
    )
    return Cache(key, value, jnp.concatenate([each.lengths for each in caches]))


def append(
    params: decoder.Params, config: decoder.Config, cache: Cache, x: Float[Array, "B S D"], new: Int[Array, " B"]
) -> tuple[Float[Array, "B S D"], Cache]:
    """Normalised hidden states of the first new[b] tokens of each row, and the longer cache.

    The tokens s >= new[b] fill up the batch: their hidden states mean nothing and they leave no trace. Tokens beyond
    the capacity would be lost; the caller ensures that lengths + new <= capacity.
    """
    offset = jnp.arange(x.shape[1])
    positions = cache.lengths[:, None] + offset
    angles = decoder.rotary_angles(config, positions)
    places = jnp.arange(cache.capacity)
    full = places <= positions[:, :, None]
    sliding = full if config.window is None else full & (places > positions[:, :, None] - config.window)
    place = jnp.where(offset < new[:, None], positions, cache.capacity)  # outside: dropped
    row = jnp.arange(len(x))[:, None]

    def layer(
        x: Float[Array, "B S D"], layer: tuple[decoder.Block, LayerKinds | None, Rows, Rows]
    ) -> tuple[Array, tuple[Rows, Rows]]:
        block, kind, keys, values = layer
        block = gather_weights(block, x.dtype)
        query, key, value = decoder.attention_inputs(block, config, x, angles_of(kind, angles))
        keys = keys.at[row, place].set(key.astype(keys.dtype), mode="drop")
        values = values.at[row, place].set(value.astype(values.dtype), mode="drop")
        mask = mask_of(kind, full, sliding)
        context = attend(query, keys.astype(x.dtype), values.astype(x.dtype), mask, config.attention_cap)
        return decoder.after_attention(block, config, x, context), (keys, values)

    layers = (params.blocks, layer_kinds(config.layers), cache.key, cache.value)
    x, (keys, values) = jax.lax.scan(layer, x, layers)
    hidden = decoder.normalised(x, params.norm, config)
    return hidden, Cache(keys, values, cache.lengths + new)
