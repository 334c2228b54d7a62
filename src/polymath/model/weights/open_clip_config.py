"""open_clip_config.json -> what it states about the vision tower.

Fields and defaults are those of open_clip's `CLIPVisionCfg` (open_clip/model.py, 3.3).
"""

from collections.abc import Mapping
from pathlib import Path

from polymath.model.weights.fields import Fields, read_fields
from polymath.model.weights.hf_families import PLAIN
from polymath.model.weights.pixels import channels
from polymath.model.weights.stated import Statement, Statements
from polymath.model.weights.tensors import Shape
from polymath.model.weights.timm_config import architecture_statements

# Features that open_clip's tower can have and ours has not.
ABSENT = (
    *("no_ln_pre", "attentional_pool", "ls_init_value", "act_kwargs", "norm_kwargs", "qk_norm", "scaled_cosine_attn"),
    *("scale_heads", "scale_attn_inner", "scale_attn", "scale_fc"),
)
UNUSED = ("patch_dropout", "pool_type", "final_ln_after_pool", "output_tokens", "attn_pooler_queries")


def open_clip_statements(path: Path) -> Statements:
    """Of the open_clip_config.json at `path`; {} if there is none.

    Raises ConfigError for a field that is damaged or not known.
    """
    if not path.exists():
        return {}
    fields = read_fields(path)
    model = fields.section("model_cfg") or Fields(path, {}, "model_cfg.")
    tower = model.section("vision_cfg") or Fields(path, {}, "model_cfg.vision_cfg.")
    if tower.take("timm_model_name") is not None:
        tower.refuse("timm_model_name", "the weights beside it are of open_clip's own tower", "fetch the folder again")
    statements = _sizes(tower)
    quick = model.only("quick_gelu", False, True)
    activation = "quick_gelu" if quick else "gelu"
    statements["activation"] = Statement(activation, path, model.name("quick_gelu"), quick)
    for name in ABSENT:
        tower.only(name, None, False, {})
    tower.only("block_type", None, "default")
    tower.only("pos_embed_type", "learnable")
    statements |= _fixed(tower)
    size = tower.integer("image_size", 224)
    statements["image_size"] = Statement(size, path, tower.name("image_size"), size)
    tower.pass_over((*UNUSED, "attn_pooler_heads", "timm_model_pretrained", "timm_pool", "timm_proj"))
    tower.finish()
    pixels = fields.section("preprocess_cfg")
    return statements if pixels is None else statements | channels(pixels, "mean", "std")


def timm_in_open_clip_statements(path: Path, shapes: Mapping[str, Shape]) -> Statements:
    """Of the open_clip_config.json at `path` around a timm tower of these tensors, as open_clip's SigLIP is.

    Raises ConfigError for a timm model that is not known.
    """
    fields = read_fields(path)
    model = fields.section("model_cfg") or Fields(path, {}, "model_cfg.")
    tower = model.section("vision_cfg") or Fields(path, {}, "model_cfg.vision_cfg.")
    statements = architecture_statements(tower, "timm_model_name", shapes, None)
    pixels = fields.section("preprocess_cfg")
    return statements if pixels is None else statements | channels(pixels, "mean", "std")


def _sizes(tower: Fields) -> Statements:
    width, head_width = tower.integer("width", 768), tower.integer("head_width", 64)
    if head_width > width:
        tower.refuse("head_width", f"a head cannot be wider than the model, {width}", "fetch the file again")
    ratio = tower.number("mlp_ratio", 4.0)
    sizes = {
        "width": ("width", width, width),
        "depth": ("layers", tower.integer("layers", 12), tower.take("layers", 12)),
        "heads": ("head_width", width // head_width, head_width),
        "patch": ("patch_size", tower.integer("patch_size", 16), tower.take("patch_size", 16)),
        "mlp": ("mlp_ratio", int(width * ratio), ratio),
    }
    return {ours: Statement(value, tower.path, tower.name(name), text) for ours, (name, value, text) in sizes.items()}


def _fixed(tower: Fields) -> Statements:
    """What is the same in all of these towers: torch's LayerNorm, before the blocks and after them."""
    fixed = {"epsilon": 1e-5, "class_token": True, "norm_before_blocks": True, "final_norm": True, **PLAIN}
    return {ours: Statement(value, tower.path, "model_cfg", "open_clip's") for ours, value in fixed.items()}
