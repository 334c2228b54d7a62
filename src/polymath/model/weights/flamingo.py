"""open_flamingo's `PerceiverResampler` -> `resampler.Params`."""

from pathlib import Path

import jax.numpy as jnp
from jax.typing import DTypeLike

from polymath.model import resampler
from polymath.model.weights.rules import Rule, Rules, all_names, assemble, check_names, transposed
from polymath.model.weights.tensors import open_tensors


def load_resampler(
    path: Path, config: resampler.Config, dtype: DTypeLike = jnp.float32, shardings: resampler.Params | None = None
) -> resampler.Params:
    """Raises CheckpointError for a missing or extra weight or another shape."""
    tensors, specs, rules = open_tensors(path), resampler.specs(config), _rules(config)
    hint = "set model.resampler to the sizes of the open_flamingo model"
    check_names(rules, specs, tensors, all_names(rules, config.depth), hint)
    return assemble(specs, rules, tensors, dtype, shardings, hint)


def _rules(config: resampler.Config) -> Rules:
    D, H, E = config.width, config.heads, config.head_width
    attention, mlp = "layers.{layer}.0.", "layers.{layer}.1."
    rules = {
        "latents": Rule(("latents",)),
        "blocks.media_scale": Rule((f"{attention}norm_media.weight",)),
        "blocks.media_bias": Rule((f"{attention}norm_media.bias",)),
        "blocks.latent_scale": Rule((f"{attention}norm_latents.weight",)),
        "blocks.latent_bias": Rule((f"{attention}norm_latents.bias",)),
        "blocks.query": Rule((f"{attention}to_q.weight",), lambda w: w.reshape(H, E, D)),
        "blocks.key_value": Rule((f"{attention}to_kv.weight",), lambda w: w.reshape(2, H, E, D)),
        "blocks.out": Rule((f"{attention}to_out.weight",), lambda w: w.T.reshape(H, E, D)),
        "blocks.mlp_scale": Rule((f"{mlp}0.weight",)),
        "blocks.mlp_bias": Rule((f"{mlp}0.bias",)),
        "blocks.up": Rule((f"{mlp}1.weight",)),
        "blocks.down": Rule((f"{mlp}3.weight",), transposed),
        "scale": Rule(("norm.weight",)),
        "bias": Rule(("norm.bias",)),
    }
    return {**rules, "frame_embedding": Rule(("frame_embs",))} if config.frames else rules
