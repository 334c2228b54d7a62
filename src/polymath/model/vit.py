"""Vision transformer: RGB image -> one feature vector per patch.

A patch transformer after Dosovitskiy et al. 2020 (arXiv:2010.11929), with the switches of its published descendants:
class token, layer norm before the blocks and quick GELU (CLIP), its tanh form (SigLIP), layer scale and gated layers
(DINOv2), register tokens (Darcet et al. 2023, arXiv:2309.16588), rotary positions (DINOv3, arXiv:2508.10104, section
3.2). The reference is ViT-G/14: width 1664, depth 48, MLP 8192, 16 heads of 104 (Zhai et al. 2021, arXiv:2106.04560,
table 2; CLIP ViT-bigG/14).

    uint8 [B, size, size, 3] -> normalise -> patches [B, P, patch*patch*3] -> linear + positions -> blocks -> [B, P, D]

    tokens of a block: (class) (register)xR patch patch patch …         what comes out: the patches
"""

from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax.ad_checkpoint import checkpoint_name
from jaxtyping import Array, Float, UInt8

from polymath.errors import ConfigError, DataError
from polymath.model.attention import attend
from polymath.model.execution import AFTER_ATTENTION, CONTEXT, PLAIN, PROJECTIONS, Execution
from polymath.model.layers import layer_norm, project, project_back
from polymath.model.rotary import rotate
from polymath.sharding.sharded_weight import gather_weights
from polymath.specs import Constant, Leaf, Normal, SinCosGrid, Spec, stack


