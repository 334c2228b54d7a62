"""How the same mathematics is executed: compute dtype, attention kernel, and what the backward pass recomputes.

`remat` by name; every policy keeps a layer's input, and what is not kept is computed again from it:

    none          everything is kept (as "minimal" where weights are gathered, which are never kept)
    full          nothing else
    attention     the attention's context and the residual stream after it (Praxis' SAVE_CONTEXT_AND_OUT_PROJ)
    projections   those, the queries, keys and values: gate and up are computed again, and the norms
    minimal       the result of every matrix product: only element-wise work is computed again
    offload       as "attention", but the residual stream after it waits in the host's memory
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import PartitionSpec
from jaxtyping import Array, Float

from polymath.errors import ConfigError
from polymath.sharding.products import PRODUCT
from polymath.sharding.sharded_weight import Reduction, is_sharded

Body = Callable[..., tuple[Array, None]]  # of a scan: (residual stream, a layer's weights) -> (residual stream, None)
PROJECTIONS, CONTEXT, AFTER_ATTENTION = "projections", "context", "after attention"
SAVED = {"full": (), "attention": (CONTEXT, AFTER_ATTENTION), "projections": (PROJECTIONS, CONTEXT, AFTER_ATTENTION)}


@dataclass(frozen=True)
class Execution:
    """dtype of activations (weights stay float32 masters); remat: a policy of this file's docstring.

    attention: "auto" takes the device's own kernel (`polymath.model.attention`). micro_batches: the rows of a step are
    split into this many parts, whose gradients are added up. gradient_dtype, gradient_reduction: of gradients on their
    way between devices (`polymath.sharding.sharded_weight.Reduction`). unroll: layers in one turn of the loop over a
    stack (all of a small model's run a quarter faster on a CPU). residual: mesh axis of each of B, S, D of the residual
    stream, heads: that of the attention's heads, as far as the compiler places them; the training step takes both from
    its rules.
    """

    dtype: Literal["float32", "bfloat16"] = "float32"
    remat: Literal["none", "full", "attention", "projections", "minimal", "offload"] = "full"
    attention: Literal["auto", "reference", "splash", "cudnn"] = "auto"
    micro_batches: int = 1
    gradient_dtype: Literal["float32", "bfloat16"] = "float32"
    gradient_reduction: Literal["scatter", "hops"] = "scatter"
    unroll: int = 1
    residual: tuple[str | None, str | None, str | None] | None = None
    heads: str | None = None

    def __post_init__(self) -> None:
        if self.attention == "cudnn" and self.dtype != "bfloat16":
            raise ConfigError(
                "execution.attention=cudnn: cuDNN's kernel has half precision alone, but execution.dtype is "
                f"{self.dtype}; set execution.dtype=bfloat16, or execution.attention=auto"
            )
        if self.micro_batches < 1 or self.unroll < 1:
            raise ConfigError(
                f"execution.micro_batches={self.micro_batches}, execution.unroll={self.unroll}: must be at least 1"
            )

    @property
    def activation_dtype(self) -> np.dtype:
        return jnp.dtype(self.dtype)

    @property
    def reduction(self) -> Reduction:
        return Reduction(self.gradient_dtype, self.gradient_reduction)

    def rematerialise(self, body: Body, weights: object) -> Body:
        """Wrap the body of a layer stack that is scanned over `weights`."""
        if self.remat == "none" and not any(map(is_sharded, jax.tree.leaves(weights, is_leaf=is_sharded))):
            return body
        return jax.checkpoint(body, prevent_cse=False, policy=remat_policy(self.remat))

    def place_residual(self, x: Float[Array, "B S D"]) -> Float[Array, "B S D"]:
        """The residual stream where the sharding rules want it."""
        if self.residual is None:
            return x
        return jax.lax.with_sharding_constraint(x, PartitionSpec(*self.residual))


PLAIN = Execution(remat="none")


def remat_policy(name: str) -> Callable[..., bool]:
    """What `jax.checkpoint` may keep, by the names that the decoder gives its values."""
    policies = jax.checkpoint_policies
    if name in SAVED:
        return policies.save_only_these_names(*SAVED[name])
    if name == "offload":
        return policies.save_and_offload_only_these_names(
            names_which_can_be_saved=[CONTEXT],
            names_which_can_be_offloaded=[AFTER_ATTENTION],
            offload_src="device",
            offload_dst="pinned_host",
        )
    return policies.save_from_both_policies(
        policies.dots_with_no_batch_dims_saveable, policies.save_only_these_names(CONTEXT, PRODUCT)
    )
