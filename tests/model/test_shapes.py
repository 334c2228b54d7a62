"""The shapes that stand on the fields of each component's weights are those of its specs."""

import dataclasses
import typing

import pytest

from polymath.model import action_head, decoder, polymath_v, resampler, vit
from polymath.specs import Spec

VIT = vit.Config(image_size=8, patch=2, width=28, depth=5, heads=7, mlp=11, registers=6, gated=True, layer_scale=True)
RESAMPLER = resampler.Config(width=28, latents=6, depth=4, heads=3, head_width=9, mlp=13, frames=8)
DECODER = decoder.Config(
    vocabulary=41, width=24, depth=5, heads=6, kv_heads=4, head_width=10, mlp=31, qk_norm=True, tied=False
)
HEAD = action_head.Config(width=24, mlp=17, action_dim=7)
MODEL = polymath_v.Config(VIT, RESAMPLER, DECODER, HEAD, state_dim=10, localizer=8)
VIT_SIZES = {"D": 28, "L": 5, "H": 7, "E": 4, "F": 11, "R": 6, "pixels": 12, "positions": 17, "3": 3}
RESAMPLER_SIZES = {"D": 28, "L": 4, "H": 3, "E": 9, "F": 13, "Q": 6, "frames": 8, "2": 2}
DECODER_SIZES = {"V": 41, "D": 24, "L": 5, "H": 6, "K": 4, "E": 10, "F": 31, "2": 2}
MODEL_SIZES = {"D": 24, "D_vision": 28, "state_dim": 10, "localizer": 8, "Q*D_vision": 168}


def shapes(specs: object) -> list[tuple[str, list[str], Spec]]:
    """(field, axes of its annotation, spec) of every weight of a component, its blocks included."""
    hints = typing.get_type_hints(type(specs))
    fields = []
    for field in dataclasses.fields(specs):  # type: ignore[arg-type]
        value = getattr(specs, field.name)
        if isinstance(value, Spec):
            kind = next((k for k in typing.get_args(hints[field.name]) if k is not type(None)), hints[field.name])
            fields.append((field.name, kind.dim_str.split(), value))
        elif field.name == "blocks":
            fields += shapes(value)
    return fields


@pytest.mark.parametrize(
    ("specs", "sizes"),
    [
        (vit.specs(VIT), VIT_SIZES),
        (resampler.specs(RESAMPLER), RESAMPLER_SIZES),
        (decoder.specs(DECODER), DECODER_SIZES),
        (action_head.specs(HEAD), {"D": 24, "F": 17, "A": 7}),
        (polymath_v.specs(MODEL), MODEL_SIZES),
    ],
)
def test_the_annotation_of_a_weight_is_its_shape(specs: object, sizes: dict[str, int]) -> None:
    weights = shapes(specs)
    assert weights
    for name, axes, spec in weights:
        assert tuple(sizes[axis] for axis in axes) == spec.shape, name


def test_a_weight_that_may_be_missing_says_so() -> None:
    """Every field that some configuration leaves out is `… | None`, and no other."""
    plain = {"norm_before_blocks": False, "final_norm": False, "gated": False, "layer_scale": False}
    switched_off = (
        decoder.specs(dataclasses.replace(DECODER, qk_norm=False, learned_beta=False, tied=True)),
        decoder.specs(dataclasses.replace(DECODER, norms="after")),
        vit.specs(dataclasses.replace(VIT, class_token=False, registers=0, rotary=100.0, **plain)),
        resampler.specs(dataclasses.replace(RESAMPLER, frames=None)),
        polymath_v.specs(dataclasses.replace(MODEL, localizer=0)),
    )
    missing: dict[tuple[type, str], bool] = {}
    for specs in switched_off:
        for part in (specs, getattr(specs, "blocks", None)):
            for name in typing.get_type_hints(type(part)) if part is not None else ():
                missing[type(part), name] = missing.get((type(part), name), False) or getattr(part, name) is None
    for (kind, name), is_missing in missing.items():
        assert (type(None) in typing.get_args(typing.get_type_hints(kind)[name])) == is_missing, name
