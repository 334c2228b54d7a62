"""Policies that need no training, for comparison.

The proprioception-only and the no-language baselines are no code here: they are run directories trained with the images
or the instruction blanked, evaluated like any other policy.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from polymath.types import ActionChunk, Observation


@dataclass(frozen=True)
class RandomPolicy:
    """Uniform actions in [-1, 1]; a pure function of (seed, observation), so independent of batches and workers."""

    action_dim: int
    chunk_length: int
    seed: int = 0
    name: str = "random"

    def act(self, observations: Sequence[Observation]) -> list[ActionChunk]:
        """One chunk of float32 [chunk_length, action_dim] per observation."""
        return [self._chunk(observation) for observation in observations]

    def _chunk(self, observation: Observation) -> ActionChunk:
        digest = zlib.crc32(observation.instruction.encode() + observation.state.tobytes())
        for camera in sorted(observation.images):
            digest = zlib.crc32(observation.images[camera].tobytes(), digest)
        rng = np.random.Generator(np.random.PCG64([self.seed, digest]))
        return ActionChunk(rng.uniform(-1, 1, (self.chunk_length, self.action_dim)).astype(np.float32))
