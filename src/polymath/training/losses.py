"""The objective: cross-entropy on the next token (with z-loss) + mean-squared error of the action head.

The logits of all tokens, [B*S, V], never exist: the cross-entropy runs tile by tile over the tokens and recomputes a
tile's logits in the backward pass (the 256,000-entry vocabulary would need 16.8 GB a chip in float32 otherwise).
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from polymath.model import decoder, polymath_v
from polymath.model.execution import Execution
from polymath.types import Batch


@dataclass(frozen=True)
class Config:
    """z_loss: weight of log(Z)^2 (Chowdhery et al. 2022, arXiv:2204.02311, section 5); action: weight of the MSE."""

    action: float = 1.0
    z_loss: float = 1e-4
    tile: int = 1024  # tokens


class TokenLoss(NamedTuple):
    """Sums over tokens, each weighted; divide by `weight`."""

    cross_entropy: Float[Array, ""]
    z_loss: Float[Array, ""]
    correct: Float[Array, ""]
    weight: Float[Array, ""]


def objective(
    params: polymath_v.Params, model: polymath_v.Config, config: Config, batch: Batch, execution: Execution
) -> tuple[Float[Array, ""], dict[str, Float[Array, ""]]]:
    """The scalar to minimise and its parts."""
    outputs = polymath_v.forward(params, model, batch, execution)
    targets, weights = next_tokens(batch)
    tokens = tiled_cross_entropy(params.decoder, outputs.hidden, targets, weights, config.tile)
    total = jnp.maximum(tokens.weight, 1e-6)
    cross_entropy, z_loss = tokens.cross_entropy / total, tokens.z_loss / total
    mse = action_mse(outputs.actions, batch.actions, batch.action_mask)
    loss = cross_entropy + config.z_loss * z_loss + config.action * mse
    parts = {"cross_entropy": cross_entropy, "mse": mse, "z_loss": z_loss, "token_accuracy": tokens.correct / total}
    return loss, parts


def next_tokens(batch: Batch) -> tuple[Int[Array, "B S"], Float[Array, "B S"]]:
    """Target and weight of each position: the following token where it belongs to the same segment, else weight 0."""
    targets = jnp.roll(batch.tokens, -1, axis=1)
    weights = jnp.roll(batch.loss_weights, -1, axis=1)
    same = jnp.roll(batch.segment_ids, -1, axis=1) == batch.segment_ids
    inside = jnp.arange(batch.tokens.shape[1]) < batch.tokens.shape[1] - 1
    return targets, weights * (same & inside)


def tiled_cross_entropy(
    params: decoder.Params,
    hidden: Float[Array, "B S D"],
    targets: Int[Array, "B S"],
    weights: Float[Array, "B S"],
    tile: int,
) -> TokenLoss:
    """Weighted sums of -log p(target) and log(Z)^2. Peak memory is one tile of [tile, V] logits."""
    tokens, width = targets.size, hidden.shape[-1]
    tile = min(tile, tokens)
    padding = -tokens % tile

    def tiles(x: Any, *shape: int) -> Any:
        return jnp.pad(x.reshape(tokens, *shape), [(0, padding)] + [(0, 0)] * len(shape)).reshape(-1, tile, *shape)

    @jax.checkpoint
    def one_tile(
        hidden: Float[Array, "tile D"], targets: Int[Array, " tile"], weights: Float[Array, " tile"]
    ) -> TokenLoss:
        logits = decoder.logits(params, hidden)
        log_z = jax.nn.logsumexp(logits, axis=-1)
        target = jnp.take_along_axis(logits, targets[:, None], axis=-1)[:, 0]
        correct = target >= jnp.max(logits, axis=-1)
        return TokenLoss(*(jnp.sum(weights * x) for x in (log_z - target, log_z**2, correct, jnp.ones_like(weights))))

    zero = TokenLoss(*(jnp.zeros(()) for _ in TokenLoss._fields))
    total, _ = jax.lax.scan(
        lambda total, x: (jax.tree.map(jnp.add, total, one_tile(*x)), None),
        zero,
        (tiles(hidden, width), tiles(targets), tiles(weights.astype(jnp.float32))),
    )
    return total


def action_mse(
    predicted: Float[Array, "B M W A"], target: Float[Array, "B M W A"], mask: Bool[Array, "B M W A"]
) -> Float[Array, ""]:
    """Mean squared error over the action dimensions that exist; 0 where the batch holds no action."""
    squared = jnp.where(mask, jnp.square(predicted - target), 0.0)
    return jnp.sum(squared) / jnp.maximum(jnp.sum(mask), 1)
