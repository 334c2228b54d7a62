"""config.json of a decoder of the LLaMA family -> `decoder.Config`, as transformers 5 reads it.

Every field is applied, must have the one value that this decoder computes, or is on the list of those that change
nothing (`fields.HARMLESS`); any other is refused by name.
"""

import math
from pathlib import Path
from typing import Any

from polymath.errors import ConfigError
from polymath.model import decoder, rotary
from polymath.model.weights.fields import HARMLESS, Fields, brief, read_fields

FAMILY = ("llama", "mistral")
KIND = "the config.json of a decoder of the LLaMA family"
ARCHITECTURES = ("LlamaForCausalLM", "LLaMAForCausalLM", "MistralForCausalLM")
NEEDED = (
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "rms_norm_eps",
    "max_position_embeddings",
)
# transformers' own defaults (MistralConfig), which differ from what a missing field means in a LlamaConfig.
NEEDED_OF_MISTRAL = ("num_key_value_heads", "sliding_window")
# The one value of each that this decoder computes; the first is also what a missing field means in transformers.
FIXED: dict[str, tuple[Any, ...]] = {
    "hidden_act": ("silu",),
    "attention_bias": (False, None),
    "mlp_bias": (False, None),
    "sliding_window": (None,),
    "use_sliding_window": (False, None),
    "is_causal": (True,),
    "is_encoder_decoder": (False,),
    "add_cross_attention": (False,),
    "rope_interleaved": (False,),
    "is_llama_config": (True,),
    "pruned_heads": ({}, None),
}


def decoder_config(path: Path) -> decoder.Config:
    """From the config.json at `path`. Raises ConfigError, naming the field, for a model that this decoder cannot be."""
    fields = read_fields(path)
    fields.require("model_type", KIND)
    of_mistral = fields.only("model_type", *FAMILY) == "mistral"
    for name in (*NEEDED, *NEEDED_OF_MISTRAL) if of_mistral else NEEDED:
        fields.require(name, KIND)
    for name, allowed in FIXED.items():
        fields.only(name, *allowed)
    heads, width, depth = (fields.integer(n) for n in ("num_attention_heads", "hidden_size", "num_hidden_layers"))
    kv_heads = heads if fields.take("num_key_value_heads") is None else fields.integer("num_key_value_heads")
    if heads % kv_heads:
        fields.refuse("num_key_value_heads", f"it must divide num_attention_heads, {heads}", "fetch the file again")
    _refuse_architecture(fields)
    _refuse_layer_types(fields, depth)
    context = fields.integer("max_position_embeddings")
    theta, scaling = _rotation(fields, context)
    config = decoder.Config(
        vocabulary=fields.integer("vocab_size"),
        width=width,
        depth=depth,
        heads=heads,
        kv_heads=kv_heads,
        head_width=_head_width(fields, width, heads),
        mlp=fields.integer("intermediate_size"),
        rope_theta=theta,
        epsilon=fields.number("rms_norm_eps"),
        rope_scaling=scaling,
        context=context,
        qk_norm=False,
        learned_beta=False,
        scale_embedding=False,
        tied=bool(fields.only("tie_word_embeddings", False, True, None)),
    )
    fields.pass_over(HARMLESS)
    fields.finish()
    return config


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


def _refuse_architecture(fields: Fields) -> None:
    names = fields.take("architectures")
    if names is not None and (not isinstance(names, list) or any(name not in ARCHITECTURES for name in names)):
        fields.refuse("architectures", f"only {' and '.join(ARCHITECTURES[::2])} are known", "use a model of those")


def _refuse_layer_types(fields: Fields, depth: int) -> None:
    kinds = fields.take("layer_types")
    if kinds is not None and kinds != ["full_attention"] * depth:
        fields.refuse("layer_types", f"every one of the {depth} layers must be 'full_attention'", "use another model")


def _rotation(fields: Fields, context: int) -> tuple[float, rotary.Scaling | None]:
    """theta and the scaling. transformers 5 writes both into rope_parameters, 4 into rope_theta and rope_scaling."""
    stated = [_stated(fields, name, context) for name in ("rope_scaling", "rope_parameters") if fields.take(name)]
    if len(stated) == 2 and stated[0] != stated[1]:
        fields.refuse("rope_scaling", "rope_parameters differs", "remove the one that does not hold")
    return stated[0] if stated else _stated(fields, "rope_parameters", context)


