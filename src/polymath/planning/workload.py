"""What a step computes, as sizes alone: the decoder's dimensions, what stands beside it, the batch.

Any decoder-only transformer fits, so that published runs can be predicted with the very formulas of our own.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal

import jax

from polymath import specs as weights
from polymath.errors import ConfigError
from polymath.model import decoder as decoders
from polymath.model import polymath_v
from polymath.planning.cost import decoder_is_frozen, forward_flops, vision_is_frozen
from polymath.training import optimizer
from polymath.training.recipe import Recipe


@dataclass(frozen=True)
class Decoder:
    """gated: three feed-forward matrices instead of two; parallel: attention and feed-forward read the same norm;
    attention: "flash" never writes the scores to memory, "plain" does; tied: the embedding also gives the logits.
    frozen: its weights have no gradient, as below low-rank adapters, which are then a `Part` of the workload.
    """

    depth: int
    width: int
    heads: int
    kv_heads: int
    head_width: int
    mlp: int
    vocabulary: int
    gated: bool = True
    parallel: bool = False
    tied: bool = True
    attention: Literal["flash", "plain"] = "flash"
    frozen: bool = False

    @property
    def inner(self) -> int:
        """H E."""
        return self.heads * self.head_width

    @property
    def inner_kv(self) -> int:
        """K E."""
        return self.kv_heads * self.head_width

    @property
    def matrices(self) -> dict[str, int]:
        """Parameters of each matrix product of one layer."""
        D = self.width
        return {
            "query": self.inner * D,
            "key_value": 2 * self.inner_kv * D,
            "out": self.inner * D,
            "up": (2 if self.gated else 1) * self.mlp * D,
            "down": self.mlp * D,
        }

    @property
    def layer(self) -> int:
        """Parameters of one layer's matrices."""
        return sum(self.matrices.values())

    @property
    def embedding(self) -> int:
        """Parameters of the embedding, and of the logits' matrix of an untied model."""
        return (1 if self.tied else 2) * self.vocabulary * self.width


@dataclass(frozen=True)
class Part:
    """What is not the decoder: `forward` FLOPs of a sequence; a frozen part has no backward pass and no optimizer."""

    name: str
    parameters: int
    forward: int
    frozen: bool = False


@dataclass(frozen=True)
class Workload:
    """`sequences` of `length` tokens a step. `optimizer_bytes`: the optimizer's whole state."""

    name: str
    decoder: Decoder
    sequences: int
    length: int
    optimizer_bytes: int
    parts: tuple[Part, ...] = ()
    images: int = 0

    @property
    def tokens(self) -> int:
        return self.sequences * self.length

    @property
    def trainable(self) -> int:
        """Parameters that learn; norms and biases, under a thousandth, are left out of a decoder's count."""
        beside = sum(part.parameters for part in self.parts if not part.frozen)
        return beside if self.decoder.frozen else self.language + beside

    @property
    def frozen(self) -> int:
        beside = sum(part.parameters for part in self.parts if part.frozen)
        return beside + self.language if self.decoder.frozen else beside

    @property
    def language(self) -> int:
        """Parameters of the decoder without adapters."""
        return self.decoder.depth * self.decoder.layer + self.decoder.embedding


def of_recipe(
    recipe: Recipe,
    phase: str = "robot",
    batch: int | None = None,
    context: int | None = None,
    images: int | None = None,
) -> Workload:
    """The recipe's step, with another batch (sequences), context (tokens) or number of images a sequence.

    Raises ConfigError for sizes that the model was not made for.
    """
    recipe = resized(recipe, batch, context, images, phase)
    model, layout = recipe.model, recipe.layout
    config, stage, specs = model.decoder, recipe.phase(phase), polymath_v.specs(model)
    forward = forward_flops(model, layout)
    parts = (
        Part("vision", weights.count(specs.vit), forward["vision"], vision_is_frozen(recipe, stage)),
        Part("resampler", weights.count((specs.resampler, specs.projection)), forward["resampler"]),
        Part("action_head", weights.count((specs.action_head, specs.state)), forward["action_head"]),
        *_adapters(specs.decoder, layout.length),
    )
    decoder = Decoder(
        depth=config.depth,
        width=config.width,
        heads=config.heads,
        kv_heads=config.kv_heads,
        head_width=config.head_width,
        mlp=config.mlp,
        vocabulary=config.vocabulary,
        tied=config.tied,
        frozen=decoder_is_frozen(recipe, stage),
    )
    state = jax.eval_shape(
        lambda params: optimizer.init(stage.optimizer, specs, optimizer.split(params, specs, stage.optimizer)[0]),
        weights.abstract(specs),
    )
    statistics = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state))
    return Workload(recipe.name, decoder, stage.rows, layout.length, statistics, parts, layout.max_images)


def _adapters(decoder: decoders.Params, length: int) -> tuple[Part, ...]:
    """Low-rank adapters in the decoder, if it has some: a part of its own, which every token passes."""
    count = sum(math.prod(spec.shape) for name, spec in weights.named(decoder) if ".lora_" in name)
    return (Part("adapters", count, 2 * length * count),) if count else ()


def resized(recipe: Recipe, batch: int | None, context: int | None, images: int | None, phase: str = "robot") -> Recipe:
    """The recipe with another number of sequences, tokens or images of that phase's batch."""
    stage, layout = recipe.phase(phase), recipe.layout
    length = context or stage.length or layout.length
    decoders.check_length(recipe.model.decoder, length)
    count = stage.max_images or layout.max_images if images is None else images
    if count * layout.latents_per_image > length:
        most = length // layout.latents_per_image
        raise ConfigError(f"--images {count}: a sequence of {length} tokens has room for the latents of {most} images")
    layout = replace(layout, length=length, max_images=max(count, 1))
    stage = replace(stage, rows=batch or stage.rows, length=None, max_images=None)
    if phase == "alignment":
        return replace(recipe, layout=layout, alignment=stage)
    return replace(recipe, layout=layout, robot=stage)
