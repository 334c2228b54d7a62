"""Answers without a history: each prompt through one forward pass, prompts of similar lengths side by side.

The tokens before the first picture are those of the instruction, whose keys and values are kept (`prefixes`); what
follows them, pictures, state and readouts, has the same number of tokens in every prompt of a run.
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import jax
import numpy as np
from jaxtyping import Array, Float, Int, UInt32

from polymath.data.sequences.packing import collate
from polymath.data.sequences.sequence import Document
from polymath.model import polymath_v
from polymath.model.cache import Cache, side_by_side
from polymath.policy.history import tail
from polymath.policy.incremental import observe
from polymath.policy.prefixes import Prefixes
from polymath.policy.readout import Readout
from polymath.training.run import Run
from polymath.types import Batch

BUCKET = 32  # an instruction is padded to a multiple of this, so that those of any length share few programs
LARGEST_GROUP = 16

Kind = TypeVar("Kind", bound=Hashable)
Seeds = Sequence[UInt32[np.ndarray, "2"]]


class OnePass:
    """The compiled program of a run and its decoding."""

    def __init__(self, run: Run, readout: Readout) -> None:
        self._run, self._readout = run, readout
        self._layout = replace(run.recipe.layout, max_images=len(run.embodiment.cameras), max_control_steps=1)
        self._prefixes = Prefixes(run)
        self._forward = jax.jit(self._program)

    def chunks(
        self, params: polymath_v.Params, prompts: Sequence[Document], seeds: Seeds, size: Callable[[int], int]
    ) -> list[Float[np.ndarray, "W A"]]:
        """A normalised chunk per prompt; `size` says how many rows the pass of so many prompts has (see `groups`)."""
        chunks: dict[int, np.ndarray] = {}
        for members, arguments in self._passes(params, prompts, seeds, size):
            outputs = self._forward(params, *arguments)
            chunks |= dict(zip(members, self._readout.normalised(outputs), strict=False))
        return [chunks[i] for i in range(len(prompts))]

    def compile(self, params: polymath_v.Params, prompts: Sequence[Document], size: Callable[[int], int]) -> None:
        """Compile the passes that `chunks` needs for these prompts; of them only those of instructions are run."""
        for _, arguments in self._passes(params, prompts, [np.zeros(2, np.uint32)] * len(prompts), size):
            self._forward.lower(params, *arguments).compile()

    def _passes(
        self, params: polymath_v.Params, prompts: Sequence[Document], seeds: Seeds, size: Callable[[int], int]
    ) -> Iterator[tuple[list[int], tuple[Any, ...]]]:
        """Indices of the prompts of each pass, and what its program is given after the weights."""
        for prompt in prompts:
            if self._readout.room:
                self._readout.check(len(prompt.tokens))
        kinds = [padded(prompt, self._layout.length - self._readout.room) for prompt in prompts]
        for (before, after), members, rows in groups(kinds, size):
            filled = members + members[-1:] * (rows - len(members))
            cuts = [(prompts[i], beginning(prompts[i])) for i in filled]
            prefixes = [self._prefixes.of(params, prompt.tokens[:start], before) for prompt, start in cuts]
            batch = collate([[tail(*cut)] for cut in cuts], replace(self._layout, length=after))
            yield members, (prefixes, batch, np.stack([seeds[i] for i in filled]), self._readout.forced(batch))

    def _program(
        self,
        params: polymath_v.Params,
        prefixes: list[Cache],
        batch: Batch,
        seeds: UInt32[Array, "B 2"],
        forced: Int[Array, "B room"] | None,
    ) -> Array:
        recipe, readout = self._run.recipe, self._readout
        capacity = prefixes[0].capacity + batch.tokens.shape[1] + readout.room
        before = side_by_side(prefixes, capacity)
        return readout.read(params, observe(params, recipe.model, batch, before, recipe.execution), seeds, forced)


def beginning(prompt: Document) -> int:
    """How many tokens come before the first picture or state: `<bos>`, the robot's and the instruction's."""
    return int(min(*prompt.image_starts, *prompt.state_positions))


def padded(prompt: Document, longest: int) -> tuple[int, int]:
    """Tokens to which the beginning of a prompt is padded, so that it is not longer than `longest`; tokens after it."""
    start = beginning(prompt)
    after = len(prompt.tokens) - start
    return bucket(start, longest - after), after


def bucket(tokens: int, longest: int) -> int:
    """How many tokens a sequence is padded to; never more than `longest` unless it is longer itself."""
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
