"""config.json of a Hugging Face vision transformer, or of a whole model around one -> what it states."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from polymath.model.weights.fields import HARMLESS, Fields, read_fields
from polymath.model.weights.hf_families import ACTIVATIONS, FAMILIES, SIZES, WHOLE, Family
from polymath.model.weights.layout import Layout
from polymath.model.weights.stated import Statement, Statements, square
from polymath.model.weights.tensors import Shape

KIND = "the config.json of a vision transformer that is known here"


def hugging_face_statements(path: Path, layout: Layout, shapes: Mapping[str, Shape]) -> Statements:
    """Of the config.json at `path`; {} if there is none.

    layout, shapes: of the tower's tensors in the file of weights beside it. Raises ConfigError for another family than
    the layout's, and for a field that is damaged or not known.
    """
    if not path.exists():
        return {}
    fields = read_fields(path)
    kind, fields = family_of(fields)
    if kind not in layout.families:
        fields.refuse("model_type", f"the weights beside it are of {layout.name}", "fetch the whole folder again")
    family = FAMILIES[kind]
    merged = {name: fields.take(name, value) for name, value in family.defaults.items()}
    statements = {ours: Statement(v, path, fields.name("model_type"), kind) for ours, v in family.implied.items()}
    statements |= _sizes(fields, merged)
    statements |= _feed_forward(fields, merged, statements)
    if "rope_theta" in merged:
        theta = fields.number("rope_theta", merged["rope_theta"])
        statements["rotary"] = _stated(fields, "rope_theta", theta, merged["rope_theta"])
    statements["image_size"] = square(fields, "image_size", merged["image_size"])
    for name, allowed in family.only.items():
        fields.only(name, *allowed)
    _check_biases(fields, family, shapes)
    fields.pass_over((*HARMLESS, *family.unused, "architectures"))
    fields.finish()
    return statements


def family_of(fields: Fields) -> tuple[str, Fields]:
    """The family, and the fields of the tower: those of `vision_config` in the file of a whole model.

    Raises ConfigError, naming the family, for one that is not known.
    """
    fields.require("model_type", KIND)
    kind = fields.take("model_type")
    if isinstance(kind, str) and kind in FAMILIES:
        return kind, fields
    if "vision_config" not in fields and "vision_config_dict" not in fields:
        fields.refuse("model_type", f"only {', '.join((*FAMILIES, *WHOLE))} can be computed here", "use another model")
    fields.only("vision_feature_layer", None, -1)
    tower = _tower(fields)
    if isinstance(kind, str) and kind in WHOLE and "model_type" not in tower:
        return WHOLE[kind], tower
    tower.require("model_type", KIND)
    return tower.only("model_type", *FAMILIES), tower


def _tower(fields: Fields) -> Fields:
    """The fields of the vision tower in the file of a whole model; the older `vision_config_dict` goes before."""
    values: dict[str, Any] = {}
    for name in ("vision_config", "vision_config_dict"):
        section = fields.take(name)
        if section is not None and not isinstance(section, dict):
            fields.refuse(name, "must be a JSON object", "fetch the file again")
        values |= section or {}
    return Fields(fields.path, values, "vision_config.")


def _sizes(fields: Fields, merged: Mapping[str, Any]) -> Statements:
    statements: Statements = {}
    for name, ours in SIZES.items():
        if name == "num_register_tokens" and merged.get(name) == 0:
            statements[ours] = _stated(fields, name, 0, 0)
        elif name in merged:
            statements[ours] = _stated(fields, name, fields.integer(name, merged[name]), merged[name])
    epsilon = fields.number("layer_norm_eps", merged["layer_norm_eps"])
    statements["epsilon"] = _stated(fields, "layer_norm_eps", epsilon, merged["layer_norm_eps"])
    return statements


def _feed_forward(fields: Fields, merged: Mapping[str, Any], sizes: Statements) -> Statements:
    """Activation, gate and width. DINOv2 gives the width as a multiple; its gated layers have SiLU and 2/3 of it."""
    name = merged["hidden_act"]
    if not isinstance(name, str) or name not in ACTIVATIONS:
        fields.refuse("hidden_act", f"only {', '.join(ACTIVATIONS)} are known", "use another model")
    statements = {"activation": _stated(fields, "hidden_act", ACTIVATIONS[name], name)}
    for gate in ("use_swiglu_ffn", "use_gated_mlp"):
        if gate in merged:
            gated = fields.only(gate, False, True)
            statements["gated"] = _stated(fields, gate, gated, gated)
    if "mlp_ratio" not in merged:
        return statements
    ratio = fields.number("mlp_ratio", merged["mlp_ratio"])
    mlp = int(sizes["width"].value * ratio)
    if statements["gated"].value:
        mlp = (int(mlp * 2 / 3) + 7) // 8 * 8  # transformers' Dinov2SwiGLUFFN
        statements["activation"] = _stated(fields, "use_swiglu_ffn", "silu", True)
    return {**statements, "mlp": _stated(fields, "mlp_ratio", mlp, merged["mlp_ratio"])}


def _check_biases(fields: Fields, family: Family, shapes: Mapping[str, Shape]) -> None:
    """A bias that is left out is zero; the file of weights must agree about which ones are."""
    for name, (ending, default) in family.biases.items():
        has_bias = fields.take(name, default)
        if has_bias is not True and has_bias is not False:
            fields.refuse(name, "must be true or false", "fetch the file again")
        if shapes and has_bias != any(tensor.endswith(ending) for tensor in shapes):
            holds = "no tensor" if has_bias else "tensors"
            fields.refuse(name, f"the file of weights holds {holds} …{ending}", "fetch the whole folder again")


def _stated(fields: Fields, name: str, value: Any, text: Any) -> Statement:
    return Statement(value, fields.path, fields.name(name), text)
