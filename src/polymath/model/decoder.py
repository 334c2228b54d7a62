"""Decoder-only transformer: RMSNorm, rotary positions, grouped-query attention with QK-norm, modified SwiGLU.

The modified SwiGLU of this project is the gated feed-forward layer of Shazeer 2020 (arXiv:2002.05202, eq. 6) with
  * no biases,
  * a hidden width of 2/3 * 4D rounded up to a multiple of the hardware (Touvron et al. 2023, arXiv:2302.13971,
    section 2.2),
  * the gate Swish_β(x) = x * sigmoid(β x) (Ramachandran et al. 2017, arXiv:1710.05941) with one learned β a layer,
    1 at the start,
  * an optional clamp of both the gate and the linear part (off by default; OpenAI's gpt-oss clamps at 7).

QK-norm: RMSNorm over each query and key head before the rotation (Dehghani et al. 2023, arXiv:2302.05442, section 2).

A public language model is this one with other settings: `polymath.model.decoder_config`.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Int

from polymath.errors import ConfigError
from polymath.model import rotary
from polymath.model.attention import Attend, Scores, packed_attention
from polymath.model.decoder_config import Config as Config
from polymath.model.execution import AFTER_ATTENTION, CONTEXT, PROJECTIONS, Execution
from polymath.model.layer_kinds import KINDS, LayerKinds, angles_of, attention_of, layer_kinds
from polymath.model.layers import project, project_back, rms_norm
from polymath.sharding.products import gather_for_products
from polymath.sharding.vocabulary import look_up
from polymath.specs import Constant, Leaf, Normal, Spec, stack


@jax.tree_util.register_dataclass
@dataclass
class Block:
    """All layers' weights, stacked; in the body of the scan one layer's, without the leading L."""

    attention_norm: Float[Leaf, "L D"] | None
    query: Float[Leaf, "L H E D"]
    key_value: Float[Leaf, "L 2 K E D"]
    query_norm: Float[Leaf, "L E"] | Float[Leaf, "L H*E"] | None
    key_norm: Float[Leaf, "L E"] | Float[Leaf, "L K*E"] | None
    out: Float[Leaf, "L H E D"]
    mlp_norm: Float[Leaf, "L D"] | None
    gate: Float[Leaf, "L F D"]
    up: Float[Leaf, "L F D"]
    down: Float[Leaf, "L F D"]
    beta: Float[Leaf, " L"] | None
    query_bias: Float[Leaf, "L H E"] | None
    key_value_bias: Float[Leaf, "L 2 K E"] | None
    attention_out_norm: Float[Leaf, "L D"] | None
    mlp_out_norm: Float[Leaf, "L D"] | None


Layer = tuple[Block, LayerKinds | None]


@jax.tree_util.register_dataclass
@dataclass
class Params:
    embedding: Float[Leaf, "V D"]
    blocks: Block
    norm: Float[Leaf, " D"]
    output: Float[Leaf, "V D"] | None  # the logits' matrix; None: that of the embeddings


def specs(config: Config) -> Params:
    """Shape, logical axes and initializer of every weight; the blocks are stacked, one leading axis of `depth`."""
    D, H, K, E, F, V = config.width, config.heads, config.kv_heads, config.head_width, config.mlp, config.vocabulary
    one, zero, depth_scale = Constant(1.0), Constant(0.0), (2 * config.depth) ** -0.5
    norm, before, after = Spec((D,), (None,), Constant(1.0 - config.norm_offset)), *_norm_places(config)
    of_query, of_key = (H * E, K * E) if config.qk_norm_over == "all heads" else (E, E)
    block = Block(
        attention_norm=norm if before else None,
        query=Spec((H, E, D), ("heads", "head_width", "embed"), Normal(D)),
        key_value=Spec((2, K, E, D), (None, "kv_heads", "head_width", "embed"), Normal(D)),
        query_norm=Spec((of_query,), (None,), norm.init) if config.qk_norm else None,
        key_norm=Spec((of_key,), (None,), norm.init) if config.qk_norm else None,
        out=Spec((H, E, D), ("heads", "head_width", "embed"), Normal(H * E, depth_scale)),
        mlp_norm=norm if before else None,
        gate=Spec((F, D), ("mlp", "embed"), Normal(D)),
        up=Spec((F, D), ("mlp", "embed"), Normal(D)),
        down=Spec((F, D), ("mlp", "embed"), Normal(F, depth_scale)),
        beta=Spec((), (), one) if config.learned_beta else None,
        query_bias=Spec((H, E), ("heads", "head_width"), zero) if config.qkv_bias else None,
        key_value_bias=Spec((2, K, E), (None, "kv_heads", "head_width"), zero) if config.qkv_bias else None,
        attention_out_norm=norm if after else None,
        mlp_out_norm=norm if after else None,
    )
    return Params(
        embedding=Spec((V, D), ("vocab", "embed"), Normal(D)),
        blocks=stack(block, config.depth),
        norm=norm,
        output=None if config.tied else Spec((V, D), ("vocab", "embed"), Normal(D)),
    )


def _norm_places(config: Config) -> tuple[bool, bool]:
    """Whether the residual branches are normalised before and after."""
    return config.norms in ("before", "both"), config.norms in ("after", "both")


def embed(
    params: Params, config: Config, tokens: Int[Array, "B S"], dtype: DTypeLike = jnp.float32
) -> Float[Array, "B S D"]:
    """Token embeddings, by default scaled by sqrt(D), so that the tied matrix can be small enough for the logits."""
    x = look_up(params.embedding, tokens, dtype)
    return x * jnp.asarray(config.width**0.5, dtype) if config.scale_embedding else x


def forward(
    params: Params,
    config: Config,
    x: Float[Array, "B S D"],
    positions: Int[Array, "B S"],
    segment_ids: Int[Array, "B S"],
    execution: Execution,
) -> Float[Array, "B S D"]:
    """Normalised hidden states of packed sequences; every token sees the earlier tokens of its own segment.

    Raises ConfigError for a sequence longer than the trained context.
    """
    check_length(config, x.shape[1])
    angles = rotary_angles(config, positions)
    full, sliding = _attentions(config, segment_ids, x.dtype, execution)

    def layer(x: Float[Array, "B S D"], layer: Layer) -> tuple[Float[Array, "B S D"], None]:
        block, kind = layer
        attend = attention_of(kind, full, sliding, CONTEXT)
        return execution.place_residual(forward_block(block, config, x, angles_of(kind, angles), attend)), None

    x, layers = execution.place_residual(x), (params.blocks, layer_kinds(config.layers))
    x, _ = jax.lax.scan(execution.rematerialise(layer, params.blocks), x, layers, unroll=execution.unroll)
    return normalised(x, params.norm, config)


def _attentions(
    config: Config, segment_ids: Int[Array, "B S"], dtype: DTypeLike, execution: Execution
) -> tuple[Attend, Attend | None]:
    """Of full layers, and of sliding ones where there are some whose window is shorter than the sequence."""
    kernel, heads, cap = execution.attention, execution.heads, config.attention_cap
    full = packed_attention(segment_ids, dtype, kernel, CONTEXT, heads, Scores(cap))
    if "sliding" not in config.layers or config.window is None or config.window >= segment_ids.shape[1]:
        return full, None
    return full, packed_attention(segment_ids, dtype, kernel, CONTEXT, heads, Scores(cap, config.window))


def forward_block(
    block: Block,
    config: Config,
    x: Float[Array, "B S D"],
    angles: Float[Array, "B S half"],
    attend: Attend,
) -> Float[Array, "B S D"]:
    block = gather_for_products(block, x.dtype)
    query, key, value = attention_inputs(block, config, x, angles)
    return after_attention(block, config, x, attend(query, key, value))


def attention_inputs(
    block: Block, config: Config, x: Float[Array, "B S D"], angles: Float[Array, "B S half"]
) -> tuple[Float[Array, "B S H E"], Float[Array, "B S K E"], Float[Array, "B S K E"]]:
    """Rotated queries, rotated keys, values.

    What a policy of rematerialisation may keep are the products themselves, which QK-norm's backward pass reads: of
    the rotated vectors alone it would have to compute the products again.
    """
    y = normalised(x, block.attention_norm, config)
    products = project(y, block.query), project(y, block.key_value[0]), project(y, block.key_value[1])
    query, key, value = checkpoint_name(products, PROJECTIONS)
    if block.key_value_bias is not None:
        of_key, of_value = block.key_value_bias
        query, key, value = query + block.query_bias, key + of_key, value + of_value
    query, key = heads_normalised(query, block.query_norm, config), heads_normalised(key, block.key_norm, config)
    if config.query_scale is not None:
        query = query * (config.query_scale * config.head_width**0.5)  # the attention divides by this root
    length = rotary.magnitude(config.rope_scaling)
    query, key = (rotary.rotate(x, angles, length, config.rotary_width) for x in (query, key))
    return query, key, value


def after_attention(
    block: Block, config: Config, x: Float[Array, "B S D"], context: Float[Array, "B S H E"]
) -> Float[Array, "B S D"]:
    update = normalised(project_back(context, block.out), block.attention_out_norm, config)
    x = checkpoint_name(x + update, AFTER_ATTENTION)
    update = feed_forward(block, config, normalised(x, block.mlp_norm, config))
    return x + normalised(update, block.mlp_out_norm, config)


def normalised(x: Float[Array, "... D"], scale: Float[Leaf, " D"] | None, config: Config) -> Float[Array, "... D"]:
    """RMSNorm where the model has one, which a scale shows."""
    if scale is None:
        return x
    return rms_norm(x, scale.astype(jnp.float32) + config.norm_offset if config.norm_offset else scale, config.epsilon)


def heads_normalised(x: Float[Array, "B S H E"], scale: Leaf | None, config: Config) -> Float[Array, "B S H E"]:
    """QK-norm, head by head or over the channels of all heads at once."""
    if config.qk_norm_over == "head":
        return normalised(x, scale, config)
    return normalised(x.reshape(*x.shape[:2], -1), scale, config).reshape(x.shape)


def rotary_angles(config: Config, positions: Int[Array, "B S"]) -> Float[Array, "... half"]:
    """[B, S, half], or [kind, B, S, half] in the order of `layer_kinds.KINDS` where layers differ."""
    width = config.rotary_width or config.head_width
    model = rotary.frequencies(width, config.rope_theta, config.rope_scaling)
    if not config.layers:
        return rotary.angles(positions, model)
    base = config.sliding_rope_theta
    sliding = model if base is None else rotary.frequencies(width, base)
    of_kind = {"full": model, "sliding": sliding, "unrotated": 0 * model}
    return jnp.stack([rotary.angles(positions, of_kind[kind]) for kind in KINDS])


def check_length(config: Config, length: int) -> None:
    """Raise ConfigError if `length` tokens are more than the model was trained for."""
    if length > config.context:
        raise ConfigError(
            f"sequence of {length} tokens: the decoder was trained for {config.context} (decoder.context); shorten "
            "layout.length, or set decoder.rope_scaling and raise decoder.context"
        )


def feed_forward(block: Block, config: Config, x: Float[Array, "B S D"]) -> Float[Array, "B S D"]:
    """down(Swish_β(gate x) * (up x)), or with GELU (its tanh form) in place of Swish_β."""
    gate, up = project(x, block.gate), project(x, block.up)
    if config.gate_clamp is not None:
        gate, up = jnp.minimum(gate, config.gate_clamp), jnp.clip(up, -config.gate_clamp, config.gate_clamp)
    if config.activation == "gelu":
        return project_back(jax.nn.gelu(gate, approximate=True) * up, block.down)
    steep = gate if block.beta is None else block.beta * gate
    return project_back(gate * jax.nn.sigmoid(steep) * up, block.down)


def logits(
    params: Params, config: Config, hidden: Float[Array, "... D"], entries: range | None = None
) -> Float[Array, "... V"]:
    """Scores of the next token, float32; of these entries of the vocabulary only, if `entries` is given."""
    matrix = params.embedding if params.output is None else params.output
    if entries is not None:
        matrix = matrix[entries.start : entries.stop]
    scores = jnp.einsum("...D,VD->...V", hidden, matrix.astype(hidden.dtype), preferred_element_type=jnp.float32)
    return scores if config.logit_cap is None else config.logit_cap * jnp.tanh(scores / config.logit_cap)
