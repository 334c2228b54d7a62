"""timm's `VisionTransformer`, and its `Eva` as far as DINOv3 goes.

Of the first, CLIP models have `norm_pre`, SigLIP ones neither it nor a class token, DINOv2's layer scale and registers.
"""

import numpy as np

from polymath.model import vit
from polymath.model.weights.hf_clip import patch_from_conv
from polymath.model.weights.hf_dino import first_half, second_half
from polymath.model.weights.layout import Layout
from polymath.model.weights.positions import resample
from polymath.model.weights.rules import Rule, Rules, transposed

LAYER = "blocks.{layer}."


def rules(config: vit.Config) -> Rules:
    """Weight of ours -> the tensors of a timm vision transformer that it is made of, and how."""
    side = config.image_size // config.patch
    return {
        **_common(config),
        "positions": Rule(
            ("pos_embed",), lambda table: resample(_with_class(table[0], config), config.class_token, side)
        ),
        "pre_scale": Rule(("norm_pre.weight",)),
        "pre_bias": Rule(("norm_pre.bias",)),
        "blocks.qkv_bias": Rule((f"{LAYER}attn.qkv.bias",), lambda b: _heads(b, config)),
        "blocks.layer_scale1": Rule((f"{LAYER}ls1.gamma",)),
        "blocks.layer_scale2": Rule((f"{LAYER}ls2.gamma",)),
        **(_packed() if config.gated else _up("fc1")),
    }


def eva_rules(config: vit.Config) -> Rules:
    """Keys have no bias; queries and values have one in the models whose names end in qkvb."""
    gate = {"blocks.gate": Rule((f"{LAYER}mlp.fc1_g.weight",)), "blocks.gate_bias": Rule((f"{LAYER}mlp.fc1_g.bias",))}
    return {
        **_common(config),
        "blocks.qkv_bias": Rule(
            (f"{LAYER}attn.q_bias", f"{LAYER}attn.v_bias"),
            lambda q, v: _heads(np.stack([q, np.zeros_like(q), v]), config),
            optional=True,
        ),
        "blocks.layer_scale1": Rule((f"{LAYER}gamma_1",)),
        "blocks.layer_scale2": Rule((f"{LAYER}gamma_2",)),
        **({**_up("fc1_x"), **gate} if config.gated else _up("fc1")),
    }


def _common(config: vit.Config) -> Rules:
    D, H = config.width, config.heads
    E = D // H
    return {
        "patch": Rule(("patch_embed.proj.weight",), patch_from_conv),
        "patch_bias": Rule(("patch_embed.proj.bias",), optional=True),
        "class_token": Rule(("cls_token",), lambda token: token[0, 0]),
        "registers": Rule(("reg_token",), lambda tokens: tokens[0]),
        "blocks.norm1_scale": Rule((f"{LAYER}norm1.weight",)),
        "blocks.norm1_bias": Rule((f"{LAYER}norm1.bias",)),
        "blocks.qkv": Rule((f"{LAYER}attn.qkv.weight",), lambda w: w.reshape(3, H, E, D)),
        "blocks.out": Rule((f"{LAYER}attn.proj.weight",), lambda w: w.T.reshape(H, E, D)),
        "blocks.out_bias": Rule((f"{LAYER}attn.proj.bias",)),
        "blocks.norm2_scale": Rule((f"{LAYER}norm2.weight",)),
        "blocks.norm2_bias": Rule((f"{LAYER}norm2.bias",)),
        "blocks.down": Rule((f"{LAYER}mlp.fc2.weight",), transposed),
        "blocks.down_bias": Rule((f"{LAYER}mlp.fc2.bias",)),
        "post_scale": Rule(("norm.weight",)),
        "post_bias": Rule(("norm.bias",)),
    }


def _up(name: str) -> Rules:
    return {
        "blocks.up": Rule((f"{LAYER}mlp.{name}.weight",)),
        "blocks.up_bias": Rule((f"{LAYER}mlp.{name}.bias",)),
    }


def _packed() -> Rules:
    """timm's `SwiGLUPacked`: gate and up lie one after the other in one matrix."""
    weight, bias = (f"{LAYER}mlp.fc1.weight",), (f"{LAYER}mlp.fc1.bias",)
    return {
        "blocks.gate": Rule(weight, first_half),
        "blocks.gate_bias": Rule(bias, first_half),
        "blocks.up": Rule(weight, second_half),
        "blocks.up_bias": Rule(bias, second_half),
    }


def _heads(bias: np.ndarray, config: vit.Config) -> np.ndarray:
    return bias.reshape(3, config.heads, config.width // config.heads)


def _with_class(table: np.ndarray, config: vit.Config) -> np.ndarray:
    """The table with a row for the class token, which models with `no_embed_class` do not have: zeros, which add
    nothing. One more than a square number of rows is no square.
    """
    if config.class_token and table.ndim and round(len(table) ** 0.5) ** 2 == len(table):
        return np.concatenate([np.zeros_like(table[:1]), table])
    return table


PREFIXES = ("", "visual.trunk.")
LAYOUT = Layout(
    name="timm",
    prefixes=PREFIXES,
    anchor="patch_embed.proj.weight",
    positions="pos_embed",
    class_token="cls_token",
    layer=r"blocks\.(\d+)\.",
    ignored=(r"head\..*", r"fc_norm\..*", r"attn_pool\..*"),
    rules=rules,
    marker=("blocks.0.gamma_1", False),
)
EVA = Layout(
    name="timm's DINOv3",
    prefixes=PREFIXES,
    anchor="patch_embed.proj.weight",
    positions="pos_embed",
    class_token="cls_token",
    layer=r"blocks\.(\d+)\.",
    ignored=(r"head\..*", r"fc_norm\..*", r"attn_pool\..*"),
    rules=eva_rules,
    marker=("blocks.0.gamma_1", True),
)
