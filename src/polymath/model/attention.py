"""Causal attention over packed sequences, and plain attention for images.

   keys      0 1 2 | 3 4 | pad          A query sees the keys of its own segment that do not come after it.
query 0      x     |     |              Segments are documents packed into one sequence; padding has segment 0.
      1      x x   |     |
      2      x x x |     |
      3            | x   |
      4            | x x |

`packed_attention` has three paths of the same value: "reference" is `attend` below; "splash" the Pallas kernel of TPUs,
which never forms the scores and skips what the mask excludes; "cudnn" the kernel of NVIDIA GPUs. Splash wants whole
blocks: a length is padded to the next multiple of 128, and one below 128 takes the reference. cuDNN has no soft cap:
scores that are capped take the reference.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name
from jax.sharding import PartitionSpec
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float, Int

Attend = Callable[[Float[Array, "B S H E"], Float[Array, "B S K E"], Float[Array, "B S K E"]], Float[Array, "B S H E"]]
SPLASH_BLOCKS = (512, 384, 256, 128)  # tokens; with a fused backward pass 1,024 fit a v4's vector memory as well
SPLASH_LANES = SPLASH_BLOCKS[-1]  # a block is a multiple of the vector unit's 128 lanes


def device_kernel(platform: str, dtype: DTypeLike) -> Literal["splash", "cudnn", "reference"]:
    """What "auto" stands for on a platform of jax, for queries of `dtype`; cuDNN has half precision alone."""
    if platform == "tpu":
        return "splash"
    return "cudnn" if platform in ("gpu", "cuda") and jnp.dtype(dtype).itemsize == 2 else "reference"


@dataclass(frozen=True)
class Scores:
    """cap: scores s become cap * tanh(s / cap) (Gemma 2, arXiv:2408.00118, section 2); window: the last keys, itself
    included, that a query sees.
    """

    cap: float | None = None
    window: int | None = None


PLAIN = Scores()


def packed_attention(
    segment_ids: Int[Array, "B S"],
    dtype: DTypeLike,
    kernel: str,
    saved_name: str,
    heads_axis: str | None = None,
    scores: Scores = PLAIN,
) -> Attend:
    """The attention of one packed batch, by a kernel of `polymath.model.execution.Execution`; `dtype` of the queries.

    `saved_name`: what `jax.checkpoint` knows the result by. Splash names its own result and its softmax statistics, so
    that a policy which keeps them need not run the kernel again; named once more outside, the result would be kept in
    two layouts. `heads_axis`: the mesh axis that divides the heads, if one does; XLA divides the reference by itself, a
    Pallas kernel it cannot.
    """
    if kernel == "auto":
        kernel = device_kernel(jax.default_backend(), dtype)
    if kernel == "splash" and segment_ids.shape[1] >= SPLASH_LANES:
        splash = partial(splash_attention, saved_name=saved_name, scores=scores)
        if heads_axis is not None:
            return over_heads(splash, segment_ids, heads_axis)
        return partial(splash, segment_ids=segment_ids)
    mask = packed_causal_mask(segment_ids, scores.window)
    attention = cudnn_attention if kernel == "cudnn" and scores.cap is None else partial(attend, cap=scores.cap)
    return lambda query, key, value: checkpoint_name(attention(query, key, value, mask), saved_name)


def over_heads(kernel: Callable[..., Float[Array, "B S h E"]], segment_ids: Int[Array, "B S"], axis: str) -> Attend:
    """Every device of `axis` runs the kernel on its own heads."""
    heads = PartitionSpec(None, None, axis, None)

    def one_device(
        query: Float[Array, "B S h E"],
        key: Float[Array, "B S k E"],
        value: Float[Array, "B S k E"],
        segment_ids: Int[Array, "B S"],
    ) -> Float[Array, "B S h E"]:
        return kernel(query, key, value, segment_ids)

    divided = jax.shard_map(
        one_device,
        in_specs=(heads, heads, heads, PartitionSpec()),
        out_specs=heads,
        axis_names={axis},
        check_vma=False,
    )
    return lambda query, key, value: divided(query, key, value, segment_ids)


def splash_attention(
    query: Float[Array, "B S H E"],
    key: Float[Array, "B S K E"],
    value: Float[Array, "B S K E"],
    segment_ids: Int[Array, "B S"],
    saved_name: str | None = None,
    interpret: bool = False,
    scores: Scores = PLAIN,
) -> Float[Array, "B S H E"]:
    """Pallas splash attention (jax.experimental.pallas.ops.tpu), grouped queries, one fused backward kernel.

    The tokens that fill the last block come after all others, so causality hides them; their own results are cut off.
    """
    from jax.experimental.pallas.ops.tpu.splash_attention import splash_attention_kernel as splash

    length, heads, width = query.shape[1:]
    padded, block = splash_blocks(length)
    kernel = _splash_kernel(padded, heads, block, saved_name, interpret, scores)
    fill = ((0, 0), (0, padded - length))
    heads_first = [jnp.pad(x, (*fill, (0, 0), (0, 0))).transpose(0, 2, 1, 3) for x in (query * width**-0.5, key, value)]
    segment_ids = jnp.pad(segment_ids, fill)
    context = jax.vmap(kernel)(*heads_first, splash.SegmentIds(segment_ids, segment_ids))
    return context.transpose(0, 2, 1, 3)[:, :length]


def splash_blocks(length: int) -> tuple[int, int]:
    """The padded length, a multiple of 128 tokens, and the largest block of `SPLASH_BLOCKS` that divides it."""
    padded = -(-length // SPLASH_LANES) * SPLASH_LANES
    return padded, next(block for block in SPLASH_BLOCKS if padded % block == 0)


def _splash_kernel(
    length: int, heads: int, block: int, saved_name: str | None, interpret: bool, scores: Scores
) -> Callable[..., Float[Array, "H S E"]]:
    from jax.experimental.pallas.ops.tpu.splash_attention import splash_attention_kernel as splash
    from jax.experimental.pallas.ops.tpu.splash_attention import splash_attention_mask as masks

    square, window = (length, length), scores.window
    mask = masks.CausalMask(square) if window is None else masks.LocalMask(square, (window - 1, 0), offset=0)
    return splash.make_splash_mha(
        masks.MultiHeadMask([mask] * heads),
        block_sizes=splash.BlockSizes(
            block_q=block,
            block_kv=block,
            block_kv_compute=block,
            block_q_dkv=block,
            block_kv_dkv=block,
            block_kv_dkv_compute=block,
            use_fused_bwd_kernel=True,
        ),
        head_shards=1,
        q_seq_shards=1,
        residual_checkpoint_name=saved_name,
        attn_logits_soft_cap=scores.cap,
        interpret=interpret,
    )


def cudnn_attention(
    query: Float[Array, "B S H E"],
    key: Float[Array, "B S K E"],
    value: Float[Array, "B S K E"],
    mask: Bool[Array, "B S S"],
    implementation: Literal["cudnn", "xla"] = "cudnn",
) -> Float[Array, "B S H E"]:
    """cuDNN's flash attention, through `jax.nn`; half precision alone.

    The mask of the segments goes in as a bias; `is_causal` beside it lets the kernel skip what lies in the future.
    """
    return jax.nn.dot_product_attention(
        query, key, value, mask=mask[:, None], is_causal=True, implementation=implementation
    )


def packed_causal_mask(segment_ids: Int[Array, "B S"], window: int | None = None) -> Bool[Array, "B S S"]:
    """mask[b, q, k]: may query q see key k, of its last `window`? Padding sees padding, so that no row is empty."""
    length = segment_ids.shape[1]
    causal = jnp.tril(jnp.ones((length, length), bool))
    if window is not None:
        causal = causal & ~jnp.tril(causal, -window)
    return causal & (segment_ids[:, :, None] == segment_ids[:, None, :])


def attend(
    query: Float[Array, "B S H E"],
    key: Float[Array, "B T K E"],
    value: Float[Array, "B T K E"],
    mask: Bool[Array, "B S T"] | None,
    cap: float | None = None,
) -> Float[Array, "B S H E"]:
    """Scaled dot-product attention with grouped queries: H/K query heads share a key-value head. Softmax in float32.

    The queries that share a head are laid end to end, so that both products are plain batched matrix products, and the
    division by the softmax's denominator comes last, on the small result.
    """
    batch, length, heads, width = query.shape
    groups = key.shape[2]
    query = (query * width**-0.5).reshape(batch, length, groups, heads // groups, width)
    query = query.transpose(0, 2, 3, 1, 4).reshape(batch, groups, -1, width)  # [B, K, G*S, E]
    scores = jnp.einsum("BKME,BTKE->BKMT", query, key, preferred_element_type=jnp.float32)
    if cap is not None:
        scores = cap * jnp.tanh(scores / cap)
    if mask is not None:
        bias = jnp.where(mask, 0.0, jnp.finfo(jnp.float32).min)[:, None, None]
        scores = (scores.reshape(batch, groups, -1, length, key.shape[1]) + bias).reshape(scores.shape)
    weights = jnp.exp(scores - jax.lax.stop_gradient(jnp.max(scores, axis=-1, keepdims=True)))
    total = jnp.sum(weights, axis=-1, keepdims=True)
    context = jnp.einsum("BKMT,BTKE->BKME", weights.astype(value.dtype), value) / total.astype(value.dtype)
    context = context.reshape(batch, groups, -1, length, width)
    return context.transpose(0, 3, 1, 2, 4).reshape(batch, length, heads, width)