@dataclass(frozen=True)
class Config:
    image_size: int
    patch: int
    width: int
    depth: int
    heads: int
    mlp: int
    class_token: bool = True
    norm_before_blocks: bool = True
    activation: Literal["gelu", "gelu_tanh", "quick_gelu", "silu"] = "gelu"
    epsilon: float = 1e-5
    final_norm: bool = True
    registers: int = 0  # tokens behind the class token that belong to no patch, and have no position
    gated: bool = False  # feed-forward layers of three matrices: down(activation(gate x) * up x)
    layer_scale: bool = False  # a learned factor for each channel of what a layer adds to the residual stream
    rotary: float | None = None  # base of rotary positions in place of the learned table, which is then absent
    position_scale: float | None = None  # of a sine-cosine start for the position embedding; None: a small normal one
    mean: tuple[float, float, float] = (0.48145466, 0.4578275, 0.40821073)  # CLIP's, of RGB in [0, 1]
    std: tuple[float, float, float] = (0.26862954, 0.26130258, 0.27577711)

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise ConfigError(f"vit.heads={self.heads}: must divide vit.width={self.width}")
        if self.registers < 0:
            raise ConfigError(f"vit.registers={self.registers}: must be 0 or more")
        if self.rotary is not None and (self.rotary <= 0 or self.width // self.heads % 4):
            raise ConfigError(
                f"vit.rotary={self.rotary}: must be above 0, with heads of a width that 4 divides, not "
                f"{self.width // self.heads} (vit.width / vit.heads)"
            )
        if self.image_size < self.patch:
            raise ConfigError(f"vit.image_size={self.image_size}: is smaller than a patch, vit.patch={self.patch}")

    @property
    def patches(self) -> int:
        """Whole patches: what is left at the right and the lower edge is not looked at, as in a strided convolution."""
        return (self.image_size // self.patch) ** 2

    @property
    def positions(self) -> int:
        """Rows of the learned table: the class token's and the patches'."""
        return self.patches + self.class_token

    @property
    def tokens(self) -> int:
        return self.patches + self.prefix

    @property
    def prefix(self) -> int:
        """Tokens before the patches."""
        return self.class_token + self.registers


@jax.tree_util.register_dataclass
@dataclass
class Block:
    """All layers' weights, stacked; in the body of the scan one layer's, without the leading L."""

    norm1_scale: Float[Leaf, "L D"]
    norm1_bias: Float[Leaf, "L D"]
    qkv: Float[Leaf, "L 3 H E D"]
    qkv_bias: Float[Leaf, "L 3 H E"]
    out: Float[Leaf, "L H E D"]
    out_bias: Float[Leaf, "L D"]
    layer_scale1: Float[Leaf, "L D"] | None
    norm2_scale: Float[Leaf, "L D"]
    norm2_bias: Float[Leaf, "L D"]
    gate: Float[Leaf, "L F D"] | None
    gate_bias: Float[Leaf, "L F"] | None
    up: Float[Leaf, "L F D"]
    up_bias: Float[Leaf, "L F"]
    down: Float[Leaf, "L F D"]
    down_bias: Float[Leaf, "L D"]
    layer_scale2: Float[Leaf, "L D"] | None


@jax.tree_util.register_dataclass
@dataclass
class Params:
    """pixels: patch * patch * 3, in the order (row, column, channel); positions: P, and one of a class token before."""

    patch: Float[Leaf, "pixels D"]
    patch_bias: Float[Leaf, " D"]
    class_token: Float[Leaf, " D"] | None
    registers: Float[Leaf, "R D"] | None
    positions: Float[Leaf, "positions D"] | None
    pre_scale: Float[Leaf, " D"] | None
    pre_bias: Float[Leaf, " D"] | None
    blocks: Block
    post_scale: Float[Leaf, " D"] | None
    post_bias: Float[Leaf, " D"] | None


def specs(config: Config) -> Params:
    """Shape, logical axes and initializer of every weight; the blocks are stacked, one leading axis of `depth`."""
    D, H, F = config.width, config.heads, config.mlp
    E, pixels = D // H, config.patch * config.patch * 3
    one, zero = Constant(1.0), Constant(0.0)
    positions = Normal(1, 0.02) if config.position_scale is None else SinCosGrid(config.position_scale)
    block = Block(
        norm1_scale=Spec((D,), (None,), one),
        norm1_bias=Spec((D,), (None,), zero),
        qkv=Spec((3, H, E, D), (None, "vision_heads", "head_width", "vision_embed"), Normal(D)),
        qkv_bias=Spec((3, H, E), (None, "vision_heads", "head_width"), zero),
        out=Spec((H, E, D), ("vision_heads", "head_width", "vision_embed"), Normal(D, (2 * config.depth) ** -0.5)),
        out_bias=Spec((D,), (None,), zero),
        layer_scale1=Spec((D,), (None,), one) if config.layer_scale else None,
        norm2_scale=Spec((D,), (None,), one),
        norm2_bias=Spec((D,), (None,), zero),
        gate=Spec((F, D), ("vision_mlp", "vision_embed"), Normal(D)) if config.gated else None,
        gate_bias=Spec((F,), ("vision_mlp",), zero) if config.gated else None,
        up=Spec((F, D), ("vision_mlp", "vision_embed"), Normal(D)),
        up_bias=Spec((F,), ("vision_mlp",), zero),
        down=Spec((F, D), ("vision_mlp", "vision_embed"), Normal(F, (2 * config.depth) ** -0.5)),
        down_bias=Spec((D,), (None,), zero),
        layer_scale2=Spec((D,), (None,), one) if config.layer_scale else None,
    )
    return Params(
        patch=Spec((pixels, D), (None, "vision_embed"), Normal(pixels)),
        patch_bias=Spec((D,), (None,), zero),
        class_token=Spec((D,), (None,), Normal(D)) if config.class_token else None,
        registers=Spec((config.registers, D), (None, "vision_embed"), Normal(D)) if config.registers else None,
        positions=Spec((config.positions, D), (None, "vision_embed"), positions) if config.rotary is None else None,
        pre_scale=Spec((D,), (None,), one) if config.norm_before_blocks else None,
        pre_bias=Spec((D,), (None,), zero) if config.norm_before_blocks else None,
        blocks=stack(block, config.depth),
        post_scale=Spec((D,), (None,), one) if config.final_norm else None,
        post_bias=Spec((D,), (None,), zero) if config.final_norm else None,
    )


def forward(
    params: Params, config: Config, images: UInt8[Array, "B size size 3"], execution: Execution = PLAIN
) -> Float[Array, "B P D"]:
    """Patch features, class token dropped, in the execution's dtype.

    Its `remat` costs nothing where the transformer is frozen: without a backward pass nothing is kept anyway. Raises
    DataError for images of another size or type.
    """
    dtype = execution.activation_dtype
    x = project_back(patchify(normalise(images, config), config).astype(dtype), params.patch.astype(dtype))
    x = x + params.patch_bias.astype(dtype)
    if params.class_token is not None:
        x = jnp.concatenate([_every(params.class_token[None], x), x], axis=1)
    if params.positions is not None:
        x = x + params.positions.astype(dtype)
    if params.registers is not None:
        first = config.class_token
        x = jnp.concatenate([x[:, :first], _every(params.registers, x), x[:, first:]], axis=1)
    if config.norm_before_blocks:
        x = layer_norm(x, params.pre_scale, params.pre_bias, config.epsilon)

    def layer(x: Float[Array, "B T D"], block: Block) -> tuple[Float[Array, "B T D"], None]:
        return forward_block(block, config, x), None

    x, _ = jax.lax.scan(execution.rematerialise(layer, params.blocks), x, params.blocks, unroll=execution.unroll)
    if config.final_norm:
        x = layer_norm(x, params.post_scale, params.post_bias, config.epsilon)
    return x[:, config.prefix :]


def forward_block(block: Block, config: Config, x: Float[Array, "B T D"]) -> Float[Array, "B T D"]:
    block = gather_weights(block, x.dtype)
    y = layer_norm(x, block.norm1_scale, block.norm1_bias, config.epsilon)
    products = tuple(project(y, weight) + bias for weight, bias in zip(block.qkv, block.qkv_bias, strict=True))
    query, key, value = checkpoint_name(products, PROJECTIONS)
    if config.rotary is not None:
        angles = jnp.asarray(rotary_angles(config))[None]
        query, key = rotate(query, angles), rotate(key, angles)
    context = checkpoint_name(attend(query, key, value, mask=None), CONTEXT)
    x = checkpoint_name(add(x, project_back(context, block.out), block.out_bias, block.layer_scale1), AFTER_ATTENTION)
    y = layer_norm(x, block.norm2_scale, block.norm2_bias, config.epsilon)
    return add(x, project_back(feed_forward(block, config, y), block.down), block.down_bias, block.layer_scale2)


def feed_forward(block: Block, config: Config, y: Float[Array, "B T D"]) -> Float[Array, "B T F"]:
    up = project(y, block.up) + block.up_bias
    if block.gate is None or block.gate_bias is None:
        return activate(up, config.activation)
    return activate(project(y, block.gate) + block.gate_bias, config.activation) * up


def add(
    x: Float[Array, "B T D"], y: Float[Array, "B T D"], bias: Float[Leaf, " D"], scale: Float[Leaf, " D"] | None
) -> Float[Array, "B T D"]:
    """What a layer adds to the residual stream: y + bias, times its layer scale if there is one."""
    return x + y + bias if scale is None else x + (y + bias) * scale


def rotary_angles(config: Config) -> Float[np.ndarray, "T half"]:
    """Radians by which each pair of channels is rotated; 0 for the tokens before the patches.

    As DINOv3 (arXiv:2508.10104, section 3.2; transformers' `DINOv3ViTRopePositionEmbedding`): the centres of the
    patches run from -1 to 1 over the picture, whatever its size. Half of the pairs turn with the row, half with the
    column, at 2 pi theta^(-4i/E) radians per unit for pair i of E/4.
    """
    side, width = config.image_size // config.patch, config.width // config.heads
    centres = 2.0 * (np.arange(0.5, side) / side) - 1.0
    turns = 2.0 * np.pi * (config.rotary or 1.0) ** -np.arange(0.0, 1.0, 4 / width)
    rows, columns = np.repeat(centres, side), np.tile(centres, side)
    patches = np.concatenate([rows[:, None] * turns, columns[:, None] * turns], axis=1)
    return np.concatenate([np.zeros((config.prefix, width // 2)), patches]).astype(np.float32)


def _every(tokens: Float[Array, "R D"], x: Float[Array, "B P D"]) -> Float[Array, "B R D"]:
    """The same tokens for every picture, in the dtype of x."""
    return jnp.broadcast_to(tokens.astype(x.dtype), (len(x), *tokens.shape))


def normalise(images: UInt8[Array, "B size size 3"], config: Config) -> Float[Array, "B size size 3"]:
    if images.shape[1:] != (config.image_size, config.image_size, 3) or images.dtype != jnp.uint8:
        size = config.image_size
        raise DataError(
            f"images: {images.dtype} {list(images.shape)}, but the vision transformer takes uint8 [B, {size}, {size}, "
            "3] RGB; resize with polymath.data.files.images.fit, drop an alpha channel, do not scale to [0, 1]"
        )
    return (images.astype(jnp.float32) / 255.0 - jnp.asarray(config.mean)) / jnp.asarray(config.std)


def patchify(images: Float[Array, "B size size 3"], config: Config) -> Float[Array, "B P pixels"]:
    """Cut into whole patches in reading order; inside a patch the order is (row, column, channel)."""
    side, patch = config.image_size // config.patch, config.patch
    x = images[:, : side * patch, : side * patch].reshape(-1, side, patch, side, patch, 3)
    return x.transpose(0, 1, 3, 2, 4, 5).reshape(-1, side * side, patch * patch * 3)


def activate(x: Float[Array, "..."], name: str) -> Float[Array, "..."]:
    """SiLU, or a GELU: exact (erf), its tanh form, or CLIP's x * sigmoid(1.702 x); the GELUs differ by under 1 %."""
    if name == "silu":
        return jax.nn.silu(x)
    if name == "quick_gelu":
        return x * jax.nn.sigmoid(1.702 * x)
    return jax.nn.gelu(x, approximate=name == "gelu_tanh")
