"""Bytes that a training step holds on one device, by category: no gathers, no shards, everything is there at once.

N weights, n of them trained; t tokens and i images of a micro-batch; T tokens of a tile of the cross-entropy; a bytes
an activation: 2 in bfloat16, 4 in float32 and on a CPU, for which XLA widens what bfloat16 layers keep.

    weights        4 N
    optimizer      its state
    batch          as loaded; and the next one, on its way while a step computes
    gradients      4 n, and as much again of a micro-batch where there are several

and the largest of what three moments of a step hold beside that:

    loss           activations; of a tile, in bfloat16, logits and their gradient 6 T V, or then that gradient 2 T V
                   and the matrix' 8 V D (4 of a single tile), and beside it the matrix and its lookup's gradient 6 V D;
                   in float32 4 T V + 4 V D; features of the images and the tokens in float32, 24 (i P' d + t D)
    a layer        activations; values and gradients of the widest layer, a t (3 gate and up + 2 D) or the same of the
                   vision transformer, and 3 x 4 bytes a score where no kernel forms them away
    update         4 n of clipped gradients

    activations    a t L kept of the decoder, a i P' l kept of a vision transformer that learns (`remat.kept`), and
                   a i Q r d of the resampler

The factors were read off XLA's buffer assignment of the step compiled for a CPU (`benchmarks/one_gpu.py`).
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from polymath import specs as weights
from polymath.model import polymath_v, vit
from polymath.planning import remat
from polymath.planning.workload import Decoder
from polymath.training import optimizer
from polymath.training.ahead import abstract_batch
from polymath.training.recipe import Recipe

Bytes = dict[str, int]


@dataclass(frozen=True)
class Step:
    """What of a recipe's phase the memory depends on. tokens, images: of a micro-batch; width: bytes an activation.

    flash: a kernel computes the decoder's attention without its scores.
    """

    recipe: Recipe
    phase: str
    decoder: Decoder
    optimizer_bytes: int
    tokens: int
    images: int
    width: int
    flash: bool
    trained: frozenset[str]


def step_of(recipe: Recipe, phase: str, decoder: Decoder, optimizer_bytes: int, platform: str) -> Step:
    """platform: "cpu", "gpu" or "tpu"."""
    execution, layout, stage = recipe.execution, recipe.phase_layout(phase), recipe.phase(phase)
    rows, half = -(-stage.rows // execution.micro_batches), execution.dtype == "bfloat16"
    factors = optimizer.learning_rate_factors(stage.optimizer, polymath_v.specs(recipe.model))
    return Step(
        recipe,
        phase,
        decoder,
        optimizer_bytes,
        tokens=rows * layout.length,
        images=rows * layout.max_images,
        width=2 if half and platform != "cpu" else 4,
        flash=platform == "tpu" or (platform == "gpu" and half),
        trained=frozenset(name for name, factor in factors.items() if factor),
    )


def at_peak(step: Step) -> Bytes:
    """The categories of this file's docstring that are alive at the peak; they add up to it."""
    moments = (_loss(step), _layer(step), _update(step))
    return {name: size for name, size in (_throughout(step) | max(moments, key=_total)).items() if size}


def _total(sizes: Bytes) -> int:
    return sum(sizes.values())


def _throughout(step: Step) -> Bytes:
    stage, execution = step.recipe.phase(step.phase), step.recipe.execution
    specs = dict(weights.named(polymath_v.specs(step.recipe.model)))
    batch = abstract_batch(step.recipe.phase_layout(step.phase), stage.rows, committed=step.recipe.model.committed)
    learning = 4 * _numbers(specs[name].shape for name in step.trained)
    return {
        "weights": 4 * _numbers(spec.shape for spec in specs.values()),
        "optimizer": step.optimizer_bytes,
        "batch": 2 * sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in batch),
        "gradients": learning * (2 if execution.micro_batches > 1 else 1),
    }


def _kept(step: Step) -> int:
    """What waits for the backward pass; of a frozen vision transformer nothing does."""
    policy, model = step.recipe.execution.remat, step.recipe.model
    kept = step.tokens * step.decoder.depth * remat.kept(step.decoder, policy)
    if _vision_learns(step):
        kept += step.images * model.vit.tokens * model.vit.depth * remat.kept(as_decoder(model.vit), policy)
    looking = model.resampler
    return step.width * (kept + step.images * looking.latents * looking.depth * looking.width)


def _loss(step: Step) -> Bytes:
    model, decoder = step.recipe.model, step.decoder
    tile = min(step.recipe.phase(step.phase).loss.tile, step.tokens) * decoder.vocabulary
    matrix, learns = decoder.vocabulary * decoder.width, _table(step) in step.trained
    features = step.images * model.vit.tokens * model.vit.width
    if step.recipe.execution.dtype == "bfloat16":
        added_up = 8 if tile < step.tokens * decoder.vocabulary else 4
        of_tile, beside = max(6 * tile, 2 * tile + added_up * matrix * learns), (2 + 4 * learns) * matrix
    else:
        of_tile, beside = 4 * tile + 4 * matrix * learns, 0
    return {
        "activations": _kept(step),
        "logits of a tile": of_tile,
        "vocabulary's matrix": beside,
        "working set": 24 * (features + step.tokens * decoder.width),
    }


def _table(step: Step) -> str:
    """The name of the matrix that gives the logits."""
    return "decoder.embedding" if step.decoder.tied else "decoder.output"


def _layer(step: Step) -> Bytes:
    model, decoder = step.recipe.model, step.decoder
    length = step.recipe.phase_layout(step.phase).length
    scores = 0 if step.flash else 12 * step.tokens * length * decoder.heads
    widest = step.width * step.tokens * _values(decoder) + scores
    if _vision_learns(step):
        tokens = step.images * model.vit.tokens
        scores = 12 * tokens * model.vit.tokens * model.vit.heads
        widest = max(widest, step.width * tokens * _values(as_decoder(model.vit)) + scores)
    return {"activations": _kept(step), "working set": widest}


def _update(step: Step) -> Bytes:
    specs = dict(weights.named(polymath_v.specs(step.recipe.model)))
    return {"clipped gradients": 4 * _numbers(specs[name].shape for name in step.trained)}


def _vision_learns(step: Step) -> bool:
    return any(name.startswith("vit.") for name in step.trained)


def as_decoder(config: vit.Config) -> Decoder:
    """The vision transformer's blocks in the planner's terms; it has no vocabulary."""
    head_width = config.width // config.heads
    return Decoder(config.depth, config.width, config.heads, config.heads, head_width, config.mlp, 0, config.gated)


def _values(decoder: Decoder) -> int:
    """Values a token that a layer's backward pass holds: of the feed-forward layer, and their gradients."""
    return 3 * (2 if decoder.gated else 1) * decoder.mlp + 2 * decoder.width


def _numbers(shapes: Iterable[tuple[int, ...]]) -> int:
    return sum(map(math.prod, shapes))
