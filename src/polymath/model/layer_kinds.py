"""Layers of one stack that differ in more than their weights: in how far a query sees, and in how heads are rotated.

    kind        sees                            rotation
    full        every earlier token             that of the model
    sliding     the last `window` tokens        its own base where the model has one (Gemma 3)
    unrotated   every earlier token             none (SmolLM3; Yang et al. 2025, arXiv:2501.18795)

The kinds are scanned beside the stacked weights, as two arrays of one number a layer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name
from jaxtyping import Array, Bool, Float, Int

from polymath.model.attention import Attend

Kind = Literal["full", "sliding", "unrotated"]
KINDS: tuple[Kind, ...] = ("full", "sliding", "unrotated")


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class LayerKinds:
    """Of all layers; in the body of the scan of one, without the leading L. rotation: an index into `KINDS`."""

    sliding: Bool[Array, "*L"]
    rotation: Int[Array, "*L"]


def layer_kinds(layers: Sequence[Kind]) -> LayerKinds | None:
    """None for a stack of like layers, which are all full."""
    if not layers:
        return None
    return LayerKinds(
        sliding=jnp.array([kind == "sliding" for kind in layers]),
        rotation=jnp.array([KINDS.index(kind) for kind in layers], jnp.int32),
    )


def angles_of(kind: LayerKinds | None, angles: Float[Array, "... half"]) -> Float[Array, "B S half"]:
    """One layer's angles out of those of every kind, [kind, B, S, half]; of like layers they are those given."""
    return angles if kind is None else angles[kind.rotation]


def attention_of(kind: LayerKinds | None, full: Attend, sliding: Attend | None, saved_name: str) -> Attend:
    """One layer's attention. sliding: None where no window is shorter than the sequence."""
    if kind is None or sliding is None:
        return full

    def attend(
        query: Float[Array, "B S H E"], key: Float[Array, "B S K E"], value: Float[Array, "B S K E"]
    ) -> Float[Array, "B S H E"]:
        return checkpoint_name(jax.lax.cond(kind.sliding, sliding, full, query, key, value), saved_name)

    return attend


def mask_of(kind: LayerKinds | None, full: Bool[Array, "B S T"], sliding: Bool[Array, "B S T"]) -> Bool[Array, "B S T"]:
    """One layer's mask over the keys of a cache."""
    return full if kind is None else jnp.where(kind.sliding, sliding, full)
