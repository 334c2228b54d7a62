"""Decoder-only transformer: RMSNorm, rotary positions, grouped-query attention with QK-norm, modified SwiGLU.

The modified SwiGLU of this project is the gated feed-forward layer of Shazeer 2020 (arXiv:2002.05202, eq. 6) with
  * no biases,
  * a hidden width of 2/3 * 4D rounded up to a multiple of the hardware (Touvron et al. 2023, arXiv:2302.13971,
    section 2.2),
  * the gate Swish_β(x) = x * sigmoid(β x) (Ramachandran et al. 2017, arXiv:1710.05941) with one learned β a layer,
    1 at the start,
  * an optional clamp of both the gate and the linear part (off by default; OpenAI's gpt-oss clamps at 7).

QK-norm: RMSNorm over each query and key head before the rotation (Dehghani et al. 2023, arXiv:2302.05442, section 2).

A decoder of the LLaMA family is this one with `qk_norm=False, learned_beta=False, scale_embedding=False` (and mostly
`tied=False`).
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Int

from polymath.errors import ConfigError
from polymath.model import rotary
from polymath.model.attention import Attend, packed_attention
from polymath.model.execution import AFTER_ATTENTION, CONTEXT, PROJECTIONS, Execution
from polymath.model.layers import project, project_back, rms_norm
from polymath.sharding.products import gather_for_products
from polymath.sharding.vocabulary import look_up
from polymath.specs import Constant, Leaf, Normal, Spec, stack


@dataclass(frozen=True)
class Config:
    """context: the longest sequence that the model was trained for, scaling of the rotation included, in tokens."""

    vocabulary: int
    width: int
    depth: int
    heads: int
    kv_heads: int
    head_width: int
    mlp: int
    rope_theta: float = 10_000.0
    epsilon: float = 1e-6
    qk_norm: bool = True
    gate_clamp: float | None = None
    rope_scaling: rotary.Scaling | None = None
    context: int = 4096
    learned_beta: bool = True
    scale_embedding: bool = True
    tied: bool = True

    def __post_init__(self) -> None:
        if isinstance(self.rope_scaling, rotary.Yarn) and self.rope_theta <= 1:
            raise ConfigError(
                f"decoder.rope_theta={self.rope_theta}: YaRN divides by its logarithm; set it above 1, 10000 is usual"
            )


@jax.tree_util.register_dataclass
@dataclass
class Block:
    """All layers' weights, stacked; in the body of the scan one layer's, without the leading L."""

    attention_norm: Float[Leaf, "L D"]
    query: Float[Leaf, "L H E D"]
    key_value: Float[Leaf, "L 2 K E D"]
    query_norm: Float[Leaf, "L E"] | None
    key_norm: Float[Leaf, "L E"] | None
    out: Float[Leaf, "L H E D"]
    mlp_norm: Float[Leaf, "L D"]
    gate: Float[Leaf, "L F D"]
    up: Float[Leaf, "L F D"]
    down: Float[Leaf, "L F D"]
    beta: Float[Leaf, " L"] | None


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
    one, depth_scale = Constant(1.0), (2 * config.depth) ** -0.5
    block = Block(
        attention_norm=Spec((D,), (None,), one),
        query=Spec((H, E, D), ("heads", "head_width", "embed"), Normal(D)),
        key_value=Spec((2, K, E, D), (None, "kv_heads", "head_width", "embed"), Normal(D)),
        query_norm=Spec((E,), (None,), one) if config.qk_norm else None,
        key_norm=Spec((E,), (None,), one) if config.qk_norm else None,
        out=Spec((H, E, D), ("heads", "head_width", "embed"), Normal(H * E, depth_scale)),
        mlp_norm=Spec((D,), (None,), one),
        gate=Spec((F, D), ("mlp", "embed"), Normal(D)),
        up=Spec((F, D), ("mlp", "embed"), Normal(D)),
        down=Spec((F, D), ("mlp", "embed"), Normal(F, depth_scale)),
        beta=Spec((), (), one) if config.learned_beta else None,
    )
    return Params(
        embedding=Spec((V, D), ("vocab", "embed"), Normal(D)),
        blocks=stack(block, config.depth),
        norm=Spec((D,), (None,), one),
        output=None if config.tied else Spec((V, D), ("vocab", "embed"), Normal(D)),
    )


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
    attend = packed_attention(segment_ids, x.dtype, execution.attention, CONTEXT, execution.heads)

    def layer(x: Float[Array, "B S D"], block: Block) -> tuple[Float[Array, "B S D"], None]:
        return execution.place_residual(forward_block(block, config, x, angles, attend)), None

    x = execution.place_residual(x)
    x, _ = jax.lax.scan(execution.rematerialise(layer, params.blocks), x, params.blocks, unroll=execution.unroll)
    return rms_norm(x, params.norm, config.epsilon)


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
    y = rms_norm(x, block.attention_norm, config.epsilon)
    products = project(y, block.query), project(y, block.key_value[0]), project(y, block.key_value[1])
    query, key, value = checkpoint_name(products, PROJECTIONS)
    if config.qk_norm:
        query = rms_norm(query, block.query_norm, config.epsilon)
        key = rms_norm(key, block.key_norm, config.epsilon)
    length = rotary.magnitude(config.rope_scaling)
    return rotary.rotate(query, angles, length), rotary.rotate(key, angles, length), value


def after_attention(
    block: Block, config: Config, x: Float[Array, "B S D"], context: Float[Array, "B S H E"]
) -> Float[Array, "B S D"]:
    x = checkpoint_name(x + project_back(context, block.out), AFTER_ATTENTION)
    return x + swiglu(block, config, rms_norm(x, block.mlp_norm, config.epsilon))


def rotary_angles(config: Config, positions: Int[Array, "B S"]) -> Float[Array, "B S half"]:
    return rotary.angles(positions, rotary.frequencies(config.head_width, config.rope_theta, config.rope_scaling))


def check_length(config: Config, length: int) -> None:
    """Raise ConfigError if `length` tokens are more than the model was trained for."""
    if length > config.context:
        raise ConfigError(
            f"sequence of {length} tokens: the decoder was trained for {config.context} (decoder.context); shorten "
            "layout.length, or set decoder.rope_scaling and raise decoder.context"
        )


def swiglu(block: Block, config: Config, x: Float[Array, "B S D"]) -> Float[Array, "B S D"]:
    """down(Swish_β(gate x) * (up x))."""
    gate, up = project(x, block.gate), project(x, block.up)
    if config.gate_clamp is not None:
        gate, up = jnp.minimum(gate, config.gate_clamp), jnp.clip(up, -config.gate_clamp, config.gate_clamp)
    steep = gate if block.beta is None else block.beta * gate
    return project_back(gate * jax.nn.sigmoid(steep) * up, block.down)


def logits(params: Params, hidden: Float[Array, "... D"], entries: range | None = None) -> Float[Array, "... V"]:
    """Scores of the next token, float32; of these entries of the vocabulary only, if `entries` is given."""
    matrix = params.embedding if params.output is None else params.output
    if entries is not None:
        matrix = matrix[entries.start : entries.stop]
    return jnp.einsum("...D,VD->...V", hidden, matrix.astype(hidden.dtype), preferred_element_type=jnp.float32)
