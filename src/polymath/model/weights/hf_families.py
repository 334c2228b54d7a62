"""The vision transformers of Hugging Face's transformers that `vit.Config` can be, by `model_type`.

Defaults are those of transformers 5.24: what a missing field of config.json means.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# By transformers' name (transformers/activations.py).
ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_python": "gelu",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu_python_tanh": "gelu_tanh",
    "gelu_new": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "quick_gelu": "quick_gelu",
    "silu": "silu",
    "swish": "silu",
}
SIZES = {
    "hidden_size": "width",
    "intermediate_size": "mlp",
    "num_hidden_layers": "depth",
    "num_attention_heads": "heads",
    "patch_size": "patch",
    "num_register_tokens": "registers",
}


PLAIN = {"registers": 0, "gated": False, "layer_scale": False, "rotary": None}


@dataclass(frozen=True)
class Family:
    """defaults: of the fields that are read; implied: fields of `vit.Config` that all models of the family share.

    only: fields that must have one of these values, the first being the default; biases: fields that say whether the
    tensors of that ending exist, and their default; unused: fields that change nothing.
    """

    defaults: Mapping[str, Any]
    implied: Mapping[str, Any]
    only: Mapping[str, tuple[Any, ...]] = field(default_factory=lambda: {"num_channels": (3,)})
    biases: Mapping[str, tuple[str, bool]] = field(default_factory=dict)
    unused: tuple[str, ...] = ()


BASE = {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "image_size": 224}
OF_PAIRS = {"num_channels": (3,), "qkv_bias": (True, None), "attention_bias": (True, None)}
UNUSED_OF_PAIRS = (
    *("projection_dim", "initializer_factor", "vision_use_head", "dropout", "logit_scale_init_value"),
    *("num_image_tokens", "projector_hidden_act", "vocab_size"),  # of PaliGemma's and LLaVA's vision_config
)
# CLIP's last hidden state in transformers is taken before its last norm, which was trained on the class token alone.
CLIP = Family(
    {**BASE, "intermediate_size": 3072, "patch_size": 32, "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5},
    {**PLAIN, "class_token": True, "norm_before_blocks": True, "final_norm": False},
    OF_PAIRS,
    unused=UNUSED_OF_PAIRS,
)
SIGLIP = Family(
    {**BASE, "intermediate_size": 3072, "patch_size": 16, "hidden_act": "gelu_pytorch_tanh", "layer_norm_eps": 1e-6},
    {**PLAIN, "class_token": False, "norm_before_blocks": False, "final_norm": True},
    OF_PAIRS,
    unused=UNUSED_OF_PAIRS,
)

OF_DINO = {"class_token": True, "norm_before_blocks": False, "final_norm": True, "layer_scale": True}
# As a backbone, transformers gives feature maps of chosen stages; ours are always those behind the last norm. What is
# drawn anew in training alone (drop path, jittered positions) is not done here.
UNUSED_OF_DINO = (
    *("layerscale_value", "drop_path_rate", "hidden_dropout_prob", "attention_probs_dropout_prob", "use_mask_token"),
    *("out_features", "out_indices", "stage_names", "apply_layernorm", "reshape_hidden_states"),
    *("pos_embed_shift", "pos_embed_jitter", "pos_embed_rescale", "return_class_token"),
)
DINOV2 = Family(
    {**BASE, "patch_size": 14, "hidden_act": "gelu", "layer_norm_eps": 1e-6, "mlp_ratio": 4, "use_swiglu_ffn": False},
    {**OF_DINO, "registers": 0, "rotary": None},
    biases={"qkv_bias": (".query.bias", True)},
    unused=UNUSED_OF_DINO,
)
DINOV2_WITH_REGISTERS = Family(
    {**DINOV2.defaults, "patch_size": 16, "num_register_tokens": 4},
    {**OF_DINO, "rotary": None},
    biases=DINOV2.biases,
    unused=UNUSED_OF_DINO,
)
DINOV3 = Family(
    {
        **{**BASE, "hidden_size": 384, "num_attention_heads": 6, "intermediate_size": 1536, "patch_size": 16},
        **{"hidden_act": "gelu", "layer_norm_eps": 1e-5, "num_register_tokens": 0},
        **{"use_gated_mlp": False, "rope_theta": 100.0},
    },
    OF_DINO,
    {"num_channels": (3,), "proj_bias": (True,), "mlp_bias": (True,)},
    {
        "query_bias": ("attention.q_proj.bias", True),
        "key_bias": ("attention.k_proj.bias", False),
        "value_bias": ("attention.v_proj.bias", True),
    },
    UNUSED_OF_DINO,
)
FAMILIES = {
    "clip_vision_model": CLIP,
    "siglip_vision_model": SIGLIP,
    "dinov2": DINOV2,
    "dinov2_with_registers": DINOV2_WITH_REGISTERS,
    "dinov3_vit": DINOV3,
}
WHOLE = {"clip": "clip_vision_model", "siglip": "siglip_vision_model"}
"""Models of pictures and text whose `vision_config` need not name its family, and that family."""
