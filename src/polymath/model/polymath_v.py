"""Polymath-V: the whole model from its four components.

images ─► ViT ─► resampler ─► projection ─► latents at <img> ┐
proprioception ─► state encoder ──────────► vector at <state> ├─► decoder ─► hidden ─┬─► logits (tied embedding)
tokens ─► embedding ──────────────────────► everywhere else  ┤                      └─► action head at <act:i>
committed actions ─► linear map ──────────► added at <act:i> ┘                          (with `robot.committed` only)
"""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, UInt8

from polymath.model import action_head, decoder, lora, resampler, vit
from polymath.model.execution import PLAIN, Execution
from polymath.model.layers import project, project_back
from polymath.specs import Constant, Leaf, Normal, Spec
from polymath.types import Batch


@dataclass(frozen=True)
class Config:
    vit: vit.Config
    resampler: resampler.Config
    decoder: decoder.Config
    action_head: action_head.Config
    state_dim: int
    localizer: int = 0  # numbers read off each image's latents by a linear map, for `losses.Config.places`
    committed: bool = (
        False  # whether the first actions of a chunk can be given; a recipe sets it from `robot.committed`
    )
    adapters: lora.Config | None = None


@jax.tree_util.register_dataclass
@dataclass
class Params:
    vit: vit.Params
    resampler: resampler.Params
    projection: Float[Leaf, "D_vision D"]
    state: Float[Leaf, "state_dim D"]
    state_bias: Float[Leaf, " D"]
    decoder: decoder.Params
    action_head: action_head.Params
    localizer: Float[Leaf, "localizer Q*D_vision"] | None
    committed: Float[Leaf, "A+1 D"] | None


class Outputs(NamedTuple):
    hidden: Float[Array, "B S D"]
    actions: Float[Array, "B M W A"]
    places: Float[Array, "B N localizer"] | None


def specs(config: Config) -> Params:
    """Shape, logical axes and initializer of every weight of the model, part by part."""
    D, D_vision = config.decoder.width, config.resampler.width
    plain = Params(
        vit=vit.specs(config.vit),
        resampler=resampler.specs(config.resampler),
        projection=Spec((D_vision, D), ("vision_embed", "embed"), Normal(D_vision)),
        state=Spec((config.state_dim, D), (None, "embed"), Normal(config.state_dim)),
        state_bias=Spec((D,), (None,), Constant(0.0)),
        decoder=decoder.specs(config.decoder),
        action_head=action_head.specs(config.action_head),
        localizer=_localizer(config) if config.localizer else None,
        committed=Spec((config.action_head.action_dim + 1, D), (None, "embed"), Constant(0.0))
        if config.committed
        else None,
    )
    return plain if config.adapters is None else lora.specs(plain, config.adapters)


def _localizer(config: Config) -> Spec:
    size = config.resampler.latents * config.resampler.width
    return Spec((config.localizer, size), (None, None), Normal(size))


def forward(params: Params, config: Config, batch: Batch, execution: Execution) -> Outputs:
    """Hidden states of every token and the predicted (normalised) action chunk of every control-step slot."""
    latents = resampled(params, config, batch.images, execution)
    x = embed_with(params, config, batch, latents)
    hidden = decoder.forward(params.decoder, config.decoder, x, batch.positions, batch.segment_ids, execution)
    readouts = jax.vmap(lambda h, index: h[index])(hidden, batch.readout_positions)
    places = None if params.localizer is None else localise(params.localizer, latents)
    return Outputs(hidden, action_head.forward(params.action_head, readouts), places)


def resampled(
    params: Params, config: Config, images: UInt8[Array, "*B size size 3"], execution: Execution = PLAIN
) -> Float[Array, "*B Q D_vision"]:
    """The resampler's latents of each image."""
    flat = images.reshape(-1, *images.shape[-3:])
    features = vit.forward(params.vit, config.vit, flat, execution)
    latents = resampler.forward(params.resampler, config.resampler, features, execution)
    return latents.reshape(*images.shape[:-3], *latents.shape[1:])


def localise(
    localizer: Float[Leaf, "localizer Q*D_vision"], latents: Float[Array, "B N Q D_vision"]
) -> Float[Array, "B N localizer"]:
    """Numbers read off each image's latents by one linear map."""
    return project(latents.reshape(*latents.shape[:2], -1).astype(jnp.float32), localizer)


def latent_attention(params: Params, config: Config, images: UInt8[Array, "B size size 3"]) -> Float[Array, "B Q P"]:
    """Where each latent looks in each picture, over the patches in reading order; for pictures, not for training."""
    return resampler.attention_to_media(params.resampler, config.resampler, vit.forward(params.vit, config.vit, images))


def embed_sequence(params: Params, config: Config, batch: Batch, execution: Execution = PLAIN) -> Float[Array, "B S D"]:
    """Token embeddings, with latents at `<img>` positions and encoded proprioception at `<state>` positions."""
    return embed_with(params, config, batch, resampled(params, config, batch.images, execution))


def embed_with(
    params: Params, config: Config, batch: Batch, latents: Float[Array, "B N Q D_vision"]
) -> Float[Array, "B S D"]:
    """As `embed_sequence`, with latents that were computed before; the batch's own images are not looked at."""
    dtype = latents.dtype
    x = decoder.embed(params.decoder, config.decoder, batch.tokens, dtype)
    latents = project_back(latents, params.projection.astype(dtype))  # [B, N, Q, D]
    latents = latents.reshape(len(x), -1, latents.shape[-1])
    states = project_back(batch.states.astype(dtype), params.state.astype(dtype)) + params.state_bias.astype(dtype)
    x = _place(x, latents, batch.image_index)
    x = _place(x, states, batch.state_index)
    return x if params.committed is None else _commit(x, params.committed, batch)


def _commit(x: Float[Array, "B S D"], weight: Leaf, batch: Batch) -> Float[Array, "B S D"]:
    """x with the embedded committed actions added at their `<act>` positions; what is not given adds zeros."""
    given = batch.actions[..., -1:] * batch.actions  # [B, M, W, A + 1]
    vectors = project_back(given.astype(x.dtype), weight.astype(x.dtype)).reshape(len(x), -1, x.shape[-1])
    places = batch.readout_positions.reshape(len(x), -1)
    return jax.vmap(lambda row, places, vectors: row.at[places].add(vectors))(x, places, vectors)


def _place(x: Float[Array, "B S D"], vectors: Float[Array, "B I D"], index: Int[Array, "B S"]) -> Float[Array, "B S D"]:
    """x with vectors[b, index[b, s]] at every position s where index[b, s] >= 0."""
    placed = jnp.take_along_axis(vectors, jnp.maximum(index, 0)[..., None], axis=1)
    return jnp.where(index[..., None] >= 0, placed, x)
