"""The settings of the rotation in a config.json: base, scaling, and the part of a head that is rotated.

transformers 5 writes them into `rope_parameters`, 4 into `rope_theta` and `rope_scaling` at the top of the file.
"""

import math
from dataclasses import dataclass
from typing import Any

from polymath.errors import ConfigError
from polymath.model import rotary
from polymath.model.weights.families import FAMILIES, Family
from polymath.model.weights.fields import Fields, brief, is_number

KIND = "the config.json of a public decoder"


@dataclass(frozen=True)
class Rotation:
    """theta: the base; sliding_theta: that of sliding layers, None for the same; share: of a head's channels; context:
    the longest sequence of this rotation.
    """

    theta: float
    scaling: rotary.Scaling | None
    context: int
    share: float = 1.0
    sliding_theta: float | None = None


def rotation(fields: Fields, family: Family, context: int) -> Rotation:
    """What the file says of it. Raises ConfigError for settings that are damaged, or that cannot be computed here."""
    if family.sliding_theta is not None:
        return _of_two_kinds(fields, family, context)
    has_share = family is FAMILIES["phi3"]
    names = [name for name in ("rope_scaling", "rope_parameters") if fields.take(name)] or ["rope_parameters"]
    stated = [_stated(fields, fields.section(name), name, context, has_share=has_share) for name in names]
    if stated[0] != stated[-1]:
        fields.refuse("rope_scaling", "rope_parameters differs", "remove the one that does not hold")
    theta, scaling, share = stated[0]
    if isinstance(scaling, rotary.LongRope):
        context = min(context, scaling.trained)  # its factors for longer sequences are others
    return Rotation(family.theta if theta is None else theta, scaling, context, share)


def _of_two_kinds(fields: Fields, family: Family, context: int) -> Rotation:
    """Gemma 3: a section for each kind of layer; in transformers 4 rope_theta, rope_local_base_freq, rope_scaling."""
    sections = fields.section("rope_parameters")
    if sections is None:
        theta = fields.number("rope_theta", family.theta)
        sliding = fields.number("rope_local_base_freq", family.sliding_theta)
        _, scaling, _ = _stated(fields, fields.section("rope_scaling"), "rope_scaling", context)
        return Rotation(theta, scaling, context, sliding_theta=sliding)
    full, scaling, _ = _stated(fields, sections.section("full_attention"), "full_attention", context)
    sliding_base, of_sliding, _ = _stated(fields, sections.section("sliding_attention"), "sliding_attention", context)
    sections.finish()
    if of_sliding is not None:
        sections.refuse("sliding_attention", "only a plain rotation is known there", "use another model")
    return Rotation(full or family.theta, scaling, context, sliding_theta=sliding_base or family.sliding_theta)


def _stated(
    fields: Fields, section: Fields | None, name: str, context: int, *, has_share: bool = False
) -> tuple[float | None, rotary.Scaling | None, float]:
    """Base, scaling and share that a section and the fields at the top say."""
    rope = section or Fields(fields.path, {}, f"{name}.")
    theta = _agreeing(fields, rope, "rope_theta")
    partial = _agreeing(fields, rope, "partial_rotary_factor")
    trained = _agreeing(fields, rope, "original_max_position_embeddings")
    kind = rope.take("rope_type", rope.take("type", "default"))
    if rope.take("type", kind) != kind:
        rope.refuse("type", f"rope_type is {kind!r}", "remove the one that does not hold")
    # In transformers the plain rotation turns whole heads, whatever this field says, in all families but Phi-3.
    if kind != "default" and partial not in (None, 1) and not has_share:
        rope.refuse("partial_rotary_factor", "a scaled rotation turns whole heads here", "use another model")
    scaling = _scaling(rope, kind, context, trained, has_share=has_share)
    share = _share(fields, rope) if has_share else 1.0
    rope.finish()
    if theta is None:
        return None, scaling, share
    holder = fields if rope.take("rope_theta") is None else rope
    theta = holder.number("rope_theta")
    if kind == "yarn" and theta <= 1:
        holder.refuse("rope_theta", "YaRN divides by its logarithm, so it must be above 1", "fetch the file again")
    return theta, scaling, share


def _share(fields: Fields, rope: Fields) -> float:
    name = "partial_rotary_factor"
    return (fields if rope.take(name) is None else rope).number(name, 1.0)


def _agreeing(fields: Fields, rope: Fields, name: str) -> Any:
    """A field that stands at the top, among the settings of the rotation, or in both places with one value."""
    outer, inner = fields.take(name), rope.take(name)
    if outer is not None and inner is not None and outer != inner:
        rope.refuse(name, f"{name} is {outer!r} at the top of the file", "remove the one that does not hold")
    return outer if inner is None else inner


def _scaling(rope: Fields, kind: Any, context: int, trained: Any, *, has_share: bool) -> rotary.Scaling | None:
    """`trained`: original_max_position_embeddings, wherever it stands. has_share: of Phi-3, whose names these are."""
    if has_share and kind != "default":
        kind = "longrope" if kind in ("su", "yarn") else kind
        if kind != "longrope":
            rope.refuse("rope_type" if "rope_type" in rope else "type", "only longrope is known", "use another model")
    match kind:
        case "longrope" if has_share:
            return _long_rope(rope, context, _length(rope, context if trained is None else trained))
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


def _long_rope(rope: Fields, context: int, trained: int) -> rotary.LongRope:
    """As `_compute_longrope_parameters` of transformers, for sequences of at most `trained` tokens."""
    rope.take("long_factor")
    factors = rope.require("short_factor", KIND)
    if not isinstance(factors, list) or not all(is_number(factor) and factor > 0 for factor in factors):
        rope.refuse("short_factor", "it must be a list of positive numbers", "fetch the file again")
    factor = context / trained if rope.take("factor") is None else rope.number("factor")
    magnitude = 1.0 if factor <= 1 else math.sqrt(1 + math.log(factor) / math.log(trained))
    if rope.take("attention_factor") is not None:
        magnitude = rope.number("attention_factor")
    return rotary.LongRope(tuple(map(float, factors)), trained, magnitude)


def _required(rope: Fields, name: str) -> float:
    rope.require(name, KIND)
    return rope.number(name)


def _length(rope: Fields, value: Any) -> int:
    return Fields(rope.path, {"original_max_position_embeddings": value}).integer("original_max_position_embeddings")
