"""The config.json files of published models, as they stand in their repositories, and the parameters that they give.

The totals are those of the models' safetensors indices (`metadata.total_size` over the bytes of a number).
"""

import json
from pathlib import Path
from typing import Any

import pytest

from polymath import specs as weights
from polymath.errors import ConfigError
from polymath.model import decoder, rotary
from polymath.model.weights import decoder_config

COMMON = {"attention_dropout": 0.0, "initializer_range": 0.02, "torch_dtype": "bfloat16", "use_cache": True}
QWEN = {**COMMON, "bos_token_id": 151643, "eos_token_id": 151645, "hidden_act": "silu", "rms_norm_eps": 1e-06,
        "rope_theta": 1000000.0, "tie_word_embeddings": True, "use_sliding_window": False,
        "vocab_size": 151936}  # fmt: skip
GEMMA = {**COMMON, "attention_bias": False, "bos_token_id": 2, "cache_implementation": "hybrid", "eos_token_id": 1,
         "head_dim": 256, "hidden_activation": "gelu_pytorch_tanh", "num_hidden_layers": 26, "pad_token_id": 0,
         "query_pre_attn_scalar": 256, "rms_norm_eps": 1e-06}  # fmt: skip
PHI = {**COMMON, "architectures": ["Phi3ForCausalLM"], "attention_bias": False, "embd_pdrop": 0.0,
       "hidden_act": "silu", "hidden_size": 3072, "intermediate_size": 8192, "model_type": "phi3",
       "num_hidden_layers": 32, "resid_pdrop": 0.0, "original_max_position_embeddings": 4096, "rms_norm_eps": 1e-05,
       "rope_theta": 10000.0}  # fmt: skip
CODE = {"AutoConfig": "configuration_phi3.Phi3Config", "AutoModelForCausalLM": "modeling_phi3.Phi3ForCausalLM"}

