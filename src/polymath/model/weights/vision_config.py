"""What the folder of a published vision transformer says about itself, checked against `vit.Config`.

Neither the activation, nor the number of heads, nor epsilon shows in the shapes of the weights. They stand in

    config.json               Hugging Face's CLIP and SigLIP (`vision_config` of a whole model), and timm
    open_clip_config.json     open_clip
    preprocessor_config.json  mean and standard deviation of the pixels, Hugging Face
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from polymath.errors import CheckpointError, ConfigError
from polymath.model import vit
from polymath.model.weights import hf_clip, open_clip, timm
from polymath.model.weights.fields import HARMLESS, Fields, brief, is_number, read_fields
from polymath.model.weights.layout import Layout

STEMS = ("model", "open_clip_model", "open_clip_pytorch_model")  # of weights that the files beside them describe
# By transformers' name (transformers/activations.py).
ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_python": "gelu",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu_python_tanh": "gelu_tanh",
    "gelu_new": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "quick_gelu": "quick_gelu",
}
# What a missing field means: transformers' CLIPVisionConfig and SiglipVisionConfig.
SIZES = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12}
CLIP = {**SIZES, "patch_size": 32, "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5, "image_size": 224}
SIGLIP = {**SIZES, "patch_size": 16, "hidden_act": "gelu_pytorch_tanh", "layer_norm_eps": 1e-6, "image_size": 224}
DEFAULTS: dict[str, dict[str, Any]] = {"clip_vision_model": CLIP, "siglip_vision_model": SIGLIP}
WHOLE = {"clip": "clip_vision_model", "siglip": "siglip_vision_model"}
OURS = {
    "hidden_size": "width",
    "intermediate_size": "mlp",
    "num_hidden_layers": "depth",
    "num_attention_heads": "heads",
    "patch_size": "patch",
    "layer_norm_eps": "epsilon",
}
UNUSED = ("projection_dim", "initializer_factor", "vision_use_head", "dropout", "logit_scale_init_value")


def check_description(path: Path, layout: Layout, config: vit.Config, positions: int | None) -> None:
    """Raise CheckpointError where the files beside the weights at `path` disagree with `config`.

    positions: rows of the file's table of position embeddings. Raises ConfigError for a field that is damaged or not
    known; a file that is missing is skipped.
    """
    if path.is_file() and path.stem not in STEMS:
        return
    folder = path.parent if path.is_file() else path
    if layout is hf_clip.LAYOUT:
        _check_hugging_face(folder / "config.json", config, positions)
        _check_preprocessor(folder / "preprocessor_config.json", config)
    elif layout is open_clip.LAYOUT:
        _check_open_clip(folder / "open_clip_config.json", config)
    elif layout is timm.LAYOUT:
        _check_timm(folder / "config.json", config)


def _check_hugging_face(path: Path, config: vit.Config, positions: int | None) -> None:
    if not path.exists():
        return
    fields = read_fields(path)
    fields.require("model_type", "the config.json of a CLIP or SigLIP vision transformer")
    kind = fields.only("model_type", *DEFAULTS, *WHOLE)
    if kind in WHOLE:
        kind, fields = WHOLE[kind], _tower(fields)
        fields.only("model_type", kind)
    merged = {name: fields.take(name, value) for name, value in DEFAULTS[kind].items()}
    for name, ours in OURS.items():
        number = fields.number(name, merged[name])
        if not math.isclose(number, getattr(config, ours), rel_tol=1e-6):
            _disagree(path, name, merged[name], ours, config)
    activation = merged["hidden_act"]
    if not isinstance(activation, str) or activation not in ACTIVATIONS:
        fields.refuse("hidden_act", f"only {', '.join(ACTIVATIONS)} are known", "use another model")
    if ACTIVATIONS[activation] != config.activation:
        _disagree(path, "hidden_act", activation, "activation", config, ACTIVATIONS[activation])
    of_clip = kind == "clip_vision_model"
    for ours in ("class_token", "norm_before_blocks"):
        if getattr(config, ours) != of_clip:
            _disagree(path, "model_type", kind, ours, config, of_clip)
    _check_positions(fields, merged, positions, of_clip)
    fields.only("num_channels", 3)
    fields.only("qkv_bias", True, None)
    fields.only("attention_bias", True, None)
    fields.pass_over((*HARMLESS, *UNUSED, "architectures"))
    fields.finish()


def _tower(fields: Fields) -> Fields:
    """The fields of the vision tower in the file of a whole model; the older `vision_config_dict` goes before."""
    values: dict[str, Any] = {}
    for name in ("vision_config", "vision_config_dict"):
        section = fields.take(name)
        if section is not None and not isinstance(section, dict):
            fields.refuse(name, "must be a JSON object", "fetch the file again")
        values |= section or {}
    return Fields(fields.path, values, "vision_config.")


def _check_positions(fields: Fields, merged: Mapping[str, Any], positions: int | None, class_token: bool) -> None:
    size = fields.integer("image_size", merged["image_size"])
    expected = (size // fields.integer("patch_size", merged["patch_size"])) ** 2 + class_token
    if positions is not None and positions != expected:
        fields.refuse(
            "image_size", f"the file has {positions} position embeddings, not {expected}", "fetch the folder again"
        )


def _check_preprocessor(path: Path, config: vit.Config) -> None:
    if not path.exists():
        return
    fields = read_fields(path)
    mean, std = fields.take("image_mean"), fields.take("image_std")
    if fields.only("do_normalize", True, False, None) is False:
        mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    _check_pixels(path, "image_mean", mean, "mean", config)
    _check_pixels(path, "image_std", std, "std", config)
    scale = fields.take("rescale_factor")
    fields.only("do_rescale", True, None)
    if scale is not None and not (is_number(scale) and _close(scale, 1 / 255)):
        fields.refuse("rescale_factor", "pixels are divided by 255 here", "use another model")


def _check_open_clip(path: Path, config: vit.Config) -> None:
    """Fields and defaults of open_clip's `CLIPVisionCfg` (open_clip/model.py)."""
    if not path.exists():
        return
    fields = read_fields(path)
    model = fields.section("model_cfg") or Fields(path, {}, "model_cfg.")
    tower = model.section("vision_cfg") or Fields(path, {}, "model_cfg.vision_cfg.")
    width, head_width = tower.integer("width", 768), tower.integer("head_width", 64)
    if head_width > width:
        tower.refuse("head_width", f"a head cannot be wider than the model, {width}", "fetch the file again")
    sizes = {
        "width": ("width", width),
        "layers": ("depth", tower.integer("layers", 12)),
        "head_width": ("heads", width // head_width),
        "patch_size": ("patch", tower.integer("patch_size", 16)),
        "mlp_ratio": ("mlp", int(width * tower.number("mlp_ratio", 4.0))),
    }
    for name, (ours, value) in sizes.items():
        if value != getattr(config, ours):
            _disagree(path, f"model_cfg.vision_cfg.{name}", value, ours, config)
    quick = model.only("quick_gelu", False, True)
    if (config.activation == "quick_gelu") != quick or config.activation == "gelu_tanh":
        _disagree(path, "model_cfg.quick_gelu", quick, "activation", config, "quick_gelu" if quick else "gelu")
    for name in ("no_ln_pre", "attentional_pool", "ls_init_value", "act_kwargs", "norm_kwargs"):
        tower.only(name, None, False, {})
    tower.only("pos_embed_type", "learnable")
    tower.pass_over(("image_size", "patch_dropout", "pool_type", "final_ln_after_pool", "output_tokens"))
    tower.finish()
    pixels = fields.section("preprocess_cfg")
    if pixels is not None:
        for ours in ("mean", "std"):
            _check_pixels(path, f"preprocess_cfg.{ours}", pixels.take(ours), ours, config)


def _check_timm(path: Path, config: vit.Config) -> None:
    """timm names its models; the activation is part of a name (`vit_large_patch14_clip_quickgelu_224`)."""
    if not path.exists():
        return
    fields = read_fields(path)
    name = fields.take("architecture")
    if not isinstance(name, str):
        fields.refuse("architecture", "it must be the name of a timm model", "give the folder of a timm model")
    activation = "quick_gelu" if "quickgelu" in name else "gelu_tanh" if "siglip" in name else "gelu"
    if activation != config.activation:
        _disagree(path, "architecture", name, "activation", config, activation)
    if fields.section("model_args") is not None:
        fields.refuse("model_args", "changes of a timm model are not known here", "use a model without them")
    pixels = fields.section("pretrained_cfg")
    if pixels is not None:
        for ours in ("mean", "std"):
            _check_pixels(path, f"pretrained_cfg.{ours}", pixels.take(ours), ours, config)


def _check_pixels(path: Path, name: str, stated: Any, ours: str, config: vit.Config) -> None:
    if stated is None:
        return
    if not isinstance(stated, list | tuple) or len(stated) != 3 or not all(map(is_number, stated)):
        raise ConfigError(f"{path}: {name} is {brief(stated)}, but it must be three numbers; fetch the file again")
    if not all(map(_close, stated, getattr(config, ours))):
        _disagree(path, name, stated, ours, config, tuple(stated))


def _close(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=1e-3, abs_tol=1e-6)


def _disagree(path: Path, name: str, stated: Any, ours: str, config: vit.Config, meaning: Any = None) -> None:
    setting = getattr(config, ours)
    raise CheckpointError(
        f"{path}: {name} is {brief(stated)}, but model.vit.{ours} is {brief(setting)}; set model.vit.{ours}="
        f"{stated if meaning is None else meaning}"
    )
