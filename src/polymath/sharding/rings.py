"""A weight's gradient summed over one ring of chips while it is computed.

The gradient of y = x Wᵀ is dyᵀ x, summed over all chips' tokens; each chip of a ring keeps its own chunk of rows. A
chunk travels once around the ring, and every chip adds its own product of these rows on the way. Half of each chunk
travels clockwise, half the other way, so both links of a chip are busy, and one half is multiplied while the other one
travels. Clockwise, ring of 4, chunks a b c d of the chips 0 1 2 3:

                chip 0          chip 1          chip 2          chip 3
    sends       d0              a1              b2              c3             to the next chip, which adds its own
    sends       c3+c0           d0+d1           a1+a2           b2+b3
    sends       b2+b3+b0        c3+c0+c1        d0+d1+d2        a1+a2+a3
    has         a1+a2+a3+a0     …

XLA for TPU v4 stops computing at every reduce-scatter until it is done; a `ppermute` it sends meanwhile. (Wang et al.
2023, "Overlap Communication with Dependent Computation via Decomposition in Large Deep Learning Models", ASPLOS.)
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def ring_product(
    left: Float[Array, "T R"], right: Float[Array, "T D"], axis: str, size: int, dtype: Any
) -> Float[Array, "rows D"]:
    """This device's R / size rows of the sum of leftᵀ right of all devices over mesh axis `axis` of `size` devices.

    dtype: of the sums on their way. size must divide R.
    """
    rows = left.shape[1] // size
    half = rows // 2
    clockwise = _travel(left, right, axis, size, 1, range(half), dtype)
    back = _travel(left, right, axis, size, -1, range(half, rows), dtype)
    return jnp.concatenate([clockwise, back])


def _travel(left: Any, right: Any, axis: str, size: int, by: int, rows: range, dtype: Any) -> Float[Array, "rows D"]:
    """These rows of all chunks once around the ring, `by` places a hop."""
    here, chunk = jax.lax.axis_index(axis), left.shape[1] // size
    neighbours = [(place, (place + by) % size) for place in range(size)]

    def product(owner: Any) -> Float[Array, "rows D"]:
        own = jax.lax.dynamic_slice_in_dim(left, owner * chunk + rows.start, len(rows), axis=1)
        return jax.lax.dot_general(own, right, (((0,), (0,)), ((), ())), preferred_element_type=dtype)

    total = product((here - by) % size)
    for hop in range(2, size + 1):
        total = jax.lax.ppermute(total, axis, neighbours) + product((here - by * hop) % size)
    return total
