"""config.json of a public decoder -> `decoder.Config`, as transformers 5 reads it.

Every field is applied, must have the one value that this decoder computes, or is on the list of those that change
nothing (`fields.HARMLESS`); any other is refused by name. `families.FAMILIES` lists the families.
"""

from pathlib import Path
from typing import Any

from polymath.errors import ConfigError
from polymath.model import decoder, rotary
from polymath.model.layer_kinds import Kind
from polymath.model.weights.families import FAMILIES, Family
from polymath.model.weights.fields import HARMLESS, Fields, read_fields
from polymath.model.weights.rotation import KIND, Rotation, rotation

NEEDED = (
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "rms_norm_eps",
    "max_position_embeddings",
)
FIXED: dict[str, tuple[Any, ...]] = {
    "is_causal": (True,),
    "attention_bias": (False, None),
    "mlp_bias": (False, None),
    "use_sliding_window": (False, None),
    "rope_interleaved": (False,),
    "pruned_heads": ({}, None),
    "is_encoder_decoder": (False,),
    "add_cross_attention": (False,),
}
TYPES: dict[str, Kind] = {"full_attention": "full", "sliding_attention": "sliding"}


def decoder_config(path: Path) -> decoder.Config:
    """From the config.json at `path`. Raises ConfigError, naming the field, for a model that this decoder cannot be."""
    fields = read_fields(path)
    fields.require("model_type", KIND)
    family = FAMILIES[fields.only("model_type", *FAMILIES)]
    for name in (*NEEDED, *family.required):
        fields.require(name, KIND)
    for name, allowed in {**FIXED, **family.fixed}.items():
        fields.only(name, *allowed)
    _refuse_architecture(fields, family)
    sizes = _sizes(fields)
    turning = rotation(fields, family, fields.integer("max_position_embeddings"))
    layers, window = _layers(fields, family, sizes["depth"], fields.integer("max_position_embeddings"))
    settings: dict[str, Any] = {
        "rope_theta": turning.theta,
        "rope_scaling": turning.scaling,
        "context": turning.context,
        "rotary_width": _rotary_width(fields, turning, sizes["head_width"]),
        "sliding_rope_theta": turning.sliding_theta if "sliding" in layers else None,
        "layers": layers,
        "window": window,
        "epsilon": fields.number("rms_norm_eps"),
        "tied": _tied(fields, family),
        "qk_norm": False,
        "learned_beta": False,
        "scale_embedding": False,
        **family.settings,
        **(_scores(fields, sizes["head_width"]) if family.scales_scores else {}),
    }
    fields.pass_over(HARMLESS)
    fields.finish()
    try:
        return decoder.Config(**sizes, **settings)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def _sizes(fields: Fields) -> dict[str, Any]:
    heads, width, depth = (fields.integer(n) for n in ("num_attention_heads", "hidden_size", "num_hidden_layers"))
    kv_heads = heads if fields.take("num_key_value_heads") is None else fields.integer("num_key_value_heads")
    if heads % kv_heads:
        fields.refuse("num_key_value_heads", f"it must divide num_attention_heads, {heads}", "fetch the file again")
    return {
        "vocabulary": fields.integer("vocab_size"),
        "width": width,
        "depth": depth,
        "heads": heads,
        "kv_heads": kv_heads,
        "head_width": _head_width(fields, width, heads),
        "mlp": fields.integer("intermediate_size"),
    }


def _tied(fields: Fields, family: Family) -> bool:
    tied = fields.only("tie_word_embeddings", family.tied, not family.tied, None)
    return family.tied if tied is None else bool(tied)


def _head_width(fields: Fields, width: int, heads: int) -> int:
    if fields.take("head_dim") is None:
        if width % heads:
            fields.refuse("num_attention_heads", f"it must divide hidden_size, {width}", "fetch the file again")
        head_width, name = width // heads, "num_attention_heads"
    else:
        head_width, name = fields.integer("head_dim"), "head_dim"
    if head_width % 2:
        fields.refuse(name, f"heads of {head_width} channels have no pairs to rotate", "fetch the file again")
    return head_width


def _refuse_architecture(fields: Fields, family: Family) -> None:
    names = fields.take("architectures")
    if names is not None and (not isinstance(names, list) or any(name not in family.architectures for name in names)):
        fields.refuse("architectures", f"only {family.architectures[0]} is known", "use a model of that kind")


