"""The presets for one GPU are as large as the published models, whose files change nothing of them.

The config.json files are those of the Hugging Face hub (Qwen/Qwen3-0.6B, Qwen/Qwen3-1.7B,
google/siglip2-base-patch16-224, google/siglip2-so400m-patch14-224), without fields that say nothing of the sizes.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from polymath.model.weights import decoder_config
from polymath.model.weights.hf_clip import LAYOUT
from polymath.model.weights.hf_vision_config import hugging_face_statements
from polymath.model.weights.pixels import preprocessor_statements
from polymath.model.weights.stated import applied
from polymath.planning.count import count_by_part
from polymath.presets import preset
from polymath.training.language import with_decoder_of
from polymath.training.recipe import Recipe

QWEN3: dict[str, Any] = {
    "architectures": ["Qwen3ForCausalLM"],
    "attention_bias": False,
    "attention_dropout": 0.0,
    "bos_token_id": 151643,
    "eos_token_id": 151645,
    "head_dim": 128,
    "hidden_act": "silu",
    "initializer_range": 0.02,
    "max_position_embeddings": 40960,
    "max_window_layers": 28,
    "model_type": "qwen3",
    "num_attention_heads": 16,
    "num_hidden_layers": 28,
    "num_key_value_heads": 8,
    "rms_norm_eps": 1e-06,
    "rope_scaling": None,
    "rope_theta": 1000000,
    "sliding_window": None,
    "tie_word_embeddings": True,
    "torch_dtype": "bfloat16",
    "use_cache": True,
    "use_sliding_window": False,
    "vocab_size": 151936,
}
LANGUAGE = {
    "polymath_v_600m": {**QWEN3, "hidden_size": 1024, "intermediate_size": 3072},
    "polymath_v_2b": {**QWEN3, "hidden_size": 2048, "intermediate_size": 6144},
}
VISION: dict[str, dict[str, Any]] = {
    "polymath_v_600m": {},  # transformers' defaults are those of B/16 at 224 pixels
    "polymath_v_2b": {
        "hidden_size": 1152,
        "intermediate_size": 4304,
        "num_attention_heads": 16,
        "num_hidden_layers": 27,
        "patch_size": 14,
    },
}
PIXELS = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5], "rescale_factor": 1 / 255}
# Parameters of the published parts, counted by hand from the sizes: embeddings once, SigLIP without its pooling head.
SIZES = {"polymath_v_600m": (596_049_920, 0.70), "polymath_v_2b": (1_720_574_976, 2.17)}


@pytest.fixture(params=LANGUAGE)
def recipe(request: pytest.FixtureRequest) -> Recipe:
    return preset(request.param)


def test_the_decoder_is_the_published_one(recipe: Recipe, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(LANGUAGE[recipe.name]))
    assert with_decoder_of(recipe, tmp_path) == recipe
    published = decoder_config(tmp_path / "config.json")
    count, billions = SIZES[recipe.name]
    parts = count_by_part(replace(recipe.model, decoder=published))
    assert parts["decoder"] + parts["embedding"] == count
    assert count_by_part(recipe.model)["total"] / 1e9 == pytest.approx(billions, abs=0.01)


def test_the_vision_transformer_is_the_published_one(recipe: Recipe, tmp_path: Path) -> None:
    described = {"model_type": "siglip", "vision_config": {"model_type": "siglip_vision_model", **VISION[recipe.name]}}
    (tmp_path / "config.json").write_text(json.dumps(described))
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(PIXELS))
    statements = hugging_face_statements(tmp_path / "config.json", LAYOUT, {}) | preprocessor_statements(tmp_path)
    assert applied(statements, tmp_path) == recipe.model.vit
