"""Every field of a published config.json is applied or refused. The meaning of each is transformers' (5.23):
`LlamaConfig`, `MistralConfig`, `modeling_rope_utils.py`; that applied ones compute the same is in test_replay.py.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from polymath.errors import ConfigError, PolymathError
from polymath.model import decoder, rotary
from polymath.model.weights import decoder_config
from polymath.model.weights.fields import HARMLESS

SETTINGS = json.loads(
    (Path(__file__).parents[2] / "fixtures" / "llama" / "plain" / "config.json").read_text(encoding="utf-8")
)
YARN = {"rope_type": "yarn", "rope_theta": 1000.0, "factor": 4.0, "original_max_position_embeddings": 32}
LLAMA3 = {**YARN, "rope_type": "llama3", "low_freq_factor": 1.0, "high_freq_factor": 4.0}


def written(folder: Path, **changes: Any) -> Path:
    """The toy model's config.json with some fields changed, or left out (...)."""
    settings = {name: value for name, value in {**SETTINGS, **changes}.items() if value is not ...}
    (folder / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    return folder / "config.json"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model_type", "qwen3_moe"),
        ("model_type", ...),
        ("architectures", ["LlamaForSequenceClassification"]),
        ("hidden_act", "gelu"),
        ("hidden_act", None),
        ("attention_bias", True),
        ("mlp_bias", True),
        ("sliding_window", 4096),
        ("layer_types", ["full_attention", "sliding_attention"]),
        ("attn_logit_softcapping", 50.0),
        ("final_logit_softcapping", 30.0),
        ("query_pre_attn_scalar", 256),
        ("logit_scale", 0.0625),
        ("residual_multiplier", 0.22),
        ("embedding_multiplier", 12),
        ("quantization_config", {"quant_method": "fp8"}),
        ("auto_map", {"AutoModelForCausalLM": "modeling.Model"}),
        ("rope_interleaved", True),
        ("is_causal", False),
        ("clip_qkv", 8.0),
        ("no_rope_layers", [0, 1]),
        ("a_field_of_tomorrow", False),
        ("num_attention_heads", None),
        ("num_attention_heads", "4"),
        ("num_attention_heads", 3),
        ("num_hidden_layers", 0),
        ("num_key_value_heads", 3),
        ("head_dim", 7),
        ("rms_norm_eps", 0),
        ("rms_norm_eps", None),
        ("rms_norm_eps", True),
        ("vocab_size", -1),
        ("hidden_size", 32.5),
        ("tie_word_embeddings", "false"),
        ("rope_parameters", "yarn"),
        ("rope_parameters", {"full_attention": {"rope_type": "default"}}),
        ("rope_parameters", {"rope_type": "dynamic", "factor": 2.0}),
        ("rope_parameters", {"rope_type": "default", "factor": 2.0}),
        ("rope_parameters", {"rope_type": "linear"}),
        ("rope_parameters", {"rope_type": "linear", "type": "yarn", "factor": 2.0}),
        ("rope_parameters", {"rope_type": "linear", "factor": 0.0}),
        ("rope_parameters", {**YARN, "partial_rotary_factor": 0.5}),
        ("rope_parameters", {**YARN, "truncate": None}),
        ("rope_parameters", {**YARN, "a_field_of_tomorrow": 1.0}),
        ("rope_parameters", {**YARN, "beta_fast": "32"}),
        ("rope_parameters", {**YARN, "rope_theta": 1}),  # whose logarithm is 0
        ("rope_parameters", {**YARN, "rope_theta": 0.5}),
        ("rope_parameters", {**YARN, "factor": 10**400}),
        ("rope_parameters", {name: value for name, value in YARN.items() if name != "factor"}),
        ("rope_parameters", {**LLAMA3, "low_freq_factor": 4.0}),
        *[("rope_parameters", {k: v for k, v in LLAMA3.items() if k != name}) for name in (*LLAMA3,)[2:]],
        ("rope_theta", 500_000.0),  # rope_parameters says 1,000
        ("rope_scaling", {"rope_type": "linear", "factor": 2.0}),  # rope_parameters says default
    ],
)
def test_what_ours_cannot_compute_is_refused_by_name(tmp_path: Path, field: str, value: Any) -> None:
    with pytest.raises(ConfigError) as raised:
        decoder_config(written(tmp_path, **{field: value}))
    message = str(raised.value)
    assert "config.json: " in message
    assert "\n" not in message
    section = field.startswith("rope_") and isinstance(value, dict)
    assert ("rope_" if section else field) in message


