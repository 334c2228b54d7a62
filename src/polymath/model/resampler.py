"""Perceiver resampler: any number of patch features -> a fixed number of latents per image.

After Flamingo (Alayrac et al. 2022, arXiv:2204.14198, section 3.1 and appendix A.1.1): learned latents attend to the
media features and to themselves (keys and values are the concatenation of both), then pass a feed-forward layer,
`depth` times.

    patches [B, P, D] ──┐ keys, values
    latents [Q, D] ─────┴─► attention ─► + ─► feed-forward ─► + ─► … ─► norm ─► [B, Q, D]
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from polymath.model.attention import attend
from polymath.model.execution import PLAIN, Execution
from polymath.model.layers import layer_norm, project, project_back
from polymath.sharding.sharded_weight import gather_weights
from polymath.specs import Constant, Leaf, Normal, Spec, stack


@dataclass(frozen=True)
class Config:
    width: int  # that of the vision features
    latents: int
    depth: int
    heads: int
    head_width: int
    mlp: int
    epsilon: float = 1e-5
    frames: int | None = None  # of a clip that is looked at as one; each then has a learned embedding of its time


@jax.tree_util.register_dataclass
@dataclass
class Block:
    """All layers' weights, stacked; in the body of the scan one layer's, without the leading L."""

    media_scale: Float[Leaf, "L D"]
    media_bias: Float[Leaf, "L D"]
    latent_scale: Float[Leaf, "L D"]
    latent_bias: Float[Leaf, "L D"]
    query: Float[Leaf, "L H E D"]
    key_value: Float[Leaf, "L 2 H E D"]
    out: Float[Leaf, "L H E D"]
    mlp_scale: Float[Leaf, "L D"]
    mlp_bias: Float[Leaf, "L D"]
    up: Float[Leaf, "L F D"]
    down: Float[Leaf, "L F D"]


@jax.tree_util.register_dataclass
@dataclass
class Params:
    latents: Float[Leaf, "Q D"]
    frame_embedding: Float[Leaf, "frames D"] | None
    blocks: Block
    scale: Float[Leaf, " D"]
    bias: Float[Leaf, " D"]


def specs(config: Config) -> Params:
    """Shape, logical axes and initializer of every weight; the blocks are stacked, one leading axis of `depth`."""
    D, H, E, F = config.width, config.heads, config.head_width, config.mlp
    one, zero = Constant(1.0), Constant(0.0)
    block = Block(
        media_scale=Spec((D,), (None,), one),
        media_bias=Spec((D,), (None,), zero),
        latent_scale=Spec((D,), (None,), one),
        latent_bias=Spec((D,), (None,), zero),
        query=Spec((H, E, D), ("resampler_heads", "head_width", "vision_embed"), Normal(D)),
        key_value=Spec((2, H, E, D), (None, "resampler_heads", "head_width", "vision_embed"), Normal(D)),
        out=Spec(
            (H, E, D), ("resampler_heads", "head_width", "vision_embed"), Normal(H * E, (2 * config.depth) ** -0.5)
        ),
        mlp_scale=Spec((D,), (None,), one),
        mlp_bias=Spec((D,), (None,), zero),
        up=Spec((F, D), ("resampler_mlp", "vision_embed"), Normal(D)),
        down=Spec((F, D), ("resampler_mlp", "vision_embed"), Normal(F, (2 * config.depth) ** -0.5)),
    )
    return Params(
        latents=Spec((config.latents, D), (None, "vision_embed"), Normal(1)),
        frame_embedding=Spec((config.frames, D), (None, "vision_embed"), Normal(1)) if config.frames else None,
        blocks=stack(block, config.depth),
        scale=Spec((D,), (None,), one),
        bias=Spec((D,), (None,), zero),
    )


def forward(
    params: Params, config: Config, media: Float[Array, "B P D"], execution: Execution = PLAIN
) -> Float[Array, "B Q D"]:
    """`media`: the patches of one picture, or those of `config.frames` frames one after the other."""
    media = _with_time(params, media)
    start = params.latents.astype(media.dtype)
    latents = jnp.broadcast_to(start, (len(media), *start.shape))

    def step(latents: Float[Array, "B Q D"], block: Block) -> tuple[Float[Array, "B Q D"], None]:
        return forward_block(block, config, latents, media), None

    step = execution.rematerialise(step, params.blocks)
    latents, _ = jax.lax.scan(step, latents, params.blocks, unroll=execution.unroll)
    return layer_norm(latents, params.scale, params.bias, config.epsilon)


def forward_block(
    block: Block, config: Config, latents: Float[Array, "B Q D"], media: Float[Array, "B P D"]
) -> Float[Array, "B Q D"]:
    block = gather_weights(block, latents.dtype)
    x = layer_norm(latents, block.latent_scale, block.latent_bias, config.epsilon)
    media = layer_norm(media, block.media_scale, block.media_bias, config.epsilon)
    both = jnp.concatenate([media, x], axis=1)
    query, key, value = project(x, block.query), project(both, block.key_value[0]), project(both, block.key_value[1])
    latents = latents + project_back(attend(query, key, value, mask=None), block.out)
    x = layer_norm(latents, block.mlp_scale, block.mlp_bias, config.epsilon)
    return latents + project_back(jax.nn.gelu(project(x, block.up), approximate=False), block.down)


def attention_to_media(params: Params, config: Config, media: Float[Array, "B P D"]) -> Float[Array, "B Q P"]:
    """Where each latent of the last layer looks: its weights over the patches, mean of the heads, summing to 1."""
    media = _with_time(params, media)
    *before, last = [jax.tree.map(lambda weight, i=i: weight[i], params.blocks) for i in range(config.depth)]
    latents = jnp.broadcast_to(params.latents.astype(media.dtype), (len(media), *params.latents.shape))
    for block in before:
        latents = forward_block(block, config, latents, media)
    query = project(layer_norm(latents, last.latent_scale, last.latent_bias, config.epsilon), last.query)
    key = project(layer_norm(media, last.media_scale, last.media_bias, config.epsilon), last.key_value[0])
    scores = jnp.einsum("BQHE,BPHE->BHQP", query, key) * config.head_width**-0.5
    return jnp.mean(jax.nn.softmax(scores, axis=-1), axis=1)


def _with_time(params: Params, media: Float[Array, "B P D"]) -> Float[Array, "B P D"]:
    """Each frame's patches with the embedding of its time."""
    if params.frame_embedding is None:
        return media
    times = params.frame_embedding.astype(media.dtype)
    return (media.reshape(len(media), len(times), -1, media.shape[-1]) + times[:, None]).reshape(media.shape)
