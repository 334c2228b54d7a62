"""config.json of a timm vision transformer -> what it states.

timm's file names the model and not its sizes. These are read off the tensors; what shows there nowhere (heads, epsilon,
activation) follows from the name, as timm 1.0.31 builds the model of that name, and from `model_args`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polymath.model.weights.fields import Fields, read_fields
from polymath.model.weights.hf_families import PLAIN
from polymath.model.weights.pixels import channels
from polymath.model.weights.stated import Statement, Statements, square
from polymath.model.weights.tensors import Shape

# Width and heads by the word for the size.
HEADS = {
    "tiny": {192: 3},
    "small": {384: 6},
    "small_plus": {384: 6},
    "base": {768: 12},
    "large": {1024: 16},
    "huge": {1280: 16},
    "huge_plus": {1280: 20},
    "so400m": {1152: 16},
    "giant": {1408: 16, 1536: 24},
    "giantopt": {1536: 16},
    "gigantic": {1664: 16},
    "7b": {4096: 32},
}


@dataclass(frozen=True)
class Flavour:
    activation: str = "gelu"
    epsilon: float = 1e-6
    rotary: float | None = None


FLAVOURS = {
    "": Flavour(),
    "siglip": Flavour(),
    "siglip_gap": Flavour(),
    "clip": Flavour(epsilon=1e-5),
    "clip_quickgelu": Flavour("quick_gelu", 1e-5),
    "dinov2": Flavour(),
    "reg4_dinov2": Flavour(),
    "dinov3": Flavour(epsilon=1e-5, rotary=100.0),
    "dinov3_qkvb": Flavour(epsilon=1e-5, rotary=100.0),
}
NAME = rf"vit_(?P<size>{'|'.join(HEADS)})_patch\d+(?:_(?P<flavour>{'|'.join(filter(None, FLAVOURS))}))?(?:_\d+)?"
"""For example vit_so400m_patch14_siglip_384."""
TANH = r"vit_(base_patch32|so400m_patch16|giantopt_patch16)_siglip.*|vit_large_patch16_siglip_(gap_)?512"
"""SigLIP was trained with the tanh form of GELU; timm computes it in these models, and the exact one in the others."""
# Arguments of timm's models that show in the tensors' shapes, or change no feature of a patch.
SHOWN = (
    *(
        "patch_size",
        "embed_dim",
        "depth",
        "mlp_ratio",
        "class_token",
        "pre_norm",
        "final_norm",
        "fc_norm",
        "reg_tokens",
    ),
    *("num_classes", "global_pool", "drop_rate", "pos_drop_rate", "patch_drop_rate", "proj_drop_rate", "init_values"),
    *("attn_drop_rate", "drop_path_rate", "weight_init", "fix_init", "dynamic_img_size", "no_embed_class"),
    *("num_reg_tokens", "swiglu_mlp", "use_fc_norm"),
)
UNUSED = ("num_classes", "num_features", "global_pool", "label_names", "label_descriptions", "labels")
ABSENT = ("qk_norm", "scale_attn_norm", "scale_mlp_norm", "dynamic_img_pad")


def timm_statements(path: Path, shapes: Mapping[str, Shape]) -> Statements:
    """Of the config.json at `path`; `shapes`: of the tower's tensors in the file beside it, without its prefix.

    Raises ConfigError for a model or an argument that is not known; {} if there is no file.
    """
    if not path.exists():
        return {}
    fields = read_fields(path)
    statements = architecture_statements(fields, "architecture", shapes, fields.section("model_args"))
    stated = fields.section("pretrained_cfg")
    fields.pass_over(UNUSED)
    fields.finish()
    if stated is None:
        return statements
    size = stated.take("input_size")
    if "width" in statements and "image_size" not in statements and isinstance(size, list) and len(size) == 3:
        side = Fields(path, {"input_size": size[-1]}, "pretrained_cfg.").integer("input_size")
        statements["image_size"] = Statement(side, path, "pretrained_cfg.input_size", size)
    return statements | channels(stated, "mean", "std")


def architecture_statements(
    fields: Fields, field: str, shapes: Mapping[str, Shape], arguments: Fields | None
) -> Statements:
    """What the name of a timm model in that field means for these tensors, changed by its `arguments`."""
    name = fields.take(field)
    if not isinstance(name, str):
        fields.refuse(field, "it must be the name of a timm model", "give the folder of a timm model")
    match = re.fullmatch(NAME, name)
    if match is None:
        kinds = f"plain, {', '.join(filter(None, FLAVOURS))}"
        fields.refuse(field, f"only vit_SIZE_patch… of the kinds {kinds} are known", "use another model")
    flavour = FLAVOURS[match["flavour"] or ""]
    values: dict[str, Any] = {**PLAIN, "epsilon": flavour.epsilon, "rotary": flavour.rotary, **_of_tensors(shapes)}
    values["activation"] = "silu" if values["gated"] else flavour.activation
    if re.fullmatch(TANH, name):
        values["activation"] = "gelu_tanh"
    heads = HEADS[match["size"]].get(values.get("width", 0))
    if arguments is not None:
        heads = _arguments(arguments, values, heads)
    if heads is not None:
        values["heads"] = heads
    return {ours: Statement(value, fields.path, fields.name(field), name) for ours, value in values.items()}


def _of_tensors(shapes: Mapping[str, Shape]) -> dict[str, Any]:
    kernel, down = shapes.get("patch_embed.proj.weight", ()), shapes.get("blocks.0.mlp.fc2.weight", ())
    table, up = shapes.get("pos_embed", (1, 0, 0)), shapes.get("blocks.0.mlp.fc1.weight", (0,))
    if len(kernel) != 4 or len(down) != 2 or len(table) != 3:
        return {}
    values: dict[str, Any] = {
        "width": kernel[0],
        "patch": kernel[-1],
        "depth": len({name.split(".")[1] for name in shapes if name.startswith("blocks.")}),
        "mlp": down[1],
        "gated": "blocks.0.mlp.fc1_g.weight" in shapes or up[0] == 2 * down[1],
        "class_token": "cls_token" in shapes,
        "registers": shapes["reg_token"][1] if len(shapes.get("reg_token", ())) == 3 else 0,
        "layer_scale": "blocks.0.ls1.gamma" in shapes or "blocks.0.gamma_1" in shapes,
        "norm_before_blocks": "norm_pre.weight" in shapes,
        "final_norm": "norm.weight" in shapes,
    }
    if table[1]:
        values["image_size"] = int(table[1] ** 0.5) * kernel[-1]
    return values


def _arguments(arguments: Fields, values: dict[str, Any], heads: int | None) -> int | None:
    """Apply the arguments that change a model of that name to `values`; returns the number of heads."""
    if "num_heads" in arguments:
        heads = arguments.integer("num_heads")
    if "img_size" in arguments:
        values["image_size"] = square(arguments, "img_size").value
    if "act_layer" in arguments:
        values["activation"] = arguments.only("act_layer", "gelu", "gelu_tanh", "quick_gelu")
    arguments.only("in_chans", 3)
    arguments.only("qkv_bias", True, False)
    for name in ABSENT:
        arguments.only(name, False, None)
    arguments.pass_over(SHOWN)
    arguments.finish()
    return heads
