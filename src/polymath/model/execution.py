"""How the same mathematics is executed: compute dtype and what the backward pass recomputes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp


@dataclass(frozen=True)
class Execution:
    """dtype of activations (weights stay float32 masters), and the rematerialisation policy of the decoder's layers.

    remat: "none" saves every intermediate value, "full" only a layer's input, "dots" the results of matrix products.
    """

    dtype: Literal["float32", "bfloat16"] = "float32"
    remat: Literal["none", "full", "dots"] = "full"

    @property
    def activation_dtype(self) -> Any:
        return jnp.dtype(self.dtype)

    def rematerialise(self, body: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap the body of a scanned layer stack."""
        if self.remat == "none":
            return body
        policies = jax.checkpoint_policies
        policy = policies.nothing_saveable if self.remat == "full" else policies.dots_with_no_batch_dims_saveable
        return jax.checkpoint(body, prevent_cse=False, policy=policy)