def _stated(fields: Fields, name: str, context: int) -> tuple[float, rotary.Scaling | None]:
    """What the section `name` and the fields at the top say."""
    rope = fields.section(name) or Fields(fields.path, {}, f"{name}.")
    theta = _agreeing(fields, rope, "rope_theta")
    partial = _agreeing(fields, rope, "partial_rotary_factor")
    trained = _agreeing(fields, rope, "original_max_position_embeddings")
    kind = rope.take("rope_type", rope.take("type", "default"))
    if rope.take("type", kind) != kind:
        rope.refuse("type", f"rope_type is {kind!r}", "remove the one that does not hold")
    # In transformers the plain rotation of these models turns whole heads, whatever this field says.
    if kind != "default" and partial not in (None, 1):
        rope.refuse("partial_rotary_factor", "a scaled rotation turns whole heads here", "use another model")
    scaling = _scaling(rope, kind, context, trained)
    rope.finish()
    if theta is None:
        return 10_000.0, scaling
    holder = fields if rope.take("rope_theta") is None else rope
    theta = holder.number("rope_theta")
    if kind == "yarn" and theta <= 1:
        holder.refuse("rope_theta", "YaRN divides by its logarithm, so it must be above 1", "fetch the file again")
    return theta, scaling


def _agreeing(fields: Fields, rope: Fields, name: str) -> Any:
    """A field that stands at the top, among the settings of the rotation, or in both places with one value."""
    outer, inner = fields.take(name), rope.take(name)
    if outer is not None and inner is not None and outer != inner:
        rope.refuse(name, f"{name} is {outer!r} at the top of the file", "remove the one that does not hold")
    return outer if inner is None else inner


def _scaling(rope: Fields, kind: Any, context: int, trained: Any) -> rotary.Scaling | None:
    """`trained`: original_max_position_embeddings, wherever it stands."""
    match kind:
        case "default":
            return None
        case "linear":
            return rotary.Linear(_required(rope, "factor"))
        case "yarn":
            return _yarn(rope, context, _length(rope, context if trained is None else trained))
        case "llama3":
            if trained is None:
                rope.require("original_max_position_embeddings", KIND)
            factor, low, high = (_required(rope, n) for n in ("factor", "low_freq_factor", "high_freq_factor"))
            if low >= high:
                rope.refuse("low_freq_factor", f"it must be below high_freq_factor, {high}", "fetch the file again")
            return rotary.Llama3(factor, _length(rope, trained), low, high)
    raise ConfigError(f"{rope.path}: rope_type {brief(kind)} is not supported; linear, yarn and llama3 are")


def _yarn(rope: Fields, context: int, trained: int) -> rotary.Yarn:
    """As `_compute_yarn_parameters` of transformers' modeling_rope_utils.py."""
    rope.require("factor", KIND)
    factor = context / trained if rope.take("factor") is None else rope.number("factor")
    fast = rope.number("beta_fast") if rope.take("beta_fast") else 32.0
    slow = rope.number("beta_slow") if rope.take("beta_slow") else 1.0
    magnitude = None if rope.take("attention_factor") is None else rope.number("attention_factor")
    mscale, of_all = (rope.number(n) if rope.take(n) else None for n in ("mscale", "mscale_all_dim"))
    if magnitude is None and mscale is not None and of_all is not None and factor > 1:
        grown = 0.1 * math.log(factor)
        magnitude = (mscale * grown + 1.0) / (of_all * grown + 1.0)
    elif magnitude is None and mscale is not None and of_all is not None:
        magnitude = 1.0
    return rotary.Yarn(factor, trained, fast, slow, rope.only("truncate", True, False), magnitude)


def _required(rope: Fields, name: str) -> float:
    rope.require(name, KIND)
    return rope.number(name)


def _length(rope: Fields, value: Any) -> int:
    return Fields(rope.path, {"original_max_position_embeddings": value}).integer("original_max_position_embeddings")
