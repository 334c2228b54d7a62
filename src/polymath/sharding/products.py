"""Matrix products with a gathered weight whose gradient is reduced while it is computed.

    forward    y = x Wᵀ                    W all-gathered from the devices' shards, as in `sharded_weight`
    backward   dx = dy W
               dW = dyᵀ x                  row by row around the first ring (`rings`), then one reduce-scatter per ring

`gather_for_products` replaces `sharded_weight.gather_weights` for weights that are used in nothing but
`times_transposed` and `times`. Two kinds of weights are gathered as before: those whose reduction is by collectives
alone, and those whose first axis is not sharded (keys and values, stacked in one weight, too small to be worth it).
"""

from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name
from jaxtyping import Array, Float

from polymath.sharding.rings import ring_product
from polymath.sharding.sharded_weight import (
    ShardedWeight,
    ShardLayout,
    all_gather,
    is_sharded,
    reduce_scatter,
    without_first_ring,
)

Tree = TypeVar("Tree")
Saved = tuple[Float[Array, "T R"], Float[Array, "*rows D"]]
PRODUCT = "product"
"""The name by which `jax.checkpoint` knows a result: to its policies such a product is no `dot_general`."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class GatheredWeight:
    """The whole weight for products, and the shard that its gradient belongs to."""

    whole: Float[Array, "*rows D"]
    shard: Float[Array, "..."]
    layout: ShardLayout = field(metadata={"static": True})

    @property
    def shape(self) -> tuple[int, ...]:
        return self.whole.shape

    @property
    def ndim(self) -> int:
        return self.whole.ndim


def gather_for_products(block: Tree, dtype: Any) -> Tree:
    """Every weight of the block whole, in `dtype`: cast, then all-gathered if it is sharded.

    A weight whose gradient can be reduced hop by hop comes as a `GatheredWeight`.
    """

    def gather(weight: Any) -> Any:
        if not _travels(weight):
            return weight.astype(dtype)
        whole = jax.lax.stop_gradient(all_gather(weight.shard, weight.layout, dtype))
        return GatheredWeight(whole, weight.shard, weight.layout)

    return jax.tree.map(gather, block, is_leaf=is_sharded)


def _travels(weight: Any) -> bool:
    """Its gradient is to be reduced hop by hop, and its first axis is the one that the first ring divides."""
    if not isinstance(weight, ShardedWeight) or weight.layout.reduction.by != "hops":
        return False
    return weight.layout.dimensions[0][0] == -weight.shard.ndim


def times_transposed(x: Float[Array, "T D"], weight: GatheredWeight) -> Float[Array, "T R"]:
    """x Wᵀ, all axes of the weight but the last taken as one."""
    return checkpoint_name(_times_transposed(x, weight.whole, weight.shard, weight.layout), PRODUCT)


def times(x: Float[Array, "T R"], weight: GatheredWeight) -> Float[Array, "T D"]:
    """x W."""
    return checkpoint_name(_times(x, weight.whole, weight.shard, weight.layout), PRODUCT)


@partial(jax.custom_vjp, nondiff_argnums=(3,))
def _times_transposed(
    x: Float[Array, "T D"], whole: Float[Array, "*rows D"], shard: Float[Array, "..."], layout: ShardLayout
) -> Float[Array, "T R"]:
    del shard, layout
    return x @ _matrix(whole).T


def _times_transposed_forward(x: Any, whole: Any, shard: Any, layout: ShardLayout) -> tuple[Any, Saved]:
    return _times_transposed(x, whole, shard, layout), (x, whole)


def _times_transposed_backward(layout: ShardLayout, saved: Saved, dy: Float[Array, "T R"]) -> tuple[Any, None, Any]:
    x, whole = saved
    return dy @ _matrix(whole), None, _shard_gradient(dy, x, whole.shape, layout)


_times_transposed.defvjp(_times_transposed_forward, _times_transposed_backward)


@partial(jax.custom_vjp, nondiff_argnums=(3,))
def _times(
    x: Float[Array, "T R"], whole: Float[Array, "*rows D"], shard: Float[Array, "..."], layout: ShardLayout
) -> Float[Array, "T D"]:
    del shard, layout
    return x @ _matrix(whole)


def _times_forward(x: Any, whole: Any, shard: Any, layout: ShardLayout) -> tuple[Any, Saved]:
    return _times(x, whole, shard, layout), (x, whole)


def _times_backward(layout: ShardLayout, saved: Saved, dy: Float[Array, "T D"]) -> tuple[Any, None, Any]:
    x, whole = saved
    return dy @ _matrix(whole).T, None, _shard_gradient(x, dy, whole.shape, layout)


_times.defvjp(_times_forward, _times_backward)


def _matrix(whole: Float[Array, "*rows D"]) -> Float[Array, "R D"]:
    return whole.reshape(-1, whole.shape[-1])


def _shard_gradient(
    left: Float[Array, "T R"], right: Float[Array, "T D"], shape: tuple[int, ...], layout: ShardLayout
) -> Float[Array, "..."]:
    """This device's shard of leftᵀ right summed over the devices, float32; `shape`: of the whole weight."""
    axis, size = layout.rings[0]
    rows = ring_product(left, right, axis, size, jnp.dtype(layout.reduction.dtype))
    rows = rows.reshape(shape[0] // size, *shape[1:])
    other_rings = without_first_ring(layout)
    return reduce_scatter(rows, other_rings) if other_rings.rings else rows.astype(jnp.float32)
