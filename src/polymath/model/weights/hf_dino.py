"""Hugging Face `Dinov2Model`, `Dinov2WithRegistersModel` and `DINOv3ViTModel`."""

import numpy as np

from polymath.model import vit
from polymath.model.weights.hf_clip import patch_from_conv
from polymath.model.weights.layout import Layout
from polymath.model.weights.positions import resample, resample_plain
from polymath.model.weights.rules import Rule, Rules, transposed

HIDDEN = (r"embeddings\.mask_token", r"classifier\..*")


def dinov2_rules(config: vit.Config) -> Rules:
    """As transformers, tables are resized with antialiasing in models with registers, and without it in the others."""
    side = config.image_size // config.patch
    resized = resample if config.registers else resample_plain
    layer = "encoder.layer.{layer}."
    attention = [f"{layer}attention.attention.{x}." for x in ("query", "key", "value")]
    return {
        **_common(config, layer, attention),
        "patch": Rule(("embeddings.patch_embeddings.projection.weight",), patch_from_conv),
        "patch_bias": Rule(("embeddings.patch_embeddings.projection.bias",)),
        "positions": Rule(
            ("embeddings.position_embeddings",), lambda table: resized(table[0], config.class_token, side)
        ),
        **_out(config, f"{layer}attention.output.dense."),
        **(_packed(layer) if config.gated else _plain(layer, "fc1", "fc2")),
        "post_scale": Rule(("layernorm.weight",)),
        "post_bias": Rule(("layernorm.bias",)),
    }


def dinov3_rules(config: vit.Config) -> Rules:
    """Where transformers' DINOv3ViTModel keeps our weights; the query, key and value projections are apart."""
    layer = "layer.{layer}."
    gate = {f"blocks.gate{x}": Rule((f"{layer}mlp.gate_proj.{y}",)) for x, y in (("", "weight"), ("_bias", "bias"))}
    return {
        **_common(config, layer, [f"{layer}attention.{x}_proj." for x in "qkv"]),
        "patch": Rule(("embeddings.patch_embeddings.weight",), patch_from_conv),
        "patch_bias": Rule(("embeddings.patch_embeddings.bias",)),
        **_out(config, f"{layer}attention.o_proj."),
        **_plain(layer, "up_proj", "down_proj"),
        **(gate if config.gated else {}),
        "post_scale": Rule(("norm.weight",)),
        "post_bias": Rule(("norm.bias",)),
    }


def _common(config: vit.Config, layer: str, heads: list[str]) -> Rules:
    D, H = config.width, config.heads
    E = D // H
    return {
        "class_token": Rule(("embeddings.cls_token",), lambda token: token[0, 0]),
        "registers": Rule(("embeddings.register_tokens",), lambda tokens: tokens[0]),
        "blocks.norm1_scale": Rule((f"{layer}norm1.weight",)),
        "blocks.norm1_bias": Rule((f"{layer}norm1.bias",)),
        "blocks.qkv": Rule(tuple(f"{x}weight" for x in heads), lambda *qkv: np.stack(qkv).reshape(3, H, E, D)),
        "blocks.qkv_bias": Rule(
            tuple(f"{x}bias" for x in heads), lambda *qkv: np.stack(qkv).reshape(3, H, E), optional=True
        ),
        "blocks.layer_scale1": Rule((f"{layer}layer_scale1.lambda1",)),
        "blocks.norm2_scale": Rule((f"{layer}norm2.weight",)),
        "blocks.norm2_bias": Rule((f"{layer}norm2.bias",)),
        "blocks.layer_scale2": Rule((f"{layer}layer_scale2.lambda1",)),
    }


def _out(config: vit.Config, name: str) -> Rules:
    D, H = config.width, config.heads
    return {
        "blocks.out": Rule((f"{name}weight",), lambda w: w.T.reshape(H, D // H, D)),
        "blocks.out_bias": Rule((f"{name}bias",)),
    }


def _plain(layer: str, up: str, down: str) -> Rules:
    return {
        "blocks.up": Rule((f"{layer}mlp.{up}.weight",)),
        "blocks.up_bias": Rule((f"{layer}mlp.{up}.bias",)),
        "blocks.down": Rule((f"{layer}mlp.{down}.weight",), transposed),
        "blocks.down_bias": Rule((f"{layer}mlp.{down}.bias",)),
    }


def _packed(layer: str) -> Rules:
    """DINOv2's SwiGLU: gate and up lie one after the other in one matrix."""
    both = f"{layer}mlp.weights_in."
    return {
        "blocks.gate": Rule((f"{both}weight",), first_half),
        "blocks.gate_bias": Rule((f"{both}bias",), first_half),
        "blocks.up": Rule((f"{both}weight",), second_half),
        "blocks.up_bias": Rule((f"{both}bias",), second_half),
        "blocks.down": Rule((f"{layer}mlp.weights_out.weight",), transposed),
        "blocks.down_bias": Rule((f"{layer}mlp.weights_out.bias",)),
    }


def first_half(rows: np.ndarray) -> np.ndarray:
    return rows[: len(rows) // 2]


def second_half(rows: np.ndarray) -> np.ndarray:
    return rows[len(rows) // 2 :]


DINOV2 = Layout(
    name="a Hugging Face Dinov2Model",
    prefixes=("", "dinov2.", "dinov2_with_registers.", "vision_tower.", "model.vision_tower."),
    anchor="embeddings.patch_embeddings.projection.weight",
    positions="embeddings.position_embeddings",
    class_token="embeddings.cls_token",
    layer=r"encoder\.layer\.(\d+)\.",
    ignored=HIDDEN,
    rules=dinov2_rules,
    families=("dinov2", "dinov2_with_registers"),
)
DINOV3 = Layout(
    name="a Hugging Face DINOv3ViTModel",
    prefixes=("", "dinov3_vit.", "vision_tower.", "model.vision_tower."),
    anchor="embeddings.patch_embeddings.weight",
    positions="",
    class_token="embeddings.cls_token",
    layer=r"layer\.(\d+)\.",
    ignored=HIDDEN,
    rules=dinov3_rules,
    families=("dinov3_vit",),
)
