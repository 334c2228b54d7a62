"""Cross-entropy and z-loss over a large vocabulary, tile by tile over the tokens.

The logits of all tokens, [B*S, V], never exist (16.8 GB a chip in float32 at 256,000 entries): a tile's logits give
its share of the loss and at once its share of both gradients, so nothing is computed twice. The gradient of the
vocabulary's matrix is added up over the tiles and reduced over the devices once, at the end. A tile without weight,
such as a row of pointing or of actions alone, costs nothing.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from polymath.sharding.vocabulary import (
    VocabularySlice,
    all_gather_slice,
    all_gather_tokens,
    local_ids,
    reduce_scatter_slice,
    reduce_scatter_tokens,
    vocabulary_slice,
)


class TokenLoss(NamedTuple):
    """Sums over tokens, each weighted; divide by `weight`."""

    cross_entropy: Float[Array, ""]
    z_loss: Float[Array, ""]
    correct: Float[Array, ""]
    weight: Float[Array, ""]


class Tile(NamedTuple):
    hidden: Float[Array, "T D"]
    targets: Int[Array, " T"]
    weights: Float[Array, " T"]


def tiled_cross_entropy(
    matrix: Any,
    hidden: Float[Array, "B S D"],
    targets: Int[Array, "B S"],
    weights: Float[Array, "B S"],
    tile: int,
    z_loss: float = 0.0,
    cap: float | None = None,
) -> tuple[Float[Array, ""], TokenLoss]:
    """(sum of -log p(target) + z_loss * log(Z)^2, its parts). Only the first has a gradient.

    matrix: [V, D], or this device's shard of it. cap: the logits are cap * tanh(logits / cap). Peak memory: one tile's
    logits [tile, V] and the matrix' gradient.
    """
    shard, place = vocabulary_slice(matrix)
    tiles = _tiles(Tile(hidden, targets, weights.astype(jnp.float32)), tile)
    return _sums(shard, tiles, place, z_loss, cap)


def _tiles(tokens: Any, tile: int) -> Tile:
    """[B, S, …] -> [number, tile, …], the last tile filled up with tokens of weight 0."""
    count = tokens.targets.size
    size = min(tile, count)

    def cut(x: Any) -> Any:
        flat = x.reshape(count, *x.shape[2:])
        return jnp.pad(flat, [(0, -count % size)] + [(0, 0)] * (flat.ndim - 1)).reshape(-1, size, *flat.shape[1:])

    return Tile(*map(cut, tokens))


@partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4))
def _sums(
    shard: Any, tiles: Tile, place: VocabularySlice, z_loss: float, cap: float | None
) -> tuple[Float[Array, ""], TokenLoss]:
    matrix = all_gather_slice(shard, place, tiles.hidden.dtype)

    def add(total: TokenLoss, tile: Tile) -> tuple[TokenLoss, None]:
        ring_tile, scores = _scores(matrix, tile, place, cap)
        return jax.tree.map(jnp.add, total, _tile_loss(ring_tile, scores, place)), None

    def pass_over(total: TokenLoss, tile: Tile) -> tuple[TokenLoss, None]:
        return total, None

    add = _where_it_counts(place, add, pass_over)
    total, _ = jax.lax.scan(add, _no_loss(), tiles)
    return total.cross_entropy + z_loss * total.z_loss, total


def _sums_forward(
    shard: Any, tiles: Tile, place: VocabularySlice, z_loss: float, cap: float | None
) -> tuple[Any, tuple[Any, Any, Any]]:
    matrix = all_gather_slice(shard, place, tiles.hidden.dtype)

    def add(carry: tuple[TokenLoss, Any], tile: Tile) -> tuple[tuple[TokenLoss, Any], Any]:
        total, d_matrix = carry
        ring_tile, scores = _scores(matrix, tile, place, cap)
        total = jax.tree.map(jnp.add, total, _tile_loss(ring_tile, scores, place))
        d_logits = _d_logits(ring_tile, scores, z_loss, cap).astype(matrix.dtype)
        d_hidden = jnp.dot(d_logits, matrix, preferred_element_type=jnp.float32)
        d_matrix += jnp.dot(d_logits.T, ring_tile.hidden, preferred_element_type=jnp.float32)
        return (total, d_matrix), reduce_scatter_tokens(d_hidden, place).astype(matrix.dtype)

    def pass_over(carry: tuple[TokenLoss, Any], tile: Tile) -> tuple[tuple[TokenLoss, Any], Any]:
        return carry, jnp.zeros(tile.hidden.shape, matrix.dtype)

    add = _where_it_counts(place, add, pass_over)
    start = (_no_loss(), jnp.zeros(matrix.shape, jnp.float32))
    (total, d_matrix), d_hidden = jax.lax.scan(add, start, tiles)
    value = total.cross_entropy + z_loss * total.z_loss
    return (value, total), (reduce_scatter_slice(d_matrix, place).astype(shard.dtype), d_hidden, tiles)


def _sums_backward(
    place: VocabularySlice, z_loss: float, cap: float | None, saved: tuple[Any, Any, Any], gradient: Any
) -> tuple[Any, Tile]:
    del place, z_loss, cap
    scale, _ = gradient
    d_part, d_hidden, tiles = saved
    return scale * d_part, Tile((scale * d_hidden).astype(d_hidden.dtype), None, jnp.zeros_like(tiles.weights))  # type: ignore[arg-type]


_sums.defvjp(_sums_forward, _sums_backward)


def _where_it_counts(place: VocabularySlice, add: Callable[..., Any], pass_over: Callable[..., Any]) -> Any:
    """`add` for a tile in which some token has weight, else `pass_over`.

    The devices of a ring share their tiles and exchange them inside of `add`, so they never pass over one.
    """
    if place.ring is not None:
        return add
    return lambda carry, tile: jax.lax.cond(jnp.any(tile.weights != 0), add, pass_over, carry, tile)


class Scores(NamedTuple):
    """Of the tokens of a whole ring, against this device's slice of the vocabulary."""

    logits: Float[Array, "T V_slice"]
    is_target: Bool[Array, "T V_slice"]
    top: Float[Array, " T"]  # the largest logit of the whole vocabulary
    log_z: Float[Array, " T"]


