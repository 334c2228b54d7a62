"""A weight of which every device holds a shard, inside a program that spells out its communication (`jax.shard_map`).

The model casts a layer's weights to the compute dtype at the top of the layer (`gather_weights`). For a sharded weight
that also all-gathers it, and the transpose of the gather reduces the gradient back to the shard:

    forward    shard [h, e, D] float32 ─ cast ─ all-gather, once ─► [H, E, D] bfloat16, alive for this layer only
    backward   gradient [H, E, D] ─ to its dtype ─ reduce-scatter over one ring after the other ─► [h, e, D] float32

Cast before the gather: half the bytes. Ring by ring: XLA for TPU v4 turns a reduce-scatter over two rings at once into
an all-reduce of the whole (see docs/sharding.md, which follows one weight through a training step).
"""

import math
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, TypeVar

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec
from jaxtyping import Array, Float

from polymath.sharding.placement import Partitioner, axes_of

Tree = TypeVar("Tree")
TILE, FILL = 8, 16  # rows


@dataclass(frozen=True)
class Reduction:
    """How gradients are summed over devices. dtype: on their way. by: one collective a ring ("scatter"), or for the
    decoder's large weights over the first ring hop by hop, beside computation ("hops", `polymath.sharding.products`).
    """

    dtype: Literal["float32", "bfloat16"] = "float32"
    by: Literal["scatter", "hops"] = "scatter"


@dataclass(frozen=True)
class ShardLayout:
    """How a weight is divided: dimensions (counted from the last one, their mesh axes, number of parts), in order."""

    dimensions: tuple[tuple[int, tuple[str, ...], int], ...]
    rings: tuple[tuple[str, int], ...]  # the same axes one by one, slowest first, with their sizes
    reduction: Reduction

    @property
    def axes(self) -> tuple[str, ...]:
        return tuple(axis for _, axes, _ in self.dimensions for axis in axes)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class ShardedWeight:
    """This device's shard; `astype` casts and all-gathers it."""

    shard: Float[Array, "..."]
    layout: ShardLayout = field(metadata={"static": True})

    def astype(self, dtype: Any) -> Float[Array, "..."]:
        return _gathered(self.shard, self.layout, jnp.dtype(dtype).name)


def is_sharded(leaf: Any) -> bool:
    return isinstance(leaf, ShardedWeight)


def gather_weights(tree: Tree, dtype: Any) -> Tree:
    """Every weight of the tree whole, in `dtype`: cast, then all-gathered if it is sharded."""
    return jax.tree.map(lambda weight: weight.astype(dtype), tree, is_leaf=is_sharded)


def sharded(shard: Float[Array, "..."], place: PartitionSpec, partitioner: Partitioner, reduction: Reduction) -> Any:
    """The shard of a weight that lies at `place`, as a `ShardedWeight`; the array itself if no axis of it is divided.

    Axes outside `partitioner.batch_axes` are left to the compiler and not gathered here.
    """
    layout = shard_layout(place, partitioner, reduction)
    return ShardedWeight(shard, layout) if layout.dimensions else shard


def shard_layout(place: PartitionSpec, partitioner: Partitioner, reduction: Reduction) -> ShardLayout:
    dimensions = []
    for number, entry in enumerate(place):
        axes = tuple(axis for axis in axes_of(entry) if axis in partitioner.batch_axes)
        if axes:
            dimensions.append((number - len(place), axes, partitioner.size(axes)))
    rings = tuple((axis, partitioner.mesh.shape[axis]) for _, axes, _ in dimensions for axis in axes)
    return ShardLayout(tuple(dimensions), rings, reduction)


def without_first_ring(layout: ShardLayout) -> ShardLayout:
    """How the slice of the weight that belongs to one place in the first ring is divided over the other rings."""
    (dimension, axes, count), *others = layout.dimensions
    first = [(dimension, axes[1:], count // layout.rings[0][1])] if len(axes) > 1 else []
    return ShardLayout((*first, *others), layout.rings[1:], layout.reduction)


@partial(jax.custom_vjp, nondiff_argnums=(1, 2))
def _gathered(shard: Float[Array, "..."], layout: ShardLayout, dtype: str) -> Float[Array, "..."]:
    return all_gather(shard, layout, dtype)


def _gathered_forward(shard: Float[Array, "..."], layout: ShardLayout, dtype: str) -> tuple[Float[Array, "..."], None]:
    return _gathered(shard, layout, dtype), None


def _gathered_backward(
    layout: ShardLayout, dtype: str, _: None, gradient: Float[Array, "..."]
) -> tuple[Float[Array, "..."]]:
    del dtype
    return (reduce_scatter(gradient, layout),)


_gathered.defvjp(_gathered_forward, _gathered_backward)


def all_gather(shard: Float[Array, "..."], layout: ShardLayout, dtype: Any) -> Float[Array, "..."]:
    """The whole weight in `dtype`, from the shards of all devices; one all-gather over all its axes."""
    return _join(jax.lax.all_gather(shard.astype(dtype), layout.axes, axis=0, tiled=False), layout)


def reduce_scatter(gradient: Float[Array, "..."], layout: ShardLayout) -> Float[Array, "..."]:
    """This device's shard of the gradient summed over the devices, float32; one reduce-scatter per ring.

    The shards travel as plain rows, padded to whole tiles: XLA for TPU makes an all-reduce of other shapes.
    """
    shards = _split(gradient.astype(layout.reduction.dtype), layout)
    shape = shards.shape[1:]
    rows = shards.reshape(len(shards), -1, shape[-1])
    if rows.shape[1] % TILE:
        rows = jnp.pad(rows, ((0, 0), (0, -rows.shape[1] % FILL), (0, 0)))
    for axis, size in layout.rings:
        rows = rows.reshape(size, -1, shape[-1])
        rows = jax.lax.psum_scatter(rows, axis, scatter_dimension=0, tiled=False)
    return rows[: math.prod(shape[:-1])].reshape(shape).astype(jnp.float32)


def _join(shards: Float[Array, "N ..."], layout: ShardLayout) -> Float[Array, "..."]:
    """[N, *shard] -> the whole: the number of shards of every divided dimension moves in front of that dimension."""
    shape = shards.shape[1:]
    counts = [count for _, _, count in layout.dimensions]
    x = shards.reshape(*counts, *shape)
    for number, (dimension, _, _) in reversed(list(enumerate(layout.dimensions))):
        place = number + (len(shape) + dimension)
        x = jnp.moveaxis(x, number, place)
    return x.reshape(_whole_shape(shape, layout))


def _split(whole: Float[Array, "..."], layout: ShardLayout) -> Float[Array, "N ..."]:
    """The inverse of `_join`."""
    split: list[int] = []
    at = {whole.ndim + dimension: count for dimension, _, count in layout.dimensions}
    fronts = []
    for number, size in enumerate(whole.shape):
        if number in at:
            fronts.append(len(split))
            split += [at[number], size // at[number]]
        else:
            split.append(size)
    x = jnp.moveaxis(whole.reshape(split), fronts, range(len(fronts)))
    return x.reshape(-1, *x.shape[len(fronts) :])


def _whole_shape(shape_of_shard: tuple[int, ...], layout: ShardLayout) -> tuple[int, ...]:
    shape = list(shape_of_shard)
    for dimension, _, count in layout.dimensions:
        shape[dimension] *= count
    return tuple(shape)