MODELS: dict[str, tuple[int, dict[str, Any]]] = {
    "Qwen2.5-0.5B": (494_032_768, {
        **QWEN, "architectures": ["Qwen2ForCausalLM"], "hidden_size": 896, "intermediate_size": 4864,
        "max_position_embeddings": 32768, "max_window_layers": 24, "model_type": "qwen2", "num_attention_heads": 14,
        "num_hidden_layers": 24, "num_key_value_heads": 2, "sliding_window": 32768, "use_mrope": False}),
    "Qwen3-0.6B": (596_049_920, {
        **QWEN, "architectures": ["Qwen3ForCausalLM"], "attention_bias": False, "head_dim": 128, "hidden_size": 1024,
        "intermediate_size": 3072, "max_position_embeddings": 40960, "max_window_layers": 28, "model_type": "qwen3",
        "num_attention_heads": 16, "num_hidden_layers": 28, "num_key_value_heads": 8, "rope_scaling": None,
        "sliding_window": None}),
    "Llama-3.2-1B": (1_235_814_400, {
        **COMMON, "architectures": ["LlamaForCausalLM"], "attention_bias": False, "bos_token_id": 128000,
        "eos_token_id": 128001, "head_dim": 64, "hidden_act": "silu", "hidden_size": 2048, "intermediate_size": 8192,
        "max_position_embeddings": 131072, "mlp_bias": False, "model_type": "llama", "num_attention_heads": 32,
        "num_hidden_layers": 16, "num_key_value_heads": 8, "pretraining_tp": 1, "rms_norm_eps": 1e-05,
        "rope_scaling": {"factor": 32.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0,
                         "original_max_position_embeddings": 8192, "rope_type": "llama3"},
        "rope_theta": 500000.0, "tie_word_embeddings": True, "vocab_size": 128256}),
    "SmolLM2-360M": (361_821_120, {
        **COMMON, "architectures": ["LlamaForCausalLM"], "attention_bias": False, "bos_token_id": 0, "eos_token_id": 0,
        "hidden_act": "silu", "hidden_size": 960, "intermediate_size": 2560, "is_llama_config": True,
        "max_position_embeddings": 8192, "mlp_bias": False, "model_type": "llama", "num_attention_heads": 15,
        "num_hidden_layers": 32, "num_key_value_heads": 5, "pretraining_tp": 1, "rms_norm_eps": 1e-05,
        "rope_interleaved": False, "rope_scaling": None, "rope_theta": 100000, "tie_word_embeddings": True,
        "vocab_size": 49152}),
    "SmolLM3-3B": (3_075_098_624, {
        **COMMON, "architectures": ["SmolLM3ForCausalLM"], "attention_bias": False, "bos_token_id": None,
        "eos_token_id": 128012, "hidden_act": "silu", "hidden_size": 2048, "intermediate_size": 11008,
        "layer_types": ["full_attention"] * 36, "max_position_embeddings": 65536, "max_window_layers": 28,
        "mlp_bias": False, "model_type": "smollm3", "no_rope_layer_interval": 4, "no_rope_layers": [1, 1, 1, 0] * 9,
        "num_attention_heads": 16, "num_hidden_layers": 36, "num_key_value_heads": 4, "pad_token_id": 128004,
        "pretraining_tp": 2, "rms_norm_eps": 1e-06, "rope_scaling": None, "rope_theta": 5000000.0,
        "sliding_window": None, "use_sliding_window": False, "vocab_size": 128256}),
    "Mistral-7B-v0.1": (7_241_732_096, {
        **COMMON, "architectures": ["MistralForCausalLM"], "bos_token_id": 1, "eos_token_id": 2, "hidden_act": "silu",
        "hidden_size": 4096, "intermediate_size": 14336, "max_position_embeddings": 32768, "model_type": "mistral",
        "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 8, "rms_norm_eps": 1e-05,
        "rope_theta": 10000.0, "sliding_window": 4096, "tie_word_embeddings": False, "vocab_size": 32000}),
    "OLMo-2-0425-1B": (1_484_916_736, {
        **COMMON, "architectures": ["Olmo2ForCausalLM"], "attention_bias": False, "eos_token_id": 100257,
        "hidden_act": "silu", "hidden_size": 2048, "intermediate_size": 8192, "max_position_embeddings": 4096,
        "model_type": "olmo2", "num_attention_heads": 16, "num_hidden_layers": 16, "num_key_value_heads": 16,
        "pad_token_id": 100277, "rms_norm_eps": 1e-06, "rope_scaling": None, "rope_theta": 500000,
        "tie_word_embeddings": False, "vocab_size": 100352}),
    "gemma-2-2b": (2_614_341_888, {
        **GEMMA, "architectures": ["Gemma2ForCausalLM"], "attn_logit_softcapping": 50.0,
        "final_logit_softcapping": 30.0, "hidden_act": "gelu_pytorch_tanh", "hidden_size": 2304,
        "intermediate_size": 9216, "max_position_embeddings": 8192, "model_type": "gemma2", "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "rope_theta": 10000.0, "sliding_window": 4096, "vocab_size": 256000}),
    "gemma-3-1b-pt": (999_885_952, {
        **GEMMA, "architectures": ["Gemma3ForCausalLM"], "attn_logit_softcapping": None,
        "final_logit_softcapping": None, "hidden_size": 1152, "intermediate_size": 6912,
        "max_position_embeddings": 32768, "model_type": "gemma3_text", "num_attention_heads": 4,
        "num_key_value_heads": 1, "rope_local_base_freq": 10000, "rope_scaling": None, "rope_theta": 1000000,
        "sliding_window": 512, "sliding_window_pattern": 6, "vocab_size": 262144}),
    "Phi-3-mini-4k-instruct": (3_821_079_552, {
        **PHI, "auto_map": CODE, "bos_token_id": 1, "eos_token_id": 32000, "max_position_embeddings": 4096,
        "num_attention_heads": 32, "num_key_value_heads": 32, "pad_token_id": 32000, "rope_scaling": None,
        "sliding_window": 2047, "tie_word_embeddings": False, "vocab_size": 32064}),
    "Phi-4-mini-instruct": (3_836_021_760, {
        **PHI, "auto_map": {**CODE, "AutoTokenizer": "Xenova/gpt-4o"}, "bos_token_id": 199999, "eos_token_id": 199999,
        "full_attn_mod": 1, "interpolate_factor": 1, "lm_head_bias": False, "max_position_embeddings": 131072,
        "mlp_bias": False, "num_attention_heads": 24, "num_key_value_heads": 8, "pad_token_id": 199999,
        "partial_rotary_factor": 0.75, "rope_scaling": {"long_factor": [1.0] * 48, "short_factor": [1.0] * 48,
                                                        "type": "longrope"},
        "sliding_window": 262144, "tie_word_embeddings": True, "vocab_size": 200064}),
}  # fmt: skip


def read(folder: Path, name: str, **changes: Any) -> decoder.Config:
    settings = {field: value for field, value in {**MODELS[name][1], **changes}.items() if value is not ...}
    (folder / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    return decoder_config(folder / "config.json")


@pytest.mark.parametrize("name", list(MODELS))
def test_a_published_model_has_its_parameters(tmp_path: Path, name: str) -> None:
    assert weights.count(decoder.specs(read(tmp_path, name))) == MODELS[name][0]


def test_what_sets_each_apart(tmp_path: Path) -> None:
    smol, mistral = read(tmp_path, "SmolLM3-3B"), read(tmp_path, "Mistral-7B-v0.1")
    assert smol.layers == ("full", "full", "full", "unrotated") * 9
    assert smol.tied  # a missing field means so
    assert (mistral.layers, mistral.window) == (("sliding",) * 32, 4096)
    second, third = read(tmp_path, "gemma-2-2b"), read(tmp_path, "gemma-3-1b-pt")
    assert second.layers == ("sliding", "full") * 13
    assert (second.attention_cap, second.logit_cap, second.query_scale) == (50.0, 30.0, None)
    assert third.layers == (("sliding",) * 5 + ("full",)) * 4 + ("sliding",) * 2
    assert (third.rope_theta, third.sliding_rope_theta, third.window) == (1e6, 1e4, 512)
    phi = read(tmp_path, "Phi-4-mini-instruct")
    assert (phi.head_width, phi.rotary_width, phi.layers, phi.context) == (128, 96, (), 4096)
    assert isinstance(phi.rope_scaling, rotary.LongRope)
    assert phi.rope_scaling.magnitude == pytest.approx(1.19023807)  # sqrt(1 + ln 32 / ln 4096)


def test_a_window_that_no_sequence_fills_is_no_obstacle(tmp_path: Path) -> None:
    config = read(tmp_path, "Mistral-7B-v0.1", max_position_embeddings=4096)
    assert (config.layers, config.window) == ((), None)
    qwen = read(tmp_path, "Qwen2.5-0.5B", use_sliding_window=True, sliding_window=1024, max_window_layers=20)
    assert qwen.layers == ("full",) * 20 + ("sliding",) * 4
    assert read(tmp_path, "Qwen2.5-0.5B", use_sliding_window=True).layers == ()


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("Qwen3-0.6B", "attention_bias", True),
        ("Qwen3-0.6B", "head_dim", ...),
        ("Qwen3-0.6B", "layer_types", ["full_attention"] * 27),
        ("Qwen3-0.6B", "layer_types", ["sliding_attention"] * 28),
        ("Qwen3-0.6B", "architectures", ["Qwen3MoeForCausalLM"]),
        ("Qwen3-0.6B", "model_type", "qwen3_moe"),
        ("Qwen3-0.6B", "num_experts", 8),
        ("Qwen2.5-0.5B", "use_mrope", True),
        ("Qwen2.5-0.5B", "max_window_layers", "24"),
        ("SmolLM3-3B", "use_sliding_window", True),
        ("SmolLM3-3B", "no_rope_layers", [1, 1, 1, 0]),
        ("SmolLM3-3B", "no_rope_layers", [2] * 36),
        ("SmolLM3-3B", "no_rope_layer_interval", 0),
        ("Mistral-7B-v0.1", "layer_types", ["full_attention"] * 32),
        ("OLMo-2-0425-1B", "clip_qkv", 8.0),
        ("OLMo-2-0425-1B", "sliding_window", 4096),
        ("gemma-2-2b", "hidden_activation", "gelu"),
        ("gemma-2-2b", "attn_logit_softcapping", ...),
        ("gemma-2-2b", "query_pre_attn_scalar", 0),
        ("gemma-2-2b", "use_bidirectional_attention", True),
        ("gemma-3-1b-pt", "attn_logit_softcapping", 50.0),
        ("gemma-3-1b-pt", "rope_scaling", {"rope_type": "dynamic", "factor": 2.0}),
        ("gemma-3-1b-pt", "rope_parameters", {"full_attention": {"rope_theta": 1e6}, "chunked_attention": {}}),
        ("gemma-3-1b-pt", "rope_parameters", {"sliding_attention": {"rope_type": "linear", "factor": 2.0}}),
        ("Phi-3-mini-4k-instruct", "auto_map", {**CODE, "AutoModelForCausalLM": "modeling_mine.Phi3ForCausalLM"}),
        ("Phi-3-mini-4k-instruct", "rope_scaling", {"type": "linear", "factor": 2.0}),
        ("Phi-4-mini-instruct", "partial_rotary_factor", 0.01),
        ("Phi-4-mini-instruct", "rope_scaling", {"type": "longrope", "long_factor": [1.0] * 48}),
        ("Phi-4-mini-instruct", "rope_scaling", {"type": "longrope", "short_factor": [0.0] * 48}),
        ("Phi-4-mini-instruct", "rope_scaling", {"type": "longrope", "short_factor": [1.0] * 47}),
    ],
)
def test_what_is_not_honoured_is_refused_by_name(tmp_path: Path, name: str, field: str, value: Any) -> None:
    with pytest.raises(ConfigError) as raised:
        read(tmp_path, name, **{field: value})
    message = str(raised.value)
    assert "config.json: " in message
    assert "\n" not in message
    assert ("rope_" if field.startswith("rope_") else field) in message or "_attention" in message
