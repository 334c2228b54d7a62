"""A public decoder of one of `families.FAMILIES` in HF's layout.

The gate's β is fixed at 1, and the logits have a matrix of their own unless the file ties it. Rotations are half-split
in HF's files, as ours are. The names of the norms around a residual branch depend on where they stand:

    norms      attention: before             after                      feed-forward: before         after
    before     input_layernorm                                          post_attention_layernorm
    both       input_layernorm               post_attention_layernorm   pre_feedforward_layernorm    post_feedforward_…
    after                                    post_attention_layernorm                                post_feedforward_…
"""

import re
from collections.abc import Iterable
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from polymath.errors import CheckpointError
from polymath.model import decoder
from polymath.model.weights.rules import Rule, Rules, all_names, assemble, check_names, transposed
from polymath.model.weights.tensors import Tensors, open_tensors


def load_decoder(
    path: Path, config: decoder.Config, dtype: DTypeLike = jnp.float32, shardings: decoder.Params | None = None
) -> decoder.Params:
    """The weights of `config` (see `decoder_config`), streamed onto `shardings`.

    Raises CheckpointError for a missing or extra weight or another shape, and for a vocabulary of another size.
    """
    tensors = open_tensors(path)
    embedding = tensors.shapes.get("model.embed_tokens.weight")
    if embedding is None:
        raise CheckpointError(
            f"{path}: no tensor 'model.embed_tokens.weight'; this is no public decoder of a known family"
        )
    if len(embedding) != 2:
        raise CheckpointError(
            f"{path}: tensor 'model.embed_tokens.weight' has shape {list(embedding)}, but an embedding is [vocabulary, "
            "width]; fetch the whole checkpoint again"
        )
    if embedding[0] != config.vocabulary:
        raise CheckpointError(
            f"{path}: a vocabulary of {embedding[0]:,} entries, but decoder.vocabulary is {config.vocabulary:,}; use "
            "the tokenizer that came with these weights, or set decoder.vocabulary"
        )
    layers = len(_layers(tensors.shapes))
    if config.depth > layers:  # before as many names are written down
        raise CheckpointError(
            f"{path}: holds {layers} layers, but num_hidden_layers in config.json is {config.depth:,}; fetch the whole "
            "checkpoint again"
        )
    fused, specs = any(name.endswith(".qkv_proj.weight") for name in tensors.shapes), decoder.specs(config)
    rules = _rules(config, fused=fused)
    hint = f"it has width {embedding[1]} and {layers} layers; set model.decoder to its sizes"
    unused = {"lm_head.weight"} if config.tied else set()
    inverse = {name for name in tensors.shapes if name.endswith("rotary_emb.inv_freq")}  # of old files; we compute it
    check_names(rules, specs, tensors, all_names(rules, config.depth) | unused | inverse, hint)
    if config.tied and "lm_head.weight" in tensors.shapes:
        _refuse_untied(tensors)
    return assemble(specs, rules, tensors, dtype, shardings, hint)


def _rules(config: decoder.Config, *, fused: bool) -> Rules:
    """fused: the file holds one matrix of queries, keys and values, and one of gate and up (Phi-3)."""
    D, H, K, E = config.width, config.heads, config.kv_heads, config.head_width
    layer = "model.layers.{layer}."
    attention, mlp = f"{layer}self_attn.", f"{layer}mlp."
    rules = {
        "embedding": Rule(("model.embed_tokens.weight",)),
        "norm": Rule(("model.norm.weight",)),
        **_norm_rules(config, layer),
        "blocks.query": Rule((f"{attention}q_proj.weight",), lambda w: w.reshape(H, E, D)),
        "blocks.key_value": Rule(
            (f"{attention}k_proj.weight", f"{attention}v_proj.weight"),
            lambda k, v: np.stack([k.reshape(K, E, D), v.reshape(K, E, D)]),
        ),
        "blocks.out": Rule((f"{attention}o_proj.weight",), lambda w: w.T.reshape(H, E, D)),
        "blocks.gate": Rule((f"{mlp}gate_proj.weight",)),
        "blocks.up": Rule((f"{mlp}up_proj.weight",)),
        "blocks.down": Rule((f"{mlp}down_proj.weight",), transposed),
    }
    if config.qk_norm:
        rules["blocks.query_norm"] = Rule((f"{attention}q_norm.weight",))
        rules["blocks.key_norm"] = Rule((f"{attention}k_norm.weight",))
    if config.qkv_bias:
        rules["blocks.query_bias"] = Rule((f"{attention}q_proj.bias",), lambda b: b.reshape(H, E))
        rules["blocks.key_value_bias"] = Rule(
            (f"{attention}k_proj.bias", f"{attention}v_proj.bias"),
            lambda k, v: np.stack([k.reshape(K, E), v.reshape(K, E)]),
        )
    if fused:
        rules |= _fused_rules(config, attention, mlp)
    return rules if config.tied else {**rules, "output": Rule(("lm_head.weight",))}


def _fused_rules(config: decoder.Config, attention: str, mlp: str) -> Rules:
    D, H, K, E = config.width, config.heads, config.kv_heads, config.head_width
    qkv, gate_up = (f"{attention}qkv_proj.weight",), (f"{mlp}gate_up_proj.weight",)
    return {
        "blocks.query": Rule(qkv, lambda w: w[: H * E].reshape(H, E, D)),
        "blocks.key_value": Rule(qkv, lambda w: w[H * E :].reshape(2, K, E, D)),
        "blocks.gate": Rule(gate_up, lambda w: w[: config.mlp]),
        "blocks.up": Rule(gate_up, lambda w: w[config.mlp :]),
    }


def _norm_rules(config: decoder.Config, layer: str) -> Rules:
    """See the table at the top of this file."""
    names = {
        "before": {"attention_norm": "input", "mlp_norm": "post_attention"},
        "both": {
            "attention_norm": "input",
            "attention_out_norm": "post_attention",
            "mlp_norm": "pre_feedforward",
            "mlp_out_norm": "post_feedforward",
        },
        "after": {"attention_out_norm": "post_attention", "mlp_out_norm": "post_feedforward"},
    }[config.norms]
    return {f"blocks.{ours}": Rule((f"{layer}{theirs}_layernorm.weight",)) for ours, theirs in names.items()}


def _refuse_untied(tensors: Tensors) -> None:
    """A tied model's file may hold its matrix twice; where the two differ, transformers does not tie them."""
    if not np.array_equal(tensors.read("lm_head.weight"), tensors.read("model.embed_tokens.weight")):
        raise CheckpointError(
            f"{tensors.path}: 'lm_head.weight' differs from 'model.embed_tokens.weight', but config.json ties "
            "them; set tie_word_embeddings to false there"
        )


def _layers(names: Iterable[str]) -> set[str]:
    """The numbers of the layers."""
    return {match[1] for name in names if (match := re.match(r"model\.layers\.(\d+)\.", name))}