def test_a_base_that_yarn_cannot_take_is_refused_in_settings_too(tmp_path: Path) -> None:
    config: decoder.Config = decoder_config(written(tmp_path, rope_parameters=YARN))
    with pytest.raises(ConfigError, match=r"decoder\.rope_theta=1\.0: YaRN divides by its logarithm"):
        replace(config, rope_theta=1.0)
    old = {"rope_parameters": ..., "rope_scaling": {"type": "yarn", "factor": 2.0}, "rope_theta": 1}
    with pytest.raises(ConfigError, match=r"config\.json: rope_theta is 1, but YaRN divides"):
        decoder_config(written(tmp_path, **old))
    plain = {"rope_type": "default", "rope_theta": 1}
    assert decoder_config(written(tmp_path, rope_parameters=plain)).rope_theta == 1.0


@pytest.mark.parametrize("name", ["vocab_size", "num_attention_heads", "max_position_embeddings"])
def test_a_needed_field_that_is_missing_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=f"has no field '{name}'"):
        decoder_config(written(tmp_path, **{name: ...}))


def test_a_mistral_without_its_window_or_heads_has_transformers_own_defaults(tmp_path: Path) -> None:
    """4,096 tokens and 8 heads there, unlike a missing field in a Llama."""
    mistral = {"model_type": "mistral", "architectures": ["MistralForCausalLM"]}
    assert decoder_config(written(tmp_path, **mistral, sliding_window=None)).kv_heads == 2
    with pytest.raises(ConfigError, match="has no field 'sliding_window'"):
        decoder_config(written(tmp_path, **mistral))
    with pytest.raises(ConfigError, match="has no field 'num_key_value_heads'"):
        decoder_config(written(tmp_path, **mistral, sliding_window=None, num_key_value_heads=...))


def test_missing_and_null_fields_mean_what_they_mean_in_transformers(tmp_path: Path) -> None:
    config = decoder_config(written(tmp_path, head_dim=None, num_key_value_heads=..., rope_parameters=None))
    assert (config.head_width, config.kv_heads, config.rope_theta) == (8, 4, 10_000.0)
    changed = written(tmp_path, layer_types=["full_attention"] * 2, quantization_config=None, hidden_act=...)
    assert decoder_config(changed).depth == 2
    named = dict.fromkeys(HARMLESS, 7)
    assert decoder_config(written(tmp_path, **named)) == decoder_config(written(tmp_path))


@pytest.mark.parametrize(
    ("settings", "scaling"),
    [
        (YARN, rotary.Yarn(4.0, 32)),
        ({**YARN, "beta_fast": 16, "beta_slow": None}, rotary.Yarn(4.0, 32, fast=16.0)),
        ({**YARN, "attention_factor": 1.0, "mscale": 2.0}, rotary.Yarn(4.0, 32, magnitude=1.0)),
        ({**YARN, "mscale": 1.0, "mscale_all_dim": 1.0}, rotary.Yarn(4.0, 32, magnitude=1.0)),
        ({**YARN, "mscale": 1.0}, rotary.Yarn(4.0, 32)),  # it takes both
        ({**YARN, "truncate": False}, rotary.Yarn(4.0, 32, truncate=False)),
        ({**YARN, "factor": None}, rotary.Yarn(128 / 32, 32)),  # of max_position_embeddings
        (LLAMA3, rotary.Llama3(4.0, 32, 1.0, 4.0)),
    ],
)
def test_scalings_are_read_from_both_places(tmp_path: Path, settings: dict[str, Any], scaling: rotary.Scaling) -> None:
    """transformers 5 has all in rope_parameters; 4 has rope_theta at the top, and the older `type`."""
    config = decoder_config(written(tmp_path, rope_parameters=settings))
    assert (config.rope_scaling, config.rope_theta) == (scaling, 1000.0)
    older = {{"rope_type": "type"}.get(name, name): v for name, v in settings.items() if name != "rope_theta"}
    outer = {"rope_parameters": ..., "rope_scaling": older, "rope_theta": 1000.0}
    assert decoder_config(written(tmp_path, **outer)) == config
    trained = older.pop("original_max_position_embeddings")  # where Phi-3 keeps it
    assert decoder_config(written(tmp_path, **outer, original_max_position_embeddings=trained)) == config


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "not valid JSON"),
        ("[1]", "must be a JSON object"),
        ('{"model_type": "llama", "model_type": "qwen2"}', "field 'model_type' stands there twice"),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "a Git LFS pointer"),
    ],
)
def test_a_file_that_is_no_config(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "config.json").write_text(text, encoding="utf-8")
    with pytest.raises(PolymathError, match=complaint):
        decoder_config(tmp_path / "config.json")
    with pytest.raises(ConfigError, match="cannot be read"):
        decoder_config(tmp_path)
