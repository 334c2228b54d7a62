"""open_clip's `visual` tower (also OpenAI's original CLIP)."""

from polymath.model import vit
from polymath.model.weights.hf_clip import patch_from_conv
from polymath.model.weights.layout import Layout
from polymath.model.weights.positions import resample
from polymath.model.weights.rules import Rule, Rules, transposed


def rules(config: vit.Config) -> Rules:
    """Weight of ours -> the tensors of an open_clip image tower that it is made of, and how."""
    D, H = config.width, config.heads
    E, side = D // H, config.image_size // config.patch
    layer = "transformer.resblocks.{layer}."
    return {
        "patch": Rule(("conv1.weight",), patch_from_conv),
        "patch_bias": Rule(("conv1.bias",), optional=True),
        "class_token": Rule(("class_embedding",)),
        "positions": Rule(("positional_embedding",), lambda table: resample(table, config.class_token, side)),
        "pre_scale": Rule(("ln_pre.weight",)),
        "pre_bias": Rule(("ln_pre.bias",)),
        "blocks.norm1_scale": Rule((f"{layer}ln_1.weight",)),
        "blocks.norm1_bias": Rule((f"{layer}ln_1.bias",)),
        "blocks.qkv": Rule((f"{layer}attn.in_proj_weight",), lambda w: w.reshape(3, H, E, D)),
        "blocks.qkv_bias": Rule((f"{layer}attn.in_proj_bias",), lambda b: b.reshape(3, H, E)),
        "blocks.out": Rule((f"{layer}attn.out_proj.weight",), lambda w: w.T.reshape(H, E, D)),
        "blocks.out_bias": Rule((f"{layer}attn.out_proj.bias",)),
        "blocks.norm2_scale": Rule((f"{layer}ln_2.weight",)),
        "blocks.norm2_bias": Rule((f"{layer}ln_2.bias",)),
        "blocks.up": Rule((f"{layer}mlp.c_fc.weight",)),
        "blocks.up_bias": Rule((f"{layer}mlp.c_fc.bias",)),
        "blocks.down": Rule((f"{layer}mlp.c_proj.weight",), transposed),
        "blocks.down_bias": Rule((f"{layer}mlp.c_proj.bias",)),
        "post_scale": Rule(("ln_post.weight",)),
        "post_bias": Rule(("ln_post.bias",)),
    }


LAYOUT = Layout(
    name="open_clip",
    prefixes=("visual.", ""),
    anchor="conv1.weight",
    positions="positional_embedding",
    class_token="class_embedding",
    layer=r"transformer\.resblocks\.(\d+)\.",
    ignored=(r"proj",),
    rules=rules,
)
