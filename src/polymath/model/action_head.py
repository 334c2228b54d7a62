"""Action head: the hidden states at the W `<act:i>` readout positions -> a chunk of W normalised actions."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from polymath.model.layers import project
from polymath.sharding.sharded_weight import gather_weights
from polymath.specs import Constant, Leaf, Normal, Spec


@dataclass(frozen=True)
class Config:
    width: int
    mlp: int
    action_dim: int


@jax.tree_util.register_dataclass
@dataclass
class Params:
    up: Float[Leaf, "F D"]
    up_bias: Float[Leaf, " F"]
    out: Float[Leaf, "A F"]
    out_bias: Float[Leaf, " A"]


def specs(config: Config) -> Params:
    D, F, A = config.width, config.mlp, config.action_dim
    return Params(
        up=Spec((F, D), ("mlp", "embed"), Normal(D)),
        up_bias=Spec((F,), ("mlp",), Constant(0.0)),
        out=Spec((A, F), (None, "mlp"), Normal(F, 0.1)),
        out_bias=Spec((A,), (None,), Constant(0.0)),
    )


def forward(params: Params, readouts: Float[Array, "... W D"]) -> Float[Array, "... W A"]:
    """Normalised actions in float32; nothing bounds them (the targets lie in [-1, 1] but for outliers)."""
    params = gather_weights(params, jnp.float32)
    x = jax.nn.gelu(project(readouts.astype(jnp.float32), params.up) + params.up_bias, approximate=False)
    return project(x, params.out) + params.out_bias
