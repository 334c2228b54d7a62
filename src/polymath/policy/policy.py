"""A trained run as a policy: observations in, action chunks out, many robots in one forward pass."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float

from polymath.data.sequences.packing import collate
from polymath.data.sequences.sequence import Document
from polymath.model import int8, polymath_v
from polymath.policy.session import BATCH, EpisodeKey, StatelessSession, Turn, check_sessions
from polymath.training.checkpoints import load_params
from polymath.training.run import Run, open_run
from polymath.types import ActionChunk, Batch, Observation

BUCKET = 32  # a prompt is padded to a multiple of this, so that instructions of any length share few programs


class Policy:
    """Answers observations with the action head: one forward pass gives the whole chunk.

    Observations with prompts of similar lengths are answered in groups of 1, 2, 4, … `largest_group`, so that few
    shapes are compiled; an answer does not depend on what else is in its group.
    """

    def __init__(self, run: Run, params: polymath_v.Params, name: str, largest_group: int = 16) -> None:
        self.run, self.name, self.params = run, name, params
        self._transform, self._largest_group = run.transform, largest_group
        layout = run.recipe.layout
        cameras = len(run.embodiment.cameras)
        self._layout = replace(layout, max_images=cameras, max_control_steps=1)
        self._forward = jax.jit(self._program)

    @classmethod
    def load(cls, path: Path, name: str | None = None) -> "Policy":
        """The newest weights of the run's robot phase. Raises ConfigError or CheckpointError if it is incomplete."""
        run = open_run(path)
        params = load_params(run.checkpoints("robot"), run.recipe.model, run.recipe.robot.optimizer)
        return cls(run, params, name or Path(path).name)

    def in_int8(self) -> "Policy":
        """The same policy with its matrices in 8 bits, named so. Raises ConfigError where qwix is not installed."""
        params = int8.quantise(self.params, polymath_v.specs(self.run.recipe.model))
        return type(self)(self.run, params, f"{self.name}-int8", self._largest_group)

    def act(self, observations: Sequence[Observation]) -> list[ActionChunk]:
        """One action chunk per observation. Raises DataError for a wrong robot, camera, picture or state."""
        prompts = [self._transform.prompt([observation]) for observation in observations]
        lengths = [bucket(len(prompt.tokens), self._layout.length) for prompt in prompts]
        chunks: dict[int, ActionChunk] = {}
        for length in sorted(set(lengths)):
            members = [i for i, other in enumerate(lengths) if other == length]
            for start in range(0, len(members), self._largest_group):
                group = members[start : start + self._largest_group]
                actions = self._answer([prompts[i] for i in group], length)
                chunks |= {i: self._transform.chunk(answer) for i, answer in zip(group, actions, strict=True)}
        return [chunks[i] for i in range(len(prompts))]

    def open(self, episode: EpisodeKey | None = None) -> StatelessSession:
        """A session for one episode."""
        return StatelessSession(self)

    def answer(self, turns: Sequence[Turn]) -> list[ActionChunk]:
        """One chunk per turn. Raises DataError as `act` does, and for a session that is closed or not this policy's."""
        check_sessions(self, turns)
        observations = [turn.observation for turn in turns]
        padding = observations[-1:] * (-len(observations) % BATCH)
        return self.act(observations + padding)[: len(turns)]

    def _answer(self, prompts: list[Document], length: int) -> Float[np.ndarray, "n W A"]:
        """Normalised chunks."""
        return self._outputs(prompts, length)

    def _outputs(self, prompts: list[Document], length: int) -> np.ndarray:
        """What the compiled program gives for each prompt; the batch is filled up to a power of two."""
        size = 1 << (len(prompts) - 1).bit_length()
        padded = prompts + [prompts[-1]] * (size - len(prompts))
        batch = collate([[prompt] for prompt in padded], replace(self._layout, length=length))
        return np.asarray(self._forward(self.params, batch))[: len(prompts)]

    def _program(self, params: Any, batch: Batch) -> Array:
        """What is compiled: the normalised chunks [B, W, A]."""
        outputs = polymath_v.forward(params, self.run.recipe.model, batch, self.run.recipe.execution)
        return outputs.actions[:, -1]


def bucket(tokens: int, longest: int) -> int:
    """How many tokens a prompt is padded to; never more than `longest` unless it is longer itself."""
    return max(tokens, min(tokens + -tokens % BUCKET, longest))
