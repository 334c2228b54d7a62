"""A trained run as a policy: observations in, action chunks out, many robots in one forward pass."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float

from polymath.data.packing import collate
from polymath.model import polymath_v
from polymath.training.checkpoints import load_params
from polymath.training.run import Run, open_run
from polymath.types import ActionChunk, Batch, Observation


class Policy:
    """Answers observations with the action head: one forward pass gives the whole chunk.

    Observations are answered in groups of 1, 2, 4, … `largest_group`, so that only a few shapes are ever compiled; an
    answer does not depend on what else is in its group.
    """

    def __init__(self, run: Run, params: polymath_v.Params, name: str, largest_group: int = 16) -> None:
        self.run, self.name, self.params = run, name, params
        self._transform, self._largest_group = run.transform, largest_group
        layout = run.recipe.layout
        cameras = len(run.embodiment.cameras)
        self._layout = replace(layout, max_images=cameras, max_control_steps=1)
        self._forward = jax.jit(self._chunks)

    @classmethod
    def load(cls, path: Path, name: str | None = None) -> "Policy":
        """The newest weights of the run's robot phase. Raises ConfigError or CheckpointError if it is incomplete."""
        run = open_run(path)
        params = load_params(run.checkpoints("robot"), run.recipe.model, run.recipe.robot.optimizer)
        return cls(run, params, name or Path(path).name)

    def act(self, observations: Sequence[Observation]) -> list[ActionChunk]:
        """One action chunk per observation. Raises DataError for a wrong robot, camera, picture or state."""
        prompts = [self._transform.prompt([observation]) for observation in observations]
        chunks: list[ActionChunk] = []
        for start in range(0, len(prompts), self._largest_group):
            group = prompts[start : start + self._largest_group]
            size = 1 << (len(group) - 1).bit_length()
            padded = group + [group[-1]] * (size - len(group))
            batch = collate([[prompt] for prompt in padded], self._layout)
            actions = np.asarray(self._forward(self.params, batch))
            chunks += [self._transform.chunk(actions[i]) for i in range(len(group))]
        return chunks

    def _chunks(self, params: Any, batch: Batch) -> Float[Array, "B W A"]:
        outputs = polymath_v.forward(params, self.run.recipe.model, batch, self.run.recipe.execution)
        return outputs.actions[:, -1]
