"""The tokens before the first picture, which an episode does not change: their keys and values are computed once.

    <bos> <robot> instruction │ <img>… <state> <act>…
    kept, an instruction each │ computed for each answer

What is kept of an instruction is computed in a row of its own, so that it does not depend on what else is answered.
"""

import threading

import jax
import numpy as np
from cachetools import LRUCache, cached
from jaxtyping import Array, Int

from polymath.model import cache, decoder, polymath_v
from polymath.model.cache import Cache
from polymath.training.run import Run

MOST_BYTES = 512 * 2**20
"""Of all that is kept; up to 32 tokens take 0.7 MB of `polymath_v_1b`, 12 MB of `polymath_v_30b` (44 layers x 2 x 16
heads x 128 x 2 bytes a token). The instruction unused for longest goes first."""


class Prefixes:
    """The prefixes of one run, of the weights that it is asked with last."""

    def __init__(self, run: Run) -> None:
        self._model, self._dtype = run.recipe.model.decoder, run.recipe.execution.activation_dtype
        self._append = jax.jit(self._program)
        self._params: polymath_v.Params | None = None
        self._kept: LRUCache[tuple[bytes, int], Cache] = LRUCache(MOST_BYTES, getsizeof=_bytes)
        self._of = cached(self._kept, lambda tokens, room: (tokens.tobytes(), room), threading.RLock())(self._computed)

    def of(self, params: polymath_v.Params, tokens: Int[np.ndarray, " n"], room: int) -> Cache:
        """The cache of these tokens alone: one row with a capacity of `room`, n at least."""
        if params is not self._params:
            self._kept.clear()
            self._params = params
        return self._of(tokens, room)

    def _computed(self, tokens: Int[np.ndarray, " n"], room: int) -> Cache:
        row = np.zeros((1, room), np.int32)
        row[0, : len(tokens)] = tokens
        return self._append(self._params, row, np.array([len(tokens)], np.int32))

    def _program(self, params: polymath_v.Params, tokens: Int[Array, "1 room"], count: Int[Array, "1"]) -> Cache:
        x = decoder.embed(params.decoder, self._model, tokens, self._dtype)
        before = cache.empty(self._model, 1, tokens.shape[1], self._dtype)
        return cache.append(params.decoder, self._model, before, x, count)[1]


def _bytes(kept: Cache) -> int:
    return kept.key.nbytes + kept.value.nbytes