def _rotary_width(fields: Fields, turning: Rotation, head_width: int) -> int | None:
    """Channels of a head that are rotated; None for all."""
    width, scaling = int(head_width * turning.share), turning.scaling
    if not 0 < width <= head_width or width % 2:
        fields.refuse("partial_rotary_factor", f"of {head_width} channels it must leave pairs", "fetch the file again")
    if isinstance(scaling, rotary.LongRope) and len(scaling.factors) != width // 2:
        fields.refuse("rope_scaling", f"short_factor must hold {width // 2} numbers", "fetch the file again")
    return None if width == head_width else width


def _scores(fields: Fields, head_width: int) -> dict[str, float | None]:
    """Gemma's scale of the attention's scores, None for that of the width of a head, and its soft caps."""
    scalar = fields.number("query_pre_attn_scalar")
    caps = {"attention_cap": "attn_logit_softcapping", "logit_cap": "final_logit_softcapping"}
    return {
        "query_scale": None if scalar == head_width else scalar**-0.5,
        **{ours: None if fields.take(name) is None else fields.number(name) for ours, name in caps.items()},
    }


def _layers(fields: Fields, family: Family, depth: int, context: int) -> tuple[tuple[Kind, ...], int | None]:
    """The kind of each layer and the window. A window that no sequence fills is none, unless its layers rotate
    otherwise.
    """
    window = _window(fields, family)
    kinds = _kinds(fields, family, depth, window)
    if family.unrotated is not None:
        kinds = _without_rotation(fields, kinds, family.unrotated)
    filled = window is not None and window < context
    if set(kinds) == {"full"} or ("sliding" in kinds and not filled and family.sliding_theta is None):
        return (), None
    return kinds, window


def _window(fields: Fields, family: Family) -> int | None:
    """Tokens that a sliding layer sees; None where there is no such layer. Qwen's is switched on by another field."""
    if family.windows == "none":
        return None
    has_switch = family.windows == "types" and family.pattern is None
    is_on = not has_switch or fields.only("use_sliding_window", False, True, None)
    return fields.integer("sliding_window") if fields.take("sliding_window") is not None and is_on else None


def _kinds(fields: Fields, family: Family, depth: int, window: int | None) -> tuple[Kind, ...]:
    """Full and sliding layers."""
    types, usual = fields.take("layer_types"), _usual_types(fields, family, depth, window)
    if types is None:
        types = usual
    listed = isinstance(types, list) and len(types) == depth and all(name in TYPES for name in types)
    if not listed or (types != usual and (family.windows != "types" or window is None)):
        fields.refuse(
            "layer_types",
            f"each of {depth} layers must be 'full_attention', or 'sliding_attention' where the model has a window",
            "use another model",
        )
    return tuple(TYPES[name] for name in types)


def _usual_types(fields: Fields, family: Family, depth: int, window: int | None) -> list[str]:
    """What a file without layer_types means."""
    has_first = family.windows == "types" and family.pattern is None
    first = fields.integer("max_window_layers", 28) if has_first and fields.take("max_window_layers") != 0 else 0
    pattern = family.pattern
    for name in ("sliding_window_pattern", "_sliding_window_pattern"):
        if pattern is not None and fields.take(name) is not None:
            pattern = fields.integer(name)

    def is_full(number: int) -> bool:
        return window is None or number < first or (pattern is not None and (number + 1) % pattern == 0)

    return ["full_attention" if is_full(number) else "sliding_attention" for number in range(depth)]


def _without_rotation(fields: Fields, kinds: tuple[Kind, ...], interval: int) -> tuple[Kind, ...]:
    """SmolLM3's fields: no_rope_layers holds a 0 for each layer that is not rotated, else every n-th one is not."""
    fields.take("max_window_layers")
    interval = fields.integer("no_rope_layer_interval", interval)
    rotated = fields.take("no_rope_layers")
    if rotated is None:
        rotated = [int((number + 1) % interval != 0) for number in range(len(kinds))]
    if not isinstance(rotated, list) or len(rotated) != len(kinds) or any(flag not in (0, 1) for flag in rotated):
        fields.refuse("no_rope_layers", f"it must be 0 or 1 for each of {len(kinds)} layers", "fetch the file again")
    return tuple(kind if flag else "unrotated" for kind, flag in zip(kinds, rotated, strict=True))
