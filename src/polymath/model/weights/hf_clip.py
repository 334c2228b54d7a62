"""Hugging Face `CLIPVisionModel` and `SiglipVisionModel`."""

import numpy as np

from polymath.model import vit
from polymath.model.weights.layout import Layout
from polymath.model.weights.positions import resample_plain
from polymath.model.weights.rules import Rule, Rules, transposed


def rules(config: vit.Config) -> Rules:
    """Weight of ours -> the tensors of a `CLIPVisionModel` or `SiglipVisionModel` that it is made of, and how."""
    D, H = config.width, config.heads
    E, side = D // H, config.image_size // config.patch
    layer = "encoder.layers.{layer}."
    heads = [f"{layer}self_attn.{x}_proj." for x in "qkv"]
    return {
        "patch": Rule(("embeddings.patch_embedding.weight",), patch_from_conv),
        "patch_bias": Rule(("embeddings.patch_embedding.bias",), optional=True),
        "class_token": Rule(("embeddings.class_embedding",)),
        "positions": Rule(
            ("embeddings.position_embedding.weight",), lambda table: resample_plain(table, config.class_token, side)
        ),
        "pre_scale": Rule(("pre_layrnorm.weight",)),  # sic
        "pre_bias": Rule(("pre_layrnorm.bias",)),
        "blocks.norm1_scale": Rule((f"{layer}layer_norm1.weight",)),
        "blocks.norm1_bias": Rule((f"{layer}layer_norm1.bias",)),
        "blocks.qkv": Rule(tuple(f"{x}weight" for x in heads), lambda *qkv: np.stack(qkv).reshape(3, H, E, D)),
        "blocks.qkv_bias": Rule(tuple(f"{x}bias" for x in heads), lambda *qkv: np.stack(qkv).reshape(3, H, E)),
        "blocks.out": Rule((f"{layer}self_attn.out_proj.weight",), lambda w: w.T.reshape(H, E, D)),
        "blocks.out_bias": Rule((f"{layer}self_attn.out_proj.bias",)),
        "blocks.norm2_scale": Rule((f"{layer}layer_norm2.weight",)),
        "blocks.norm2_bias": Rule((f"{layer}layer_norm2.bias",)),
        "blocks.up": Rule((f"{layer}mlp.fc1.weight",)),
        "blocks.up_bias": Rule((f"{layer}mlp.fc1.bias",)),
        "blocks.down": Rule((f"{layer}mlp.fc2.weight",), transposed),
        "blocks.down_bias": Rule((f"{layer}mlp.fc2.bias",)),
        "post_scale": Rule(("post_layernorm.weight",)),
        "post_bias": Rule(("post_layernorm.bias",)),
    }


def patch_from_conv(kernel: np.ndarray) -> np.ndarray:
    """A convolution's [D, channel, row, column] -> [row * column * channel, D]."""
    return kernel.transpose(2, 3, 1, 0).reshape(-1, len(kernel))


PREFIXES = (
    *(
        "vision_model.",
        "",
        "vision_tower.vision_model.",
        "model.vision_tower.vision_model.",
    ),  # PaliGemma, Gemma 3
    *("vision_tower.", "model.vision_tower.", "model.vision_model.", "model.visual.", "visual."),  # of transformers 5
)
LAYOUT = Layout(
    name="a Hugging Face CLIPVisionModel",
    prefixes=PREFIXES,
    anchor="embeddings.patch_embedding.weight",
    positions="embeddings.position_embedding.weight",
    class_token="embeddings.class_embedding",
    layer=r"encoder\.layers\.(\d+)\.",
    ignored=(r"embeddings\.position_ids", r"head\..*", r"visual_projection\.weight"),
    rules=rules,
    families=("clip_vision_model", "siglip_vision_model"),
)
