"""Weights in 8 bits for inference: a quarter of float32's memory, at the same speed or below.

Every row of a projected matrix is an int8 row with one float32 scale (absolute maximum / 127.5), found by qwix. Where a
layer runs, its rows are multiplied out again, one layer at a time; activations stay in the execution's dtype, so the
arithmetic is that of the unquantised model on rounded weights. Embeddings, norms and biases stay as they are.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Real

from polymath.extras import require
from polymath.model.lora import UNPROJECTED
from polymath.specs import Leaf, Spec


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Quantised:
    """values: int8 [*rows, D] (in the compute dtype once a layer has been cast); scale: float32 [*rows, 1]."""

    values: Real[Leaf, "*rows D"]
    scale: Float[Leaf, "*rows 1"]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.values.shape

    def whole(self) -> Float[Array, "*rows D"]:
        return self.values * self.scale

    def astype(self, dtype: DTypeLike) -> Float[Array, "*rows D"]:
        return self.values.astype(dtype) * self.scale.astype(dtype)

    def __getitem__(self, row: int) -> "Quantised":
        return Quantised(self.values[row], self.scale[row])

    def __iter__(self) -> Iterator["Quantised"]:
        return (self[row] for row in range(len(self.values)))


def is_projected(name: str, spec: Spec) -> bool:
    """Is the weight of that name a matrix that is projected with, and no adapter's?"""
    layered = int(spec.axes[:1] == ("layers",))
    unprojected = ".lora_" in name or re.fullmatch(UNPROJECTED, name.removesuffix(".base"))
    return len(spec.shape) - layered >= 2 and not unprojected


def quantised(weight: Float[Array, "*rows D"]) -> Quantised:
    """A matrix in int8, each row with a scale of its own. Raises ConfigError where qwix is not installed."""
    require("int8", "--dtype int8")
    import qwix

    rows = jax.jit(lambda w: qwix.quantize(w, jnp.int8, channelwise_axes=range(w.ndim - 1)))(weight)
    return Quantised(rows.qvalue, rows.scale)
