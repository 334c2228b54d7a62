"""A decoder of the LLaMA family (Llama 1 to 3, TinyLlama, Mistral without a sliding window) in HF's layout.

The gate is Swish with β fixed at 1, there is no QK-norm, embeddings are not scaled, and the logits have a matrix of
their own unless the file ties it. Rotations are half-split in HF's files, as ours are.
"""

import json
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from polymath.errors import CheckpointError, ConfigError
from polymath.model import decoder, rotary
from polymath.model.weights.rules import Rule, Rules, all_names, assemble, check_names, transposed
from polymath.model.weights.tensors import open_tensors

FAMILY = ("llama", "mistral")
NEEDED = (
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "rms_norm_eps",
    "max_position_embeddings",
)


def load_decoder(path: Path, config: decoder.Config, dtype: Any = jnp.float32, shardings: Any = None) -> decoder.Params:
    """The weights of `config` (see `decoder_config`), streamed onto `shardings`.

    Raises CheckpointError for a missing or extra weight or another shape, and for a vocabulary of another size.
    """
    tensors = open_tensors(path)
    rules, specs = _rules(config), decoder.specs(config)
    embedding = tensors.shapes.get("model.embed_tokens.weight")
    if embedding is None:
        raise CheckpointError(f"{path}: no tensor 'model.embed_tokens.weight'; this is no decoder of the LLaMA family")
    if embedding[0] != config.vocabulary:
        raise CheckpointError(
            f"{path}: a vocabulary of {embedding[0]:,} entries, but decoder.vocabulary is {config.vocabulary:,}; use "
            "the tokenizer that came with these weights, or set decoder.vocabulary"
        )
    hint = f"it has width {embedding[1]} and {len(_layers(tensors.shapes))} layers; set model.decoder to its sizes"
    unused = {"lm_head.weight"} if config.tied else set()
    inverse = {name for name in tensors.shapes if name.endswith("rotary_emb.inv_freq")}  # of old files; we compute it
    check_names(rules, specs, tensors, all_names(rules, config.depth) | unused | inverse, hint)
    return assemble(specs, rules, tensors, dtype, shardings, hint)


def decoder_config(path: Path) -> decoder.Config:
    """From HF's config.json. Raises ConfigError for a model that this decoder cannot be, naming the field."""
    values = _read(Path(path))
    _refuse(path, values)
    heads, rope = values["num_attention_heads"], {**values, **(values.get("rope_parameters") or {})}
    return decoder.Config(
        vocabulary=values["vocab_size"],
        width=values["hidden_size"],
        depth=values["num_hidden_layers"],
        heads=heads,
        kv_heads=values.get("num_key_value_heads") or heads,
        head_width=values.get("head_dim") or values["hidden_size"] // heads,
        mlp=values["intermediate_size"],
        rope_theta=float(rope.get("rope_theta", 10_000.0)),
        epsilon=values["rms_norm_eps"],
        rope_scaling=_scaling(path, values.get("rope_scaling") or values.get("rope_parameters"), values),
        context=values["max_position_embeddings"],
        qk_norm=False,
        learned_beta=False,
        scale_embedding=False,
        tied=values.get("tie_word_embeddings", False),
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        values: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; fetch the model with its config.json") from None
    except json.JSONDecodeError as error:
        raise ConfigError(f"{path}: not valid JSON ({error}); fetch it again") from None
    missing = [name for name in NEEDED if name not in values]
    if missing:
        raise ConfigError(
            f"{path}: has no field {missing[0]!r}; is it the config.json of a decoder of the LLaMA family?"
        )
    return values


def _rules(config: decoder.Config) -> Rules:
    D, H, K, E = config.width, config.heads, config.kv_heads, config.head_width
    layer = "model.layers.{layer}."
    attention, mlp = f"{layer}self_attn.", f"{layer}mlp."
    rules = {
        "embedding": Rule(("model.embed_tokens.weight",)),
        "norm": Rule(("model.norm.weight",)),
        "blocks.attention_norm": Rule((f"{layer}input_layernorm.weight",)),
        "blocks.query": Rule((f"{attention}q_proj.weight",), lambda w: w.reshape(H, E, D)),
        "blocks.key_value": Rule(
            (f"{attention}k_proj.weight", f"{attention}v_proj.weight"),
            lambda k, v: np.stack([k.reshape(K, E, D), v.reshape(K, E, D)]),
        ),
        "blocks.out": Rule((f"{attention}o_proj.weight",), lambda w: w.T.reshape(H, E, D)),
        "blocks.mlp_norm": Rule((f"{layer}post_attention_layernorm.weight",)),
        "blocks.gate": Rule((f"{mlp}gate_proj.weight",)),
        "blocks.up": Rule((f"{mlp}up_proj.weight",)),
        "blocks.down": Rule((f"{mlp}down_proj.weight",), transposed),
    }
    return rules if config.tied else {**rules, "output": Rule(("lm_head.weight",))}


def _layers(shapes: Any) -> set[str]:
    return {name.split(".")[2] for name in shapes if name.startswith("model.layers.")}


def _refuse(path: Path, values: dict[str, Any]) -> None:
    for field, allowed in (
        ("model_type", FAMILY),
        ("hidden_act", ("silu",)),
        ("attention_bias", (False, None)),
        ("mlp_bias", (False, None)),
        ("sliding_window", (None,)),
    ):
        if values.get(field) not in allowed:
            raise ConfigError(f"{path}: {field} is {values.get(field)!r}, but the decoder takes {allowed[0]!r} only")


def _scaling(path: Path, scaling: dict[str, Any] | None, values: dict[str, Any]) -> rotary.Scaling | None:
    kind = "default" if scaling is None else scaling.get("rope_type", scaling.get("type", "default"))
    if scaling is None or kind == "default":
        return None
    trained = scaling.get("original_max_position_embeddings") or values["max_position_embeddings"]
    match kind:
        case "linear":
            return rotary.Linear(scaling["factor"])
        case "yarn":
            fast, slow = scaling.get("beta_fast") or 32.0, scaling.get("beta_slow") or 1.0
            return rotary.Yarn(scaling["factor"], trained, fast, slow)
        case "llama3":
            return rotary.Llama3(scaling["factor"], trained, scaling["low_freq_factor"], scaling["high_freq_factor"])
    raise ConfigError(f"{path}: rope_scaling {kind!r} is not supported; linear, yarn and llama3 are")
