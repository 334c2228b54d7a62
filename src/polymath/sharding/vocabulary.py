"""The vocabulary's matrix, spread over many devices: looking rows up, and scores of the next token.

A gathered matrix of 256,000 x 7,168 takes 3.7 GB in bfloat16 and its gradient 7.3 GB in float32. So one ring of the
mesh (the first axis of the matrix' rows, 8 chips on a TPU v4 torus) keeps the vocabulary divided: each chip gathers
from the other rings the one slice that belongs to its place in the ring, 1/8 of the whole, and the chips of a ring
share their tokens instead, one tile after the other.

    ring place      0         1     …    7
    rows         [0, V/8) [V/8, V/4)  …          every chip sees the 8 tiles of its ring against its own slice
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from polymath.sharding.sharded_weight import ShardedWeight, ShardLayout, all_gather, reduce_scatter, without_first_ring


class VocabularySlice(NamedTuple):
    """How this device gets its slice of the rows: `layout` says how to all-gather it (None: it is whole already).

    The other slices are with the other `ring_size` - 1 members of mesh axis `ring` (None: there is only one slice).
    """

    layout: ShardLayout | None
    ring: str | None
    ring_size: int


def vocabulary_slice(matrix: Any) -> tuple[Float[Array, "rows D"], VocabularySlice]:
    """This device's shard of the matrix [V, D], and how its slice is made of it."""
    if not isinstance(matrix, ShardedWeight):
        return matrix, VocabularySlice(None, None, 1)
    if matrix.layout.dimensions[0][0] != -2:
        return matrix.shard, VocabularySlice(matrix.layout, None, 1)
    (ring, ring_size), layout = matrix.layout.rings[0], without_first_ring(matrix.layout)
    return matrix.shard, VocabularySlice(layout if layout.rings else None, ring, ring_size)


def all_gather_slice(shard: Float[Array, "rows D"], place: VocabularySlice, dtype: Any) -> Float[Array, "V_slice D"]:
    return shard.astype(dtype) if place.layout is None else all_gather(shard, place.layout, dtype)


def reduce_scatter_slice(gradient: Float[Array, "V_slice D"], place: VocabularySlice) -> Float[Array, "rows D"]:
    """The gradient of this device's shard from that of its slice."""
    return gradient if place.layout is None else reduce_scatter(gradient, place.layout)


def all_gather_tokens(x: Float[Array, "T ..."], place: VocabularySlice) -> Float[Array, "ringT ..."]:
    """What the members of the ring hold, one after the other."""
    return x if place.ring is None else jax.lax.all_gather(x, place.ring, axis=0, tiled=True)


def reduce_scatter_tokens(x: Float[Array, "ringT ..."], place: VocabularySlice) -> Float[Array, "T ..."]:
    """The sum over the ring of what each member computed for this device's tokens."""
    if place.ring is None:
        return x
    rows = x.reshape(place.ring_size, -1, *x.shape[1:])  # in this shape XLA for TPU keeps the reduce-scatter
    return jax.lax.psum_scatter(rows, place.ring, scatter_dimension=0, tiled=False)


def local_ids(ids: Int[Array, "..."], rows: int, place: VocabularySlice) -> Int[Array, "..."]:
    """Token ids counted from the first row of this device's slice; outside [0, rows) they belong to another."""
    return ids if place.ring is None else ids - rows * jax.lax.axis_index(place.ring)


def look_up(matrix: Any, tokens: Int[Array, "B S"], dtype: Any) -> Float[Array, "B S D"]:
    """Rows of the vocabulary's matrix."""
    shard, place = vocabulary_slice(matrix)
    return (
        shard.astype(dtype)[tokens]
        if place == VocabularySlice(None, None, 1)
        else _look_up(shard, tokens, place, dtype)
    )


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _look_up(shard: Float[Array, "rows D"], tokens: Int[Array, "B S"], place: VocabularySlice, dtype: Any) -> Any:
    """Sequence by sequence: the tokens of a ring are `ring_size` times as many as this device's own."""
    matrix = all_gather_slice(shard, place, dtype)

    def one(tokens: Int[Array, " S"]) -> Float[Array, "S D"]:
        ids = local_ids(all_gather_tokens(tokens, place), len(matrix), place)
        is_own = (ids >= 0) & (ids < len(matrix))
        return reduce_scatter_tokens(jnp.where(is_own[:, None], matrix[jnp.where(is_own, ids, 0)], 0), place)

    return jax.lax.map(one, tokens)


def _look_up_forward(shard: Any, tokens: Any, place: VocabularySlice, dtype: Any) -> tuple[Any, tuple[Any, Any]]:
    return _look_up(shard, tokens, place, dtype), (tokens, shard)


def _look_up_backward(place: VocabularySlice, dtype: Any, saved: tuple[Any, Any], gradient: Any) -> tuple[Any, None]:
    del dtype
    tokens, shard = saved
    rows = slice_rows(shard, place)

    def add(total: Float[Array, "V_slice D"], sequence: tuple[Any, Any]) -> tuple[Float[Array, "V_slice D"], None]:
        tokens, gradient = (all_gather_tokens(x, place) for x in sequence)
        ids = local_ids(tokens, rows, place)
        ids = jnp.where((ids >= 0) & (ids < rows), ids, rows)  # beyond the last: dropped
        return total.at[ids].add(gradient.astype(jnp.float32), mode="drop"), None

    start = jnp.zeros((rows, gradient.shape[-1]), jnp.float32)
    total, _ = jax.lax.scan(add, start, (tokens, gradient))
    return reduce_scatter_slice(total, place), None


_look_up.defvjp(_look_up_forward, _look_up_backward)


def slice_rows(shard: Float[Array, "rows D"], place: VocabularySlice) -> int:
    """How many rows of the vocabulary this device's slice has."""
    shards = 1 if place.layout is None else next((n for at, _, n in place.layout.dimensions if at == -2), 1)
    return shard.shape[0] * shards
