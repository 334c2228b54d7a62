"""Arithmetic and memory of a recipe, from its sizes alone: no weight is drawn.

Matrix products count 2 FLOPs per multiply-add; element-wise work is left out. The letters are the project's, P' are
the patches with the class token and the registers; d, h, e, f the sizes of the vision part. Per sequence of S tokens
with N images and M control steps:

    decoder       2 S L (2 H E D + 2 K E D + 3 D F)
    attention     2 S^2 L H E                        causal: each token sees S/2 others on average
    logits        2 S V D
    vision        N (2 P' l (4 d^2 + 2 d f) + 4 P'^2 l d + 6 P patch^2 d)     3 d f with a gated feed-forward layer
    resampler     N (l (4 Q d h e + 4 (P+Q) d h e + 4 Q (P+Q) h e + 4 Q d f) + 2 Q d (D + localizer))
    action_head   2 M (W (D F + F A) + state_dim D + W (A + 1) D if actions are committed)

Training costs three times the forward pass (the backward pass needs two products for each of its own), but frozen
vision only one, and a frozen decoder's matrices two. What rematerialisation computes twice, and the low-rank adapters,
do not count.
"""

import math
from typing import Any

import jax

from polymath import specs as weights
from polymath.data.sequences.sequence import Layout
from polymath.model import polymath_v
from polymath.training import optimizer
from polymath.training.recipe import Phase, Recipe
from polymath.training.step import init_state


def forward_flops(model: polymath_v.Config, layout: Layout) -> dict[str, int]:
    """FLOPs of one sequence's forward pass, by part; the formulas are those of this file's docstring."""
    d, v, r, a = model.decoder, model.vit, model.resampler, model.action_head
    S, N, M, P, Q = layout.length, layout.max_images, layout.max_control_steps, v.patches, r.latents
    inner, kv, looking = d.heads * d.head_width, d.kv_heads * d.head_width, r.heads * r.head_width
    block = 2 * v.tokens * v.width * (4 * v.width + (2 + v.gated) * v.mlp) + 4 * v.tokens**2 * v.width
    look = 4 * (P + 2 * Q) * r.width * looking + 4 * Q * (P + Q) * looking + 4 * Q * r.width * r.mlp
    committed = layout.chunk_length * (a.action_dim + 1) * d.width if model.committed else 0
    head = layout.chunk_length * a.mlp * (a.width + a.action_dim)
    return {
        "decoder": 2 * S * d.depth * d.width * (2 * inner + 2 * kv + 3 * d.mlp),
        "attention": 2 * S**2 * d.depth * inner,
        "logits": 2 * S * d.vocabulary * d.width,
        "vision": N * (v.depth * block + 6 * P * v.patch**2 * v.width),
        "resampler": N * (r.depth * look + 2 * Q * r.width * (d.width + model.localizer)),
        "action_head": 2 * M * (head + model.state_dim * d.width + committed),
    }


def training_flops_per_token(recipe: Recipe, phase: str = "robot") -> int:
    """FLOPs of a training step divided by its tokens."""
    parts = forward_flops(recipe.model, recipe.layout)
    saved = 2 * parts["vision"] if vision_is_frozen(recipe, recipe.phase(phase)) else 0
    if decoder_is_frozen(recipe, recipe.phase(phase)):
        saved += parts["decoder"] + parts["logits"]
    return (3 * sum(parts.values()) - saved) // recipe.layout.length


def memory_bytes(recipe: Recipe, phase: str = "robot") -> dict[str, int]:
    """Bytes of the weights in bfloat16 (inference), and of a training step's state and gradients in float32.

    The state is the weights, Adafactor's row and column statistics, and a momentum if the recipe has one. Activations
    come on top: they depend on the rows a device takes and on the rematerialisation.
    """
    specs = polymath_v.specs(recipe.model)
    config = recipe.phase(phase).optimizer
    state = jax.eval_shape(lambda params: init_state(recipe.model, config, params), weights.abstract(specs))
    return {
        "weights_bfloat16": 2 * weights.count(specs),
        "training_state": _bytes(state),
        "gradients": _bytes(state.trainable),
    }


def vision_is_frozen(recipe: Recipe, phase: Phase) -> bool:
    factors = optimizer.learning_rate_factors(phase.optimizer, polymath_v.specs(recipe.model))
    return all(factor == 0 for name, factor in factors.items() if name.startswith("vit."))


def decoder_is_frozen(recipe: Recipe, phase: Phase) -> bool:
    """Whether nothing of the decoder learns but low-rank adapters."""
    factors = optimizer.learning_rate_factors(phase.optimizer, polymath_v.specs(recipe.model))
    return all(factor == 0 for name, factor in factors.items() if name.startswith("decoder.") and ".lora_" not in name)


def _bytes(tree: Any) -> int:
    return sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))
