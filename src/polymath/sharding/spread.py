"""A weight of which every device holds a part, inside a program that spells out its communication (`jax.shard_map`).

The model casts a layer's weights to the compute dtype at the top of the layer; for a spread weight that cast also
gathers it, and the gather's transpose reduces the gradient back to the part:

    forward    part [h, e, D] float32 ─ cast ─ all-gather, once ─► [H, E, D] bfloat16, alive for this layer only
    backward   gradient [H, E, D] ─ to its dtype ─ reduce-scatter over one ring after the other ─► [h, e, D] float32

Cast before the gather: half the bytes. Ring by ring: XLA for TPU v4 turns a reduce-scatter over two rings at once into
an all-reduce of everything (see docs/sharding.md).
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
class Cut:
    """How a weight was cut: (dimension counted from the last one, mesh axes, number of parts), in order."""

    dimensions: tuple[tuple[int, tuple[str, ...], int], ...]
    rings: tuple[tuple[str, int], ...]  # the same axes one by one, slowest first, with their sizes
    reduction: Reduction

    @property
    def axes(self) -> tuple[str, ...]:
        return tuple(axis for _, axes, _ in self.dimensions for axis in axes)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Spread:
    """`part` is this device's; `astype` gives the whole weight."""

    part: Float[Array, "..."]
    cut: Cut = field(metadata={"static": True})

    def astype(self, dtype: Any) -> Float[Array, "..."]:
        return _gathered(self.part, self.cut, jnp.dtype(dtype).name)


def is_spread(leaf: Any) -> bool:
    return isinstance(leaf, Spread)


def cast(tree: Tree, dtype: Any) -> Tree:
    """Every weight of the tree in `dtype`, whole."""
    return jax.tree.map(lambda weight: weight.astype(dtype), tree, is_leaf=is_spread)


def spread(part: Float[Array, "..."], place: PartitionSpec, partitioner: Partitioner, reduction: Reduction) -> Any:
    """The part of a weight that lies at `place`, so that it gathers itself; the very array if nothing of it is cut.

    Axes outside `partitioner.batch_axes` are the compiler's business and not gathered here.
    """
    cut = cut_of(place, partitioner, reduction)
    return Spread(part, cut) if cut.dimensions else part


def cut_of(place: PartitionSpec, partitioner: Partitioner, reduction: Reduction) -> Cut:
    dimensions = []
    for number, entry in enumerate(place):
        axes = tuple(axis for axis in axes_of(entry) if axis in partitioner.batch_axes)
        if axes:
            dimensions.append((number - len(place), axes, partitioner.size(axes)))
    rings = tuple((axis, partitioner.mesh.shape[axis]) for _, axes, _ in dimensions for axis in axes)
    return Cut(tuple(dimensions), rings, reduction)


def without_first_ring(cut: Cut) -> Cut:
    """How a device's slice, what remains after its place in the first ring is chosen, is cut over the other rings."""
    (dimension, axes, count), *others = cut.dimensions
    first = [(dimension, axes[1:], count // cut.rings[0][1])] if len(axes) > 1 else []
    return Cut((*first, *others), cut.rings[1:], cut.reduction)


@partial(jax.custom_vjp, nondiff_argnums=(1, 2))
def _gathered(part: Float[Array, "..."], cut: Cut, dtype: str) -> Float[Array, "..."]:
    return gather(part, cut, dtype)


def _gathered_forward(part: Float[Array, "..."], cut: Cut, dtype: str) -> tuple[Float[Array, "..."], None]:
    return _gathered(part, cut, dtype), None


def _gathered_backward(cut: Cut, dtype: str, _: None, gradient: Float[Array, "..."]) -> tuple[Float[Array, "..."]]:
    del dtype
    return (reduced(gradient, cut),)


_gathered.defvjp(_gathered_forward, _gathered_backward)


def gather(part: Float[Array, "..."], cut: Cut, dtype: Any) -> Float[Array, "..."]:
    """The whole weight in `dtype`, from everybody's part; one all-gather over all its axes."""
    return _assemble(jax.lax.all_gather(part.astype(dtype), cut.axes, axis=0, tiled=False), cut)


def reduced(gradient: Float[Array, "..."], cut: Cut) -> Float[Array, "..."]:
    """This device's part of the sum of everybody's gradient, float32.

    The parts travel as plain rows, filled up to whole tiles: XLA for TPU makes an all-reduce of other shapes.
    """
    parts = _take_apart(gradient.astype(cut.reduction.dtype), cut)
    shape = parts.shape[1:]
    rows = parts.reshape(len(parts), -1, shape[-1])
    if rows.shape[1] % TILE:
        rows = jnp.pad(rows, ((0, 0), (0, -rows.shape[1] % FILL), (0, 0)))
    for axis, size in cut.rings:
        rows = rows.reshape(size, -1, shape[-1])
        rows = jax.lax.psum_scatter(rows, axis, scatter_dimension=0, tiled=False)
    return rows[: math.prod(shape[:-1])].reshape(shape).astype(jnp.float32)


def _assemble(parts: Float[Array, "N ..."], cut: Cut) -> Float[Array, "..."]:
    """[N, *part] -> the whole: every cut dimension's number of parts moves in front of that dimension."""
    shape = parts.shape[1:]
    counts = [count for _, _, count in cut.dimensions]
    x = parts.reshape(*counts, *shape)
    for number, (dimension, _, _) in reversed(list(enumerate(cut.dimensions))):
        place = number + (len(shape) + dimension)
        x = jnp.moveaxis(x, number, place)
    return x.reshape(_whole_shape(shape, cut))


def _take_apart(whole: Float[Array, "..."], cut: Cut) -> Float[Array, "N ..."]:
    """The inverse of `_assemble`."""
    split: list[int] = []
    at = {whole.ndim + dimension: count for dimension, _, count in cut.dimensions}
    fronts = []
    for number, size in enumerate(whole.shape):
        if number in at:
            fronts.append(len(split))
            split += [at[number], size // at[number]]
        else:
            split.append(size)
    x = jnp.moveaxis(whole.reshape(split), fronts, range(len(fronts)))
    return x.reshape(-1, *x.shape[len(fronts) :])


def _whole_shape(part: tuple[int, ...], cut: Cut) -> tuple[int, ...]:
    shape = list(part)
    for dimension, _, count in cut.dimensions:
        shape[dimension] *= count
    return tuple(shape)
