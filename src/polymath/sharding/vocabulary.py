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

from polymath.sharding.spread import Cut, Spread, gather, reduced, without_first_ring


class Slice(NamedTuple):
    """How to get at this device's slice of the rows: `cut` gathers it, `ring` (None: no ring) holds the others."""

    cut: Cut | None
    ring: str | None
    parts: int


def slice_of(matrix: Any) -> tuple[Float[Array, "rows D"], Slice]:
    """This device's part of the matrix [V, D], and how to make its slice of it."""
    if not isinstance(matrix, Spread):
        return matrix, Slice(None, None, 1)
    if matrix.cut.dimensions[0][0] != -2:
        return matrix.part, Slice(matrix.cut, None, 1)
    (ring, parts), cut = matrix.cut.rings[0], without_first_ring(matrix.cut)
    return matrix.part, Slice(cut if cut.rings else None, ring, parts)


def gather_slice(part: Float[Array, "rows D"], place: Slice, dtype: Any) -> Float[Array, "V_slice D"]:
    return part.astype(dtype) if place.cut is None else gather(part, place.cut, dtype)


def reduce_slice(gradient: Float[Array, "V_slice D"], place: Slice) -> Float[Array, "rows D"]:
    """The gradient of a slice to that of this device's part."""
    return gradient if place.cut is None else reduced(gradient, place.cut)


def from_ring(x: Float[Array, "T ..."], place: Slice) -> Float[Array, "ringT ..."]:
    """What every member of the ring holds, one after the other."""
    return x if place.ring is None else jax.lax.all_gather(x, place.ring, axis=0, tiled=True)


def to_ring(x: Float[Array, "ringT ..."], place: Slice) -> Float[Array, "T ..."]:
    """The sum over the ring of what each member computed for this device's tokens."""
    if place.ring is None:
        return x
    parts = x.reshape(place.parts, -1, *x.shape[1:])  # written so, XLA for TPU keeps the reduce-scatter
    return jax.lax.psum_scatter(parts, place.ring, scatter_dimension=0, tiled=False)


def own_rows(ids: Int[Array, "..."], rows: int, place: Slice) -> Int[Array, "..."]:
    """Token ids counted from the first row of this device's slice; outside [0, rows) they belong to another."""
    return ids if place.ring is None else ids - rows * jax.lax.axis_index(place.ring)


def look_up(matrix: Any, tokens: Int[Array, "B S"], dtype: Any) -> Float[Array, "B S D"]:
    """Rows of the vocabulary's matrix."""
    part, place = slice_of(matrix)
    return part.astype(dtype)[tokens] if place == Slice(None, None, 1) else _look_up(part, tokens, place, dtype)


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _look_up(part: Float[Array, "rows D"], tokens: Int[Array, "B S"], place: Slice, dtype: Any) -> Any:
    """Sequence by sequence: a ring's tokens together are `parts` times as many as this device's own."""
    matrix = gather_slice(part, place, dtype)

    def one(tokens: Int[Array, " S"]) -> Float[Array, "S D"]:
        ids = own_rows(from_ring(tokens, place), len(matrix), place)
        mine = (ids >= 0) & (ids < len(matrix))
        return to_ring(jnp.where(mine[:, None], matrix[jnp.where(mine, ids, 0)], 0), place)

    return jax.lax.map(one, tokens)


def _look_up_forward(part: Any, tokens: Any, place: Slice, dtype: Any) -> tuple[Any, tuple[Any, Any]]:
    return _look_up(part, tokens, place, dtype), (tokens, part)


def _look_up_backward(place: Slice, dtype: Any, saved: tuple[Any, Any], gradient: Any) -> tuple[Any, None]:
    del dtype
    tokens, part = saved
    rows = slice_rows(part, place)

    def add(total: Float[Array, "V_slice D"], sequence: tuple[Any, Any]) -> tuple[Float[Array, "V_slice D"], None]:
        tokens, gradient = (from_ring(x, place) for x in sequence)
        ids = own_rows(tokens, rows, place)
        ids = jnp.where((ids >= 0) & (ids < rows), ids, rows)  # beyond the last: dropped
        return total.at[ids].add(gradient.astype(jnp.float32), mode="drop"), None

    start = jnp.zeros((rows, gradient.shape[-1]), jnp.float32)
    total, _ = jax.lax.scan(add, start, (tokens, gradient))
    return reduce_slice(total, place), None


_look_up.defvjp(_look_up_forward, _look_up_backward)


def slice_rows(part: Float[Array, "rows D"], place: Slice) -> int:
    """How many rows of the vocabulary this device's slice has."""
    parts = 1 if place.cut is None else next((n for at, _, n in place.cut.dimensions if at == -2), 1)
    return part.shape[0] * parts
