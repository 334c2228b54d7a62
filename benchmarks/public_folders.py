"""An aligned run's vision tower and language model as two Hugging Face folders, as a public model would be published.

OUT/vision/    config.json (siglip_vision_model), preprocessor_config.json, model.safetensors
OUT/language/  config.json (qwen3), tokenizer.json without control tokens, model.safetensors

The language model is written as the same function in Qwen 3's form. Its gate Swish_β(g) = silu(β g) / β, so β goes into
the matrices of gate and up; the scale of the embeddings goes into the embeddings, whose matrix for the logits then
stands by itself. What a public pair would lack is left out: the resampler, the projections of state and action, the
action head and the rows of the control tokens.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from polymath.errors import ConfigError
from polymath.files import atomic_directory
from polymath.model import decoder, vit
from polymath.training.checkpoints import load_params
from polymath.training.run import open_whole

Weights = dict[str, np.ndarray]


def write_public_folders(run: Path, out: Path) -> None:
    """Write OUT from the newest checkpoint of the run's alignment; nothing is left half-written.

    Raises ConfigError for a run whose decoder or vision transformer has no such form.
    """
    opened = open_whole(run)
    recipe, control = opened.recipe, opened.tokenizer.control
    if opened.tokenizer.is_public:
        raise ConfigError(f"{run / 'tokenizer.json'}: is a public model's already; use a run of preset demo")
    params = load_params(opened.checkpoints("alignment"), recipe.model, recipe.alignment.optimizer)
    with atomic_directory(out) as folder:
        write_vision(folder / "vision", recipe.model.vit, params.vit)
        write_language(folder / "language", recipe.model.decoder, params.decoder, control.size)
        settings = json.loads((run / "tokenizer.json").read_text(encoding="utf-8"))
        _write_json(folder / "language" / "tokenizer.json", without_control_tokens(settings, control.size))


def write_vision(folder: Path, config: vit.Config, params: vit.Params) -> None:
    """A `SiglipVisionModel` and its image processor."""
    if config.class_token or config.norm_before_blocks or config.registers or config.rotary or config.gated:
        raise ConfigError("model.vit: has parts that SigLIP's vision transformer has not; use a run of preset demo")
    D, patch = config.width, config.patch
    blocks, weights = params.blocks, Weights()
    kernel = np.asarray(params.patch).reshape(patch, patch, 3, D).transpose(3, 2, 0, 1)
    weights["embeddings.patch_embedding.weight"] = kernel
    weights["embeddings.patch_embedding.bias"] = np.asarray(params.patch_bias)
    weights["embeddings.position_embedding.weight"] = np.asarray(params.positions)
    weights["post_layernorm.weight"] = np.asarray(params.post_scale)
    weights["post_layernorm.bias"] = np.asarray(params.post_bias)
    for i in range(config.depth):
        layer: Weights = {
            "layer_norm1.weight": blocks.norm1_scale[i],
            "layer_norm1.bias": blocks.norm1_bias[i],
            "self_attn.out_proj.weight": blocks.out[i].reshape(D, D).T,
            "self_attn.out_proj.bias": blocks.out_bias[i],
            "layer_norm2.weight": blocks.norm2_scale[i],
            "layer_norm2.bias": blocks.norm2_bias[i],
            "mlp.fc1.weight": blocks.up[i],
            "mlp.fc1.bias": blocks.up_bias[i],
            "mlp.fc2.weight": blocks.down[i].T,
            "mlp.fc2.bias": blocks.down_bias[i],
        }
        for place, name in enumerate("qkv"):
            layer[f"self_attn.{name}_proj.weight"] = blocks.qkv[i, place].reshape(D, D)
            layer[f"self_attn.{name}_proj.bias"] = blocks.qkv_bias[i, place].reshape(D)
        weights |= {f"encoder.layers.{i}.{name}": value for name, value in layer.items()}
    description = {
        "model_type": "siglip_vision_model",
        "architectures": ["SiglipVisionModel"],
        "hidden_size": D,
        "intermediate_size": config.mlp,
        "num_hidden_layers": config.depth,
        "num_attention_heads": config.heads,
        "image_size": config.image_size,
        "patch_size": patch,
        "hidden_act": {"gelu": "gelu", "gelu_tanh": "gelu_pytorch_tanh"}[config.activation],
        "layer_norm_eps": config.epsilon,
    }
    _save(folder, description, {f"vision_model.{name}": value for name, value in weights.items()})
    _write_json(folder / "preprocessor_config.json", {"image_mean": config.mean, "image_std": config.std})


def write_language(folder: Path, config: decoder.Config, params: decoder.Params, first: int) -> None:
    """A `Qwen3ForCausalLM` with the embeddings from row `first` on, where text begins."""
    if not (config.qk_norm and config.tied and config.norms == "before" and config.activation == "swish"):
        raise ConfigError("model.decoder: is none that Qwen 3 can be; use a run of preset demo")
    blocks, rows = params.blocks, np.asarray(params.embedding)[first:]
    H, K, E, D = config.heads, config.kv_heads, config.head_width, config.width
    weights: Weights = {
        "model.embed_tokens.weight": rows * np.float32(D**0.5 if config.scale_embedding else 1.0),
        "lm_head.weight": rows,
        "model.norm.weight": np.asarray(params.norm),
    }
    for i in range(config.depth):
        beta = 1.0 if blocks.beta is None else blocks.beta[i]
        layer: Weights = {
            "input_layernorm.weight": blocks.attention_norm[i],
            "self_attn.q_proj.weight": blocks.query[i].reshape(H * E, D),
            "self_attn.k_proj.weight": blocks.key_value[i, 0].reshape(K * E, D),
            "self_attn.v_proj.weight": blocks.key_value[i, 1].reshape(K * E, D),
            "self_attn.q_norm.weight": blocks.query_norm[i],
            "self_attn.k_norm.weight": blocks.key_norm[i],
            "self_attn.o_proj.weight": blocks.out[i].reshape(H * E, D).T,
            "post_attention_layernorm.weight": blocks.mlp_norm[i],
            "mlp.gate_proj.weight": blocks.gate[i] * beta,
            "mlp.up_proj.weight": blocks.up[i] / beta,
            "mlp.down_proj.weight": blocks.down[i].T,
        }
        weights |= {f"model.layers.{i}.{name}": value for name, value in layer.items()}
    description = {
        "model_type": "qwen3",
        "architectures": ["Qwen3ForCausalLM"],
        "vocab_size": len(rows),
        "hidden_size": D,
        "intermediate_size": config.mlp,
        "num_hidden_layers": config.depth,
        "num_attention_heads": H,
        "num_key_value_heads": K,
        "head_dim": E,
        "hidden_act": "silu",
        "max_position_embeddings": config.context,
        "rms_norm_eps": config.epsilon,
        "rope_theta": config.rope_theta,
        "tie_word_embeddings": False,
    }
    _save(folder, description, weights)


def without_control_tokens(settings: dict[str, Any], size: int) -> dict[str, Any]:
    """Our tokenizer.json for the text alone: `size` control tokens are its first ids."""
    vocabulary = {name: number - size for name, number in settings["model"]["vocab"].items() if number >= size}
    return {**settings, "model": {**settings["model"], "vocab": vocabulary}}


def _save(folder: Path, description: dict[str, Any], weights: Weights) -> None:
    folder.mkdir(parents=True)
    save_file({name: np.ascontiguousarray(value) for name, value in weights.items()}, folder / "model.safetensors")
    _write_json(folder / "config.json", description)


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=1) + "\n")
