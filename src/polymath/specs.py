"""What a weight is: shape, logical axes and initializer, side by side on one line.

A component declares its weights as a tree of `Spec` (the `specs(config)` function of its file). Everything generic is
one function over that tree: counting, initialising, abstract values, naming. Sharding, checkpointing and planning use
the same tree.

Convention: every matrix is stored with the model width last and the axis that grows with the machine (heads, mlp,
vocab) first, so that sharding the first axis cuts whole rows: on TPU a shard is then a multiple of 8 rows of tiles.
"""

import math
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jax.tree_util import KeyPath
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Int, PRNGKeyArray

Tree = TypeVar("Tree")  # of weights: a component's Params
Leaf = Any  # of such a tree: a Spec, an array, its sharding, a ShardedWeight, lora's Adapted, int8's Quantised
PIECE = 2**20  # numbers; what is larger is drawn in pieces, as the generator needs several times the memory of its draw


@dataclass(frozen=True)
class Normal:
    """Truncated normal at two standard deviations, with standard deviation `scale / sqrt(fan_in)` before truncation."""

    fan_in: int
    scale: float = 1.0


@dataclass(frozen=True)
class Constant:
    value: float


@dataclass(frozen=True)
class SinCosGrid:
    """Sines and cosines of the row and the column of a square grid of patches, scaled by `scale` (the 2D table of
    Beyer et al. 2022, arXiv:2205.01580): an image encoder then knows from its first step where a patch is.

    A first row beyond the grid, for a class token, is zero.
    """

    scale: float = 1.0
    temperature: float = 10_000.0


@dataclass(frozen=True)
class Spec:
    """One weight. `axes` names each dimension (None: never sharded); the sharding table maps the names to mesh axes."""

    shape: tuple[int, ...]
    axes: tuple[str | None, ...]
    init: Normal | Constant | SinCosGrid

    def __post_init__(self) -> None:
        if len(self.shape) != len(self.axes):
            raise ValueError(f"a weight of shape {self.shape} needs {len(self.shape)} axis names, got {self.axes}")


def is_spec(leaf: object) -> bool:
    return isinstance(leaf, Spec)


def stack(specs: Tree, layers: int) -> Tree:
    """The same weights for `layers` layers, stacked on a leading "layers" axis for `jax.lax.scan`."""

    def stacked(spec: Spec) -> Spec:
        return Spec((layers, *spec.shape), ("layers", *spec.axes), spec.init)

    return jax.tree.map(stacked, specs, is_leaf=is_spec)


def named(tree: Any) -> Iterator[tuple[str, Leaf]]:
    """(dotted name, leaf) of every weight, like `decoder.blocks.query`; works on specs, parameters and gradients."""
    for path, leaf in jax.tree_util.tree_flatten_with_path(tree, is_leaf=is_spec)[0]:
        yield name_of(path), leaf


def name_of(path: KeyPath) -> str:
    """The dotted name of a weight at a path of `jax.tree_util`."""
    return ".".join(str(getattr(key, "name", getattr(key, "key", getattr(key, "idx", key)))) for key in path)


def count(specs: Any) -> int:
    """Number of parameters."""
    return sum(math.prod(spec.shape) for _, spec in named(specs))


def abstract(specs: Tree, dtype: DTypeLike = jnp.float32) -> Tree:
    """Shapes and dtypes without memory, for `jax.eval_shape`, ahead-of-time compilation and restoring checkpoints."""
    return jax.tree.map(lambda spec: jax.ShapeDtypeStruct(spec.shape, dtype), specs, is_leaf=is_spec)


def init(specs: Tree, key: PRNGKeyArray, dtype: DTypeLike = jnp.float32) -> Tree:
    """Draw every weight. A weight's random stream depends on its name alone, not on which other weights exist."""
    return jax.tree_util.tree_map_with_path(
        lambda path, spec: draw(name_of(path), spec, key, dtype), specs, is_leaf=is_spec
    )


def init_on(shardings: Tree, specs: Tree, key: PRNGKeyArray, dtype: DTypeLike = jnp.float32) -> Tree:
    """As `init`, every weight on its sharding: each device draws its own part, one weight after the other.

    Weights of one spec on one sharding share a program.
    """
    programs: dict[tuple[Spec, jax.sharding.Sharding], Callable[[PRNGKeyArray], Array]] = {}

    def place(path: KeyPath, spec: Spec, sharding: jax.sharding.Sharding) -> Float[Array, "..."]:
        if (spec, sharding) not in programs:
            programs[spec, sharding] = jax.jit(lambda key: _draw(spec, key, dtype), out_shardings=sharding)
        return jax.block_until_ready(programs[spec, sharding](_key_of(name_of(path), key)))

    return jax.tree_util.tree_map_with_path(place, specs, shardings, is_leaf=is_spec)


def draw(name: str, spec: Spec, key: PRNGKeyArray, dtype: DTypeLike = jnp.float32) -> Float[Array, "..."]:
    """The initial value of the weight of that name."""
    return _draw(spec, _key_of(name, key), dtype)


def _key_of(name: str, key: PRNGKeyArray) -> PRNGKeyArray:
    return jax.random.fold_in(key, zlib.crc32(name.encode()))


@partial(jax.jit, static_argnums=(0, 2))
def _draw(spec: Spec, key: PRNGKeyArray, dtype: DTypeLike) -> Float[Array, "..."]:
    if isinstance(spec.init, Constant):
        return jnp.full(spec.shape, spec.init.value, dtype)
    if isinstance(spec.init, SinCosGrid):
        return _sin_cos_grid(spec.init, *spec.shape).astype(dtype)
    std = spec.init.scale / math.sqrt(spec.init.fan_in)
    if math.prod(spec.shape) > PIECE:
        return _in_pieces(spec, std, key, dtype)
    return _truncated_normal(key, std, spec.shape, dtype)


def _truncated_normal(key: PRNGKeyArray, std: float, shape: tuple[int, ...], dtype: DTypeLike) -> Float[Array, "..."]:
    return (std * jax.random.truncated_normal(key, -2.0, 2.0, shape, jnp.float32)).astype(dtype)


def _in_pieces(spec: Spec, std: float, key: PRNGKeyArray, dtype: DTypeLike) -> Float[Array, "..."]:
    """One layer after the other; of a single matrix every n-th row together, so that each device draws of its own."""
    first, *rest = spec.shape
    fewest = first if spec.axes[0] == "layers" else min(-(-math.prod(spec.shape) // PIECE), first)
    pieces = next(n for n in range(fewest, first + 1) if first % n == 0)

    def draw_piece(number: Int[Array, ""], drawn: Float[Array, "..."]) -> Float[Array, "..."]:
        part = _truncated_normal(jax.random.fold_in(key, number), std, (first // pieces, 1, *rest), dtype)
        return jax.lax.dynamic_update_slice_in_dim(drawn, part, number, axis=1)

    start = jnp.zeros((first // pieces, pieces, *rest), dtype)
    return jax.lax.fori_loop(0, pieces, draw_piece, start).reshape(spec.shape)


def _sin_cos_grid(init: SinCosGrid, positions: int, width: int) -> Float[Array, "positions width"]:
    side = math.isqrt(positions)
    frequencies = init.temperature ** -(jnp.arange(width // 4) / (width // 4 - 1))
    row, column = jnp.divmod(jnp.arange(side * side), side)
    angles = [place[:, None] * frequencies for place in (column, row)]
    table = jnp.concatenate([wave(angle) for angle in angles for wave in (jnp.sin, jnp.cos)], axis=1)
    return init.scale * jnp.pad(table, ((positions - side * side, 0), (0, width % 4)))
