"""Matrix products with a gathered weight which reduce the weight's gradient while they compute it.

    forward    y = x Wᵀ                    W gathered from everybody's part, as `spread` does
    backward   dx = dy W
               dW = dyᵀ x                  row by row over the first ring (`rings`), then by a reduce-scatter a ring

`cast_for_products` takes the place of `spread.cast` for weights that are used in nothing but `times_transposed` and
`times`. What cannot be had so is cast: reductions by collectives alone, and weights whose first axis is whole (keys
and values, stacked in one weight, too small to be worth it).
"""

from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name
from jaxtyping import Array, Float

from polymath.sharding.rings import ring_product
from polymath.sharding.spread import Cut, Spread, gather, is_spread, reduced, without_first_ring

Tree = TypeVar("Tree")
PRODUCT = "product"
"""What `jax.checkpoint` knows a result by: to its policies such a product is no `dot_general`."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Gathered:
    """The whole weight for products, and the part that its gradient belongs to."""

    whole: Float[Array, "*rows D"]
    part: Float[Array, "..."]
    cut: Cut = field(metadata={"static": True})

    @property
    def shape(self) -> tuple[int, ...]:
        return self.whole.shape

    @property
    def ndim(self) -> int:
        return self.whole.ndim


def cast_for_products(tree: Tree, dtype: Any) -> Tree:
    """Every weight of the tree in `dtype`, whole; as `Gathered` where its gradient can be reduced hop by hop."""

    def cast(weight: Any) -> Any:
        if not isinstance(weight, Spread) or weight.cut.reduction.by != "hops" or not _cut_from_first_axis(weight):
            return weight.astype(dtype)
        whole = jax.lax.stop_gradient(gather(weight.part, weight.cut, dtype))
        return Gathered(whole, weight.part, weight.cut)

    return jax.tree.map(cast, tree, is_leaf=is_spread)


def _cut_from_first_axis(weight: Spread) -> bool:
    return weight.cut.dimensions[0][0] == -weight.part.ndim


def times_transposed(x: Float[Array, "T D"], weight: Gathered) -> Float[Array, "T R"]:
    """x Wᵀ, all axes of the weight but the last taken as one."""
    return checkpoint_name(_times_transposed(x, weight.whole, weight.part, weight.cut), PRODUCT)


def times(x: Float[Array, "T R"], weight: Gathered) -> Float[Array, "T D"]:
    """x W."""
    return checkpoint_name(_times(x, weight.whole, weight.part, weight.cut), PRODUCT)


@partial(jax.custom_vjp, nondiff_argnums=(3,))
def _times_transposed(x: Any, whole: Any, part: Any, cut: Cut) -> Float[Array, "T R"]:
    del part, cut
    return x @ _matrix(whole).T


def _times_transposed_forward(x: Any, whole: Any, part: Any, cut: Cut) -> Any:
    return _times_transposed(x, whole, part, cut), (x, whole)


def _times_transposed_backward(cut: Cut, saved: Any, dy: Float[Array, "T R"]) -> Any:
    x, whole = saved
    return dy @ _matrix(whole), None, _d_part(dy, x, whole.shape, cut)


_times_transposed.defvjp(_times_transposed_forward, _times_transposed_backward)


@partial(jax.custom_vjp, nondiff_argnums=(3,))
def _times(x: Any, whole: Any, part: Any, cut: Cut) -> Float[Array, "T D"]:
    del part, cut
    return x @ _matrix(whole)


def _times_forward(x: Any, whole: Any, part: Any, cut: Cut) -> Any:
    return _times(x, whole, part, cut), (x, whole)


def _times_backward(cut: Cut, saved: Any, dy: Float[Array, "T D"]) -> Any:
    x, whole = saved
    return dy @ _matrix(whole).T, None, _d_part(x, dy, whole.shape, cut)


_times.defvjp(_times_forward, _times_backward)


def _matrix(whole: Float[Array, "*rows D"]) -> Float[Array, "R D"]:
    return whole.reshape(-1, whole.shape[-1])


def _d_part(left: Any, right: Any, shape: tuple[int, ...], cut: Cut) -> Float[Array, "..."]:
    """This device's part of the sum of everybody's leftᵀ right, float32."""
    axis, size = cut.rings[0]
    rows = ring_product(left, right, axis, size, jnp.dtype(cut.reduction.dtype))
    rows = rows.reshape(shape[0] // size, *shape[1:])
    rest = without_first_ring(cut)
    return reduced(rows, rest) if rest.rings else rows.astype(jnp.float32)
