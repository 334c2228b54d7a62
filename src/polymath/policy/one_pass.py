"""Answers without a history: each prompt through one forward pass, prompts of similar lengths side by side."""

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import jax
import numpy as np
from jaxtyping import Array, Float, Int, UInt32

from polymath.data.sequences.packing import collate
from polymath.data.sequences.sequence import Document
from polymath.model import cache, polymath_v
from polymath.policy.incremental import observe
from polymath.policy.readout import Readout
from polymath.training.run import Run
from polymath.types import Batch

BUCKET = 32  # a prompt is padded to a multiple of this, so that instructions of any length share few programs
LARGEST_GROUP = 16

Kind = TypeVar("Kind", bound=Hashable)
Seeds = Sequence[UInt32[np.ndarray, "2"]]


class OnePass:
    """The compiled program of a run and its decoding."""

    def __init__(self, run: Run, readout: Readout) -> None:
        self._run, self._readout = run, readout
        self._layout = replace(run.recipe.layout, max_images=len(run.embodiment.cameras), max_control_steps=1)
        self._forward = jax.jit(self._program)

    def chunks(
        self, params: polymath_v.Params, prompts: Sequence[Document], seeds: Seeds, size: Callable[[int], int]
    ) -> list[Float[np.ndarray, "W A"]]:
        """A normalised chunk per prompt; `size` says how many rows the pass of so many prompts has (see `groups`)."""
        chunks: dict[int, np.ndarray] = {}
        for members, arguments in self._passes(prompts, seeds, size):
            outputs = self._forward(params, *arguments)
            chunks |= dict(zip(members, self._readout.normalised(outputs), strict=False))
        return [chunks[i] for i in range(len(prompts))]

    def compile(self, params: polymath_v.Params, prompts: Sequence[Document], size: Callable[[int], int]) -> None:
        """Compile the passes that `chunks` needs for these prompts, without running them."""
        for _, arguments in self._passes(prompts, [np.zeros(2, np.uint32)] * len(prompts), size):
            self._forward.lower(params, *arguments).compile()

    def _passes(
        self, prompts: Sequence[Document], seeds: Seeds, size: Callable[[int], int]
    ) -> Iterator[tuple[list[int], tuple[Any, ...]]]:
        """Indices of the prompts of each pass, and what its program is given after the weights."""
        lengths = [bucket(len(prompt.tokens), self._layout.length) for prompt in prompts]
        for prompt in prompts:
            if self._readout.room:
                self._readout.check(len(prompt.tokens))
        for length, members, rows in groups(lengths, size):
            filled = members + members[-1:] * (rows - len(members))
            batch = collate([[prompts[i]] for i in filled], replace(self._layout, length=length))
            yield members, (batch, np.stack([seeds[i] for i in filled]), self._readout.forced(batch))

    def _program(
        self,
        params: polymath_v.Params,
        batch: Batch,
        seeds: UInt32[Array, "B 2"],
        forced: Int[Array, "B room"] | None,
    ) -> Array:
        recipe, readout = self._run.recipe, self._readout
        if not readout.room:
            return polymath_v.forward(params, recipe.model, batch, recipe.execution).actions[:, -1]
        rows, length = batch.tokens.shape
        capacity = min(length + readout.room, recipe.layout.length)
        room = cache.empty(recipe.model.decoder, rows, capacity, recipe.execution.activation_dtype)
        return readout.read(params, observe(params, recipe.model, batch, room, recipe.execution), seeds, forced)


def bucket(tokens: int, longest: int) -> int:
    """How many tokens a prompt is padded to; never more than `longest` unless it is longer itself."""
    return max(tokens, min(tokens + -tokens % BUCKET, longest))


def powers_of_two(members: int) -> int:
    """Rows of a pass of at most LARGEST_GROUP: few shapes are compiled, and little is computed in vain."""
    return min(1 << (members - 1).bit_length(), LARGEST_GROUP)


def groups(kinds: Sequence[Kind], size: Callable[[int], int]) -> list[tuple[Kind, list[int], int]]:
    """Passes of one kind of input each: (kind, indices of at most `rows` inputs, rows)."""
    passes = []
    for kind in dict.fromkeys(kinds):
        members = [i for i, other in enumerate(kinds) if other == kind]
        while members:
            rows = size(len(members))
            passes.append((kind, members[:rows], rows))
            members = members[rows:]
    return passes
