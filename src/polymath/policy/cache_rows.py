"""The memory of many sessions: each holds one row of a key-value cache, and the latents of its window's pictures.

    key, value   L layers x R rows x S tokens x K heads x E      a row: one session's prompt so far
    latents      R rows x T*C pictures x Q latents x D_vision    picture c of observation k stands at (k mod T)*C + c

R grows by doubling with the number of sessions that are open at once; a row that is given back is taken again.
"""

import heapq
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Int

from polymath.errors import PolymathError
from polymath.model import cache, polymath_v
from polymath.model.cache import Cache

MOST_ROWS = 256


class Rows:
    """Which rows are taken. The lowest free one is taken first."""

    def __init__(self, most: int = MOST_ROWS) -> None:
        self._free: list[int] = []
        self.most, self.ever_taken = most, 0

    def take(self) -> int:
        """Raises PolymathError if as many sessions are open as may be."""
        if self._free:
            return heapq.heappop(self._free)
        if self.ever_taken == self.most:
            raise PolymathError(f"policy.open: {self.most} sessions are open; close those whose episodes are over")
        self.ever_taken += 1
        return self.ever_taken - 1

    def give_back(self, row: int) -> None:
        heapq.heappush(self._free, row)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Memory:
    key: Float[Array, "L R S K E"]
    value: Float[Array, "L R S K E"]
    latents: Float[Array, "R N Q D_vision"]

    @property
    def rows(self) -> int:
        return self.latents.shape[0]


def empty(model: polymath_v.Config, rows: int, length: int, images: int, dtype: DTypeLike) -> Memory:
    """Zeros. Raises ConfigError where `length` is beyond the trained context."""
    kv = cache.empty(model.decoder, rows, length, dtype)
    latents = jnp.zeros((rows, images, model.resampler.latents, model.resampler.width), dtype)
    return Memory(kv.key, kv.value, latents)


def grown(memory: Memory, more: Memory) -> Memory:
    """The rows of `memory`, then those of `more`."""
    return Memory(
        jnp.concatenate([memory.key, more.key], axis=1),
        jnp.concatenate([memory.value, more.value], axis=1),
        jnp.concatenate([memory.latents, more.latents]),
    )


def read_rows(
    memory: Memory, rows: Int[Array, " B"], lengths: Int[Array, " B"]
) -> tuple[Cache, Float[Array, "B N Q D_vision"]]:
    """Copies of these rows, `lengths` tokens of each. A row beyond the memory reads as its last one."""
    kv = Cache(memory.key.at[:, rows].get(mode="clip"), memory.value.at[:, rows].get(mode="clip"), lengths)
    return kv, memory.latents.at[rows].get(mode="clip")


def write_rows(memory: Memory, rows: Int[Array, " B"], kv: Cache, latents: Float[Array, "B N Q D_vision"]) -> Memory:
    """The memory with these rows replaced; a row beyond the memory is dropped."""
    return Memory(
        memory.key.at[:, rows].set(kv.key, mode="drop"),
        memory.value.at[:, rows].set(kv.value, mode="drop"),
        memory.latents.at[rows].set(latents, mode="drop"),
    )
