"""big_vision's .npz: flax names and axes (a kernel is [in, out], heads are axes of their own).

The layers stand one by one (`encoderblock_3`) or stacked (`encoderblock`, from a scanned model).
"""

import numpy as np

from polymath.model import vit
from polymath.model.weights.layout import Layout
from polymath.model.weights.positions import resample
from polymath.model.weights.rules import Rule, Rules, transposed


def rules(config: vit.Config) -> Rules:
    return _rules(config, "Transformer/encoderblock_{layer}/")


def stacked_rules(config: vit.Config) -> Rules:
    return _rules(config, "Transformer/encoderblock/")


def _rules(config: vit.Config, layer: str) -> Rules:
    side = config.image_size // config.patch
    attention = f"{layer}MultiHeadDotProductAttention_0/"
    heads = [f"{attention}{x}/" for x in ("query", "key", "value")]
    return {
        "patch": Rule(("embedding/kernel",), lambda kernel: kernel.reshape(-1, kernel.shape[-1])),
        "patch_bias": Rule(("embedding/bias",)),
        "class_token": Rule(("cls",), lambda token: token[0, 0]),
        "positions": Rule(("pos_embedding",), lambda table: resample(table[0], config.class_token, side)),
        "pre_scale": Rule(("Transformer/encoder_prenorm/scale",)),
        "pre_bias": Rule(("Transformer/encoder_prenorm/bias",)),
        "blocks.norm1_scale": Rule((f"{layer}LayerNorm_0/scale",)),
        "blocks.norm1_bias": Rule((f"{layer}LayerNorm_0/bias",)),
        "blocks.qkv": Rule(tuple(f"{x}kernel" for x in heads), lambda *qkv: np.stack(qkv).transpose(0, 2, 3, 1)),
        "blocks.qkv_bias": Rule(tuple(f"{x}bias" for x in heads), lambda *qkv: np.stack(qkv)),
        "blocks.out": Rule((f"{attention}out/kernel",)),
        "blocks.out_bias": Rule((f"{attention}out/bias",)),
        "blocks.norm2_scale": Rule((f"{layer}LayerNorm_1/scale",)),
        "blocks.norm2_bias": Rule((f"{layer}LayerNorm_1/bias",)),
        "blocks.up": Rule((f"{layer}MlpBlock_0/Dense_0/kernel",), transposed),
        "blocks.up_bias": Rule((f"{layer}MlpBlock_0/Dense_0/bias",)),
        "blocks.down": Rule((f"{layer}MlpBlock_0/Dense_1/kernel",)),
        "blocks.down_bias": Rule((f"{layer}MlpBlock_0/Dense_1/bias",)),
        "post_scale": Rule(("Transformer/encoder_norm/scale",)),
        "post_bias": Rule(("Transformer/encoder_norm/bias",)),
    }


LAYOUT = Layout(
    name="big_vision",
    prefixes=("params/img/", "img/", "params/", ""),
    anchor="embedding/kernel",
    positions="pos_embedding",
    class_token="cls",
    layer=r"Transformer/encoderblock_(\d+)/",
    ignored=(r"MAPHead_0/.*", r"head/.*", r"pre_logits/.*"),
    rules=rules,
    width_last=True,
)
