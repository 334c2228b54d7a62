"""timm's `VisionTransformer`: the CLIP models have `norm_pre`, the SigLIP ones neither it nor a class token."""

from polymath.model import vit
from polymath.model.weights.hf_clip import patch_from_conv
from polymath.model.weights.layout import Layout
from polymath.model.weights.positions import resample
from polymath.model.weights.rules import Rule, Rules, transposed


def rules(config: vit.Config) -> Rules:
    """Weight of ours -> the tensors of a timm vision transformer that it is made of, and how."""
    D, H = config.width, config.heads
    E, side = D // H, config.image_size // config.patch
    layer = "blocks.{layer}."
    return {
        "patch": Rule(("patch_embed.proj.weight",), patch_from_conv),
        "patch_bias": Rule(("patch_embed.proj.bias",), optional=True),
        "class_token": Rule(("cls_token",), lambda token: token[0, 0]),
        "positions": Rule(("pos_embed",), lambda table: resample(table[0], config.class_token, side)),
        "pre_scale": Rule(("norm_pre.weight",)),
        "pre_bias": Rule(("norm_pre.bias",)),
        "blocks.norm1_scale": Rule((f"{layer}norm1.weight",)),
        "blocks.norm1_bias": Rule((f"{layer}norm1.bias",)),
        "blocks.qkv": Rule((f"{layer}attn.qkv.weight",), lambda w: w.reshape(3, H, E, D)),
        "blocks.qkv_bias": Rule((f"{layer}attn.qkv.bias",), lambda b: b.reshape(3, H, E)),
        "blocks.out": Rule((f"{layer}attn.proj.weight",), lambda w: w.T.reshape(H, E, D)),
        "blocks.out_bias": Rule((f"{layer}attn.proj.bias",)),
        "blocks.norm2_scale": Rule((f"{layer}norm2.weight",)),
        "blocks.norm2_bias": Rule((f"{layer}norm2.bias",)),
        "blocks.up": Rule((f"{layer}mlp.fc1.weight",)),
        "blocks.up_bias": Rule((f"{layer}mlp.fc1.bias",)),
        "blocks.down": Rule((f"{layer}mlp.fc2.weight",), transposed),
        "blocks.down_bias": Rule((f"{layer}mlp.fc2.bias",)),
        "post_scale": Rule(("norm.weight",)),
        "post_bias": Rule(("norm.bias",)),
    }


LAYOUT = Layout(
    name="timm",
    prefixes=("", "visual.trunk."),
    anchor="patch_embed.proj.weight",
    positions="pos_embed",
    layer=r"blocks\.(\d+)\.",
    ignored=(r"head\..*", r"fc_norm\..*", r"attn_pool\..*"),
    rules=rules,
)
