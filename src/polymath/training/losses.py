"""The objective: cross-entropy on the next token (with z-loss) + error of the action head, its square unless chosen.

Both are sums over the batch divided by totals of the batch, so a batch may be computed in parts, one after the other
(micro-batches) or side by side (devices): the objectives of the parts add up.
"""

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int

from polymath.errors import ConfigError
from polymath.model import polymath_v
from polymath.model.execution import Execution
from polymath.training.cross_entropy import tiled_cross_entropy
from polymath.types import Batch


@dataclass(frozen=True)
class Config:
    """What is added to the mean cross-entropy of the tokens, and how that is computed.

    action   weight of the error of the action head's normalised chunks
    error    what that error is: the mean square, the absolute value (as OpenVLA-OFT, arXiv:2502.19645), or Huber's
             (1964): half the square up to `huber`, linear beyond it. The mean square is reported with each of them
    huber    in normalised units
    places   weight of the mean squared error of the model's localizer, which reads the W*A numbers of a control step
             directly from its image's latents. It trains a freshly initialised vision transformer: the gradient through
             a fresh decoder is too small for that
    z_loss   weight of log(Z)^2, where Z is the sum of a token's exponentials (section 5 of Chowdhery et al. 2022,
             arXiv:2204.02311)
    tile     tokens whose logits exist at a time; it changes memory and speed, the loss by rounding alone
    """

    action: float = 1.0
    error: Literal["mse", "l1", "huber"] = "mse"
    huber: float = 0.1
    places: float = 0.0
    z_loss: float = 1e-4
    tile: int = 1024

    def __post_init__(self) -> None:
        if not 0 < self.huber < math.inf:
            raise ConfigError(f"huber: {self.huber}; give the error above which it grows linearly, above 0")


class Totals(NamedTuple):
    """What sums are divided by, over the whole batch: the weights of its tokens, its real action dimensions."""

    tokens: Float[Array, ""]
    actions: Float[Array, ""]


def totals(batch: Batch) -> Totals:
    _, weights = next_tokens(batch)
    return Totals(jnp.sum(weights, dtype=jnp.float32), jnp.sum(batch.action_mask, dtype=jnp.float32))


def objective(
    params: polymath_v.Params,
    model: polymath_v.Config,
    config: Config,
    batch: Batch,
    execution: Execution,
    whole: Totals | None = None,
) -> tuple[Float[Array, ""], dict[str, Float[Array, ""]]]:
    """The scalar to minimise and its parts.

    `whole`: the totals of the batch of which `batch` is a part; the objectives of its parts then add up to its own.
    """
    return of_outputs(polymath_v.forward(params, model, batch, execution), params, model, config, batch, whole)


def of_outputs(
    outputs: polymath_v.Outputs,
    params: polymath_v.Params,
    model: polymath_v.Config,
    config: Config,
    batch: Batch,
    whole: Totals | None = None,
) -> tuple[Float[Array, ""], dict[str, Float[Array, ""]]]:
    """As `objective`, of the model's outputs for that batch."""
    targets, weights = next_tokens(batch)
    of_tokens, of_actions = totals(batch) if whole is None else whole
    matrix = params.decoder.embedding if params.decoder.output is None else params.decoder.output
    token_loss, sums = tiled_cross_entropy(
        matrix, outputs.hidden, targets, weights, config.tile, config.z_loss, model.decoder.logit_cap
    )
    of_tokens, of_actions = jnp.maximum(of_tokens, 1e-6), jnp.maximum(of_actions, 1)
    targeted = action_targets(outputs.actions, batch)
    mse = action_error(outputs.actions, *targeted) / of_actions
    parts = {
        "cross_entropy": sums.cross_entropy / of_tokens,
        "mse": mse,
        "z_loss": sums.z_loss / of_tokens,
        "token_accuracy": sums.correct / of_tokens,
    }
    error = mse
    if config.error != "mse":
        error = parts["action_error"] = robust_error(outputs.actions, *targeted, config) / of_actions
    loss = token_loss / of_tokens + config.action * error
    if outputs.places is not None:
        parts["places"] = places_error(outputs.places, batch, model.resampler.latents) / of_actions
        loss = loss + config.places * parts["places"]
    return loss, parts


def next_tokens(batch: Batch) -> tuple[Int[Array, "B S"], Float[Array, "B S"]]:
    """Target and weight of each position: the following token where it belongs to the same segment, else weight 0."""
    targets = jnp.roll(batch.tokens, -1, axis=1)
    weights = jnp.roll(batch.loss_weights, -1, axis=1)
    same = jnp.roll(batch.segment_ids, -1, axis=1) == batch.segment_ids
    inside = jnp.arange(batch.tokens.shape[1]) < batch.tokens.shape[1] - 1
    return targets, weights * (same & inside)


def places_error(places: Float[Array, "B N G"], batch: Batch, latents: int) -> Float[Array, ""]:
    """`action_error` of what is read off a control step's own image, the last one before its `<state>`."""
    last = jnp.maximum(batch.readout_positions[..., 0] - 2, 0)  # <img> <state> <act:0>
    image = jnp.take_along_axis(batch.image_index, last, axis=1) // latents
    own = jnp.take_along_axis(places, jnp.maximum(image, 0)[..., None], axis=1)  # [B, M, G]
    own = own.reshape(*batch.actions.shape[:3], -1)
    return action_error(own, *action_targets(own, batch))


def action_targets(
    predicted: Float[Array, "B M W A"], batch: Batch
) -> tuple[Float[Array, "B M W A"], Bool[Array, "B M W A"]]:
    """The batch's actions and their mask, without the column that says which actions are given."""
    width = predicted.shape[-1]
    if batch.actions.shape[-1] == width:
        return batch.actions, batch.action_mask
    return batch.actions[..., :width], batch.action_mask[..., :width]


def action_error(
    predicted: Float[Array, "B M W A"], target: Float[Array, "B M W A"], mask: Bool[Array, "B M W A"]
) -> Float[Array, ""]:
    """Sum of the squared errors over the action dimensions that exist."""
    return jnp.sum(jnp.where(mask, jnp.square(predicted - target), 0.0))


def robust_error(
    predicted: Float[Array, "B M W A"], target: Float[Array, "B M W A"], mask: Bool[Array, "B M W A"], config: Config
) -> Float[Array, ""]:
    """Sum of the absolute or Huber's errors over the action dimensions that exist."""
    errors = jnp.where(mask, predicted - target, 0.0)
    return jnp.sum(jnp.abs(errors) if config.error == "l1" else optax.losses.huber_loss(errors, delta=config.huber))
