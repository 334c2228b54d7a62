"""Where a run's resampler looks in the pictures of an observation; compiled at the first look, never before."""

from functools import partial
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float, UInt8

from polymath.model import polymath_v
from polymath.policy.policy import Policy
from polymath.training.run import Run
from polymath.types import Observation


class Look(NamedTuple):
    """images: what the model is shown, RGB; weights: of each latent over the patches in reading order, summing to 1."""

    images: UInt8[np.ndarray, "C size size 3"]
    weights: Float[np.ndarray, "C Q P"]


class Attention:
    """The attention of the resampler's last layer, mean of its heads, as `polymath_v.latent_attention` defines it.

    It reads the policy's weights beside its answers and shares no state with them, so it may run in another thread.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._program = jax.jit(partial(_weights, policy.run))

    def __call__(self, observation: Observation) -> Look:
        """One look at each camera, in the robot's order.

        Raises DataError for a wrong robot, camera, picture or state.
        """
        images = self._policy.transform.observed(observation).images
        return Look(images, np.asarray(self._program(self._policy.params, images), np.float32))


def _weights(run: Run, params: polymath_v.Params, images: UInt8[Array, "C size size 3"]) -> Float[Array, "C Q P"]:
    return polymath_v.latent_attention(params, run.recipe.model, images)
