"""Answers with a history: a turn costs one look at its pictures and its new tokens, many sessions in one pass.

    look   pictures of the new observations ─► latents
    step   rows of the memory ─► append the new tokens ─► readout, and the rows written back

Turns whose new tokens have the same number go through one `step`: those that append one observation, those that begin,
those whose window was full. Each pass has the same number of rows, the last turn repeated where there are fewer, so
that an answer does not depend on the others: rounding depends on the shapes of a pass.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, UInt8, UInt32

from polymath.data.sequences.packing import collate
from polymath.data.sequences.sequence import Layout
from polymath.model import polymath_v
from polymath.policy import cache_rows
from polymath.policy.cache_rows import Memory, Rows
from polymath.policy.history import Next
from polymath.policy.incremental import advance
from polymath.policy.one_pass import Seeds, bucket, groups
from polymath.policy.readout import Readout
from polymath.training.run import Run
from polymath.types import Batch


class Streams:
    """The memory of all sessions of a run, and the programs that continue them."""

    def __init__(self, run: Run, readout: Readout) -> None:
        self._run, self._readout, self._layout = run, readout, run.recipe.layout
        self.rows = Rows()
        self._cameras = len(run.embodiment.cameras)
        self._memory: Memory | None = None
        self._look = jax.jit(partial(_look, run))
        self._step = jax.jit(partial(_step, run, readout), donate_argnums=1)

    def chunks(
        self,
        params: polymath_v.Params,
        turns: Sequence[Next],
        rows: Sequence[int],
        seeds: Seeds,
        size: Callable[[int], int],
    ) -> list[Float[np.ndarray, "W A"]]:
        """The normalised chunk of each turn, and its tokens appended to its row of the memory."""
        self._grow()
        chunks: dict[int, np.ndarray] = {}
        for members, arguments in self._steps(turns, rows, self._looks(params, turns, size), seeds, size):
            outputs, self._memory = self._step(params, self._memory, *arguments)
            chunks |= dict(zip(members, self._readout.normalised(outputs), strict=False))
        return [chunks[i] for i in range(len(turns))]

    def compile(self, params: polymath_v.Params, turns: Sequence[Next], size: Callable[[int], int]) -> None:
        """Compile the passes that `chunks` needs for turns of these kinds; of them only one look at pictures is run.

        The programs are those of the memory as it lies now, so the first call of `chunks` comes before.
        """
        self._grow()
        kinds = list({self._kind(turn): turn for turn in turns}.values())
        latents = self._looks(params, kinds[:1], size) * len(kinds)
        rows, seeds = [cache_rows.MOST_ROWS] * len(kinds), [np.zeros(2, np.uint32)] * len(kinds)
        for _, arguments in self._steps(kinds, rows, latents, seeds, size):
            self._step.lower(params, self._memory, *arguments).compile()

    def _looks(self, params: polymath_v.Params, turns: Sequence[Next], size: Callable[[int], int]) -> list[Array]:
        """The latents of each turn's newest pictures."""
        latents: list[Array] = []
        for _, members, count in groups([None] * len(turns), size):
            filled = members + members[-1:] * (count - len(members))
            looks = self._look(params, np.stack([turns[i].after.steps[-1].images for i in filled]))
            latents += [look for _, look in zip(members, looks, strict=False)]
        return latents

    def _steps(
        self,
        turns: Sequence[Next],
        rows: Sequence[int],
        latents: Sequence[Array],
        seeds: Seeds,
        size: Callable[[int], int],
    ) -> Iterator[tuple[list[int], tuple[Any, ...]]]:
        """Indices of the turns of each pass, and what its program is given after the weights and the memory."""
        for (length, steps), members, count in groups([self._kind(turn) for turn in turns], size):
            filled = members + members[-1:] * (count - len(members))
            layout = replace(self._layout, length=length, max_images=steps * self._cameras, max_control_steps=steps)
            own = np.full(count, cache_rows.MOST_ROWS, np.int32)  # the filling is written nowhere
            own[: len(members)] = [rows[i] for i in members]
            batch = self._batch([turns[i] for i in filled], layout)
            yield (
                members,
                (
                    own,
                    np.array([turns[i].start for i in filled], np.int32),
                    batch,
                    jnp.stack([latents[i] for i in filled]),
                    np.array([self._slot(turns[i]) for i in filled], np.int32),
                    np.stack([seeds[i] for i in filled]),
                    self._readout.forced(batch),
                ),
            )

    def _kind(self, turn: Next) -> tuple[int, int]:
        """Tokens of the pass that appends it, and observations among them."""
        new = len(turn.fresh.tokens)
        return new if turn.start else bucket(new, self._layout.length), len(turn.fresh.states)

    def _slot(self, turn: Next) -> int:
        """Where the newest observation's latents stand in the row."""
        return (turn.after.first + len(turn.after.steps) - 1) % self._layout.window

    def _batch(self, turns: Sequence[Next], layout: Layout) -> Batch:
        """The new tokens of each turn; `image_index` points into the latents of the row, which hold the pictures."""
        batch = collate([[turn.fresh] for turn in turns], layout)
        q, cameras, steps = layout.latents_per_image, self._cameras, layout.max_control_steps
        for row, turn in zip(batch.image_index, turns, strict=True):
            numbers = turn.after.first + len(turn.after.steps) - steps + np.arange(steps)  # of the observations
            slots = (numbers % layout.window)[:, None] * cameras + np.arange(cameras)  # of their pictures
            row[:] = np.where(row < 0, -1, slots.reshape(-1)[row // q] * q + row % q)
        return batch._replace(images=np.zeros((len(turns), 0, 1, 1, 3), np.uint8))

    def _grow(self) -> None:
        """Room for all rows that are taken."""
        have = self._memory.rows if self._memory else 0
        need = 1 << max(self.rows.ever_taken - 1, 0).bit_length()
        if need > have:
            model, dtype = self._run.recipe.model, self._run.recipe.execution.activation_dtype
            images = self._layout.window * self._cameras
            more = cache_rows.empty(model, need - have, self._layout.length, images, dtype)
            self._memory = cache_rows.grown(self._memory, more) if self._memory else more


def _look(
    run: Run, params: polymath_v.Params, images: UInt8[Array, "B C size size 3"]
) -> Float[Array, "B C Q D_vision"]:
    return polymath_v.resampled(params, run.recipe.model, images, run.recipe.execution)


def _step(
    run: Run,
    readout: Readout,
    params: polymath_v.Params,
    memory: Memory,
    rows: Int[Array, " B"],
    starts: Int[Array, " B"],
    batch: Batch,
    looks: Float[Array, "B C Q D_vision"],
    slots: Int[Array, " B"],
    seeds: UInt32[Array, "B 2"],
    forced: Int[Array, "B room"] | None,
) -> tuple[Array, Memory]:
    """Append one turn a row; `slots` say in which place of the row the newest observation's latents are kept."""
    kv, latents = cache_rows.read_rows(memory, rows, starts)
    count, cameras = looks.shape[:2]
    places = slots[:, None] * cameras + jnp.arange(cameras)
    latents = latents.at[jnp.arange(count)[:, None], places].set(looks)
    x = polymath_v.embed_with(params, run.recipe.model, batch, latents)
    observed = advance(params, run.recipe.model, x, batch, kv)
    return readout.read(params, observed, seeds, forced), cache_rows.write_rows(memory, rows, observed.cache, latents)