def _scores(
    matrix: Float[Array, "V_slice D"], tile: Tile, place: VocabularySlice, cap: float | None
) -> tuple[Tile, Scores]:
    ring_tile = Tile(*(all_gather_tokens(x, place) for x in tile))
    logits = jnp.einsum("TD,VD->TV", ring_tile.hidden, matrix, preferred_element_type=jnp.float32)
    if cap is not None:
        logits = cap * jnp.tanh(logits / cap)
    own = local_ids(ring_tile.targets, len(matrix), place)
    is_target = own[:, None] == jnp.arange(len(matrix))
    top = _over_ring(jnp.max(logits, axis=-1), place, jax.lax.pmax)
    total = _over_ring(jnp.sum(jnp.exp(logits - top[:, None]), axis=-1), place, jax.lax.psum)
    return ring_tile, Scores(logits, is_target, top, jnp.log(total) + top)


def _tile_loss(ring_tile: Tile, scores: Scores, place: VocabularySlice) -> TokenLoss:
    """The weighted sums over this device's own tokens."""
    target = _over_ring(jnp.sum(jnp.where(scores.is_target, scores.logits, 0.0), axis=-1), place, jax.lax.psum)
    sums = (scores.log_z - target, scores.log_z**2, target >= scores.top, jnp.ones_like(target))
    own = _own_tokens(ring_tile.weights, place)
    return TokenLoss(*(jnp.sum(own * x) for x in sums))


def _own_tokens(weights: Float[Array, " T"], place: VocabularySlice) -> Float[Array, " T"]:
    """The weights of a ring's tokens, zero but for this device's own."""
    if place.ring is None:
        return weights
    owner = jnp.arange(len(weights)) // (len(weights) // place.ring_size)
    return jnp.where(owner == jax.lax.axis_index(place.ring), weights, 0.0)


def _d_logits(ring_tile: Tile, scores: Scores, z_loss: float, cap: float | None) -> Float[Array, "T V_slice"]:
    """d loss / d logits = w ((1 + 2 z log Z) softmax - one_hot(target)), below a cap times 1 - (logits / cap)^2."""
    softmax = jnp.exp(scores.logits - scores.log_z[:, None])
    slope = 1.0 + 2.0 * z_loss * scores.log_z
    gradient = ring_tile.weights[:, None] * (slope[:, None] * softmax - scores.is_target)
    return gradient if cap is None else gradient * (1.0 - jnp.square(scores.logits / cap))


def _over_ring(x: Any, place: VocabularySlice, reduce: Any) -> Any:
    return x if place.ring is None else reduce(x, place.ring)


def _no_loss() -> TokenLoss:
    return TokenLoss(*(jnp.zeros(()) for _ in TokenLoss._fields))
