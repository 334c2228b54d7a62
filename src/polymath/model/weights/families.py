"""The families of public decoders: what sets each apart from LLaMA, as transformers 5 reads its config.json.

Sources: the `configuration_*.py` and `modeling_*.py` of transformers 5.23 for each model_type.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

OFF: tuple[Any, ...] = (False, None)
SWITCH: tuple[Any, ...] = (False, True, None)


@dataclass(frozen=True)
class Family:
    """architectures: the first is the usual one. settings: fields of `decoder.Config`. required: fields that its
    config.json must have besides `language_config.NEEDED`. fixed: the values that can be computed here, the first of
    which is also what a missing field means. theta, tied: what a missing field means; sliding_theta: of the rotation
    of sliding layers, where it is their own.

    windows: which layers slide, "all", as the file says ("types"), or none; a pattern of n leaves every n-th one full
    where the file names no types. unrotated: every n-th layer has no rotation where the file does not say.
    scales_scores: whether the file says how attention's scores are scaled and capped, and the logits.
    """

    architectures: tuple[str, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    fixed: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    theta: float = 10_000.0
    tied: bool = False
    windows: Literal["none", "all", "types"] = "none"
    pattern: int | None = None
    sliding_theta: float | None = None
    unrotated: int | None = None
    scales_scores: bool = False


SILU, NO_BIAS = {"hidden_act": ("silu",)}, {"attention_bias": OFF}
GEMMA: dict[str, Any] = {"norms": "both", "norm_offset": 1.0, "activation": "gelu", "scale_embedding": True}
GEMMA_NEEDS = ("head_dim", "num_key_value_heads", "query_pre_attn_scalar", "sliding_window")
GEMMA_FIXED: dict[str, tuple[Any, ...]] = {
    **NO_BIAS,
    "hidden_activation": ("gelu_pytorch_tanh",),
    "hidden_act": ("gelu_pytorch_tanh", None),
    "use_bidirectional_attention": OFF,
}

# Phi-3's repositories name the code that became transformers' own.
PHI_CODE = {"AutoConfig": "configuration_phi3.Phi3Config", "AutoModelForCausalLM": "modeling_phi3.Phi3ForCausalLM"}

FAMILIES: dict[str, Family] = {
    "llama": Family(
        ("LlamaForCausalLM", "LLaMAForCausalLM"),
        fixed={
            **SILU,
            **NO_BIAS,
            "sliding_window": (None,),
            "use_sliding_window": OFF,
            "mlp_bias": OFF,
            "rope_interleaved": (False,),
            "is_llama_config": (True,),
            "pruned_heads": ({}, None),
        },
    ),
    "mistral": Family(
        ("MistralForCausalLM",),
        required=("num_key_value_heads", "sliding_window"),
        fixed={**SILU, **NO_BIAS},
        windows="all",
    ),
    "qwen2": Family(
        ("Qwen2ForCausalLM",),
        settings={"qkv_bias": True},
        required=("num_key_value_heads",),
        fixed={**SILU, "use_mrope": OFF, "use_sliding_window": SWITCH, "attention_bias": (True, None)},
        windows="types",
    ),
    "qwen3": Family(
        ("Qwen3ForCausalLM",),
        settings={"qk_norm": True},
        required=("num_key_value_heads", "head_dim"),
        fixed={**SILU, **NO_BIAS, "use_sliding_window": SWITCH},
        windows="types",
    ),
    "smollm3": Family(
        ("SmolLM3ForCausalLM",),
        required=("num_key_value_heads",),
        fixed={**SILU, **NO_BIAS, "mlp_bias": OFF, "sliding_window": (None,), "use_sliding_window": OFF},
        theta=2_000_000.0,
        tied=True,
        unrotated=4,
    ),
    "olmo2": Family(
        ("Olmo2ForCausalLM",),
        settings={"norms": "after", "qk_norm": True, "qk_norm_over": "all heads"},
        fixed={**SILU, **NO_BIAS, "clip_qkv": (None,)},
    ),
    "gemma2": Family(
        ("Gemma2ForCausalLM",),
        settings=GEMMA,
        required=(*GEMMA_NEEDS, "attn_logit_softcapping", "final_logit_softcapping"),
        fixed=GEMMA_FIXED,
        tied=True,
        windows="types",
        pattern=2,
        scales_scores=True,
    ),
    "gemma3_text": Family(
        ("Gemma3ForCausalLM",),
        settings={**GEMMA, "qk_norm": True},
        required=GEMMA_NEEDS,
        fixed={**GEMMA_FIXED, "attn_logit_softcapping": (None,)},
        theta=1_000_000.0,
        sliding_theta=10_000.0,
        tied=True,
        windows="types",
        pattern=6,
        scales_scores=True,
    ),
    "phi3": Family(
        ("Phi3ForCausalLM",),
        fixed={
            **SILU,
            **NO_BIAS,
            "mlp_bias": OFF,
            "lm_head_bias": OFF,
            "full_attn_mod": (1,),
            "interpolate_factor": (1,),
            "auto_map": (None, PHI_CODE, {**PHI_CODE, "AutoTokenizer": "Xenova/gpt-4o"}),
        },
        windows="all",
    ),
}
