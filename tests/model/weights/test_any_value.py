"""Any JSON value in any field of a published folder is read, or refused in one line that names the file."""

import functools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from polymath import config as configs
from polymath.errors import PolymathError
from polymath.model import rotary, vit
from polymath.model.weights import decoder_config, hf_clip, open_clip, timm
from polymath.model.weights.vision_config import check_description

FIXTURES = Path(__file__).parents[2] / "fixtures"
LLAMA = json.loads((FIXTURES / "llama" / "plain" / "config.json").read_text())
CLIP = json.loads((FIXTURES / "vision" / "hf_clip_gelu" / "config.json").read_text())
VIT = configs.from_dict(vit.Config, json.loads((FIXTURES / "vision" / "open_clip.json").read_text())["config"])
YARN = {
    **{"rope_type": "yarn", "rope_theta": 1000.0, "factor": 4.0, "original_max_position_embeddings": 32},
    **{"beta_fast": 32.0, "beta_slow": 1.0, "attention_factor": None, "mscale": 1.0, "mscale_all_dim": 0.5},
}
TOWER = {"image_size": 28, "layers": 2, "width": 40, "head_width": 10, "mlp_ratio": 2.4, "patch_size": 14}
PIXELS = {"mean": list(VIT.mean), "std": list(VIT.std)}
FOLDERS: dict[str, tuple[Any, str, dict[str, Any]]] = {
    "clip": (hf_clip.LAYOUT, "config.json", CLIP),
    "whole clip": (hf_clip.LAYOUT, "config.json", {"model_type": "clip", "vision_config": CLIP}),
    "preprocessor": (
        hf_clip.LAYOUT,
        "preprocessor_config.json",
        {"image_mean": list(VIT.mean), "image_std": list(VIT.std), "do_normalize": True, "rescale_factor": 1 / 255},
    ),
    "open_clip": (
        open_clip.LAYOUT,
        "open_clip_config.json",
        {"model_cfg": {"vision_cfg": TOWER, "quick_gelu": False}, "preprocess_cfg": PIXELS},
    ),
    "timm": (timm.LAYOUT, "config.json", {"architecture": "vit", "model_args": {}, "pretrained_cfg": PIXELS}),
}
SHAPES = {
    hf_clip.LAYOUT.name: {"embeddings.position_embedding.weight": (5, 40), "embeddings.class_embedding": (40,)},
    open_clip.LAYOUT.name: {"positional_embedding": (5, 40), "class_embedding": (40,)},
    timm.LAYOUT.name: {"patch_embed.proj.weight": (40, 3, 14, 14), "pos_embed": (1, 5, 40)},
}
scalars = st.none() | st.booleans() | st.integers(-3, 3) | st.integers() | st.floats() | st.text(max_size=5)
values = scalars | st.lists(scalars, max_size=3) | st.dictionaries(st.text(max_size=5), scalars, max_size=2)
EXTREMES = (10**400, -(10**400), 1e308, 5e-324, float("nan"), [[]], {"": {}})


def edits(fields: dict[str, Any], value: Any) -> list[dict[str, Any]]:
    """The object with the value in the place of each field in turn, also of those inside other objects."""
    edited = []
    for name, old in fields.items():
        edited.append({**fields, name: value})
        if isinstance(old, dict):
            edited += [{**fields, name: inner} for inner in edits(old, value)]
    return edited


@functools.cache
def finite_rotation(head_width: int, theta: float, scaling: rotary.Scaling | None) -> bool:
    return bool(np.isfinite(rotary.frequencies(head_width, theta, scaling)).all())


def check_one_line(error: PolymathError, path: Path) -> None:
    assert str(error).startswith(f"{path}: ")
    assert "\n" not in str(error)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values)
@example(EXTREMES[0])
@example(EXTREMES[1])
@example(EXTREMES[2])
@example(EXTREMES[3])
@example(EXTREMES[4])
@example(EXTREMES[5])
@example(EXTREMES[6])
def test_of_a_decoder(tmp_path: Path, value: Any) -> None:
    """What is read has finite frequencies, too."""
    path = tmp_path / "config.json"
    for fields in edits({**LLAMA, "rope_parameters": YARN}, value):
        path.write_text(json.dumps(fields))
        try:
            config = decoder_config(path)
        except PolymathError as error:
            check_one_line(error, path)
        else:
            assert finite_rotation(min(config.head_width, 64), config.rope_theta, config.rope_scaling)


@pytest.mark.parametrize("name", FOLDERS)
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values)
@example(EXTREMES[0])
@example(EXTREMES[1])
@example(EXTREMES[2])
@example(EXTREMES[3])
@example(EXTREMES[4])
@example(EXTREMES[5])
@example(EXTREMES[6])
def test_of_a_vision_transformer(tmp_path: Path, name: str, value: Any) -> None:
    layout, file, fields = FOLDERS[name]
    for edited in edits(fields, value):
        (tmp_path / file).write_text(json.dumps(edited))
        try:
            check_description(tmp_path, layout, VIT, SHAPES[layout.name])
        except PolymathError as error:
            check_one_line(error, tmp_path / file)
