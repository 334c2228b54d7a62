"""A session of a trained run: what one episode has been shown so far, and where its keys and values are kept."""

import weakref
from collections.abc import Callable

import numpy as np
from jaxtyping import UInt32

from polymath.policy.cache_rows import Rows
from polymath.policy.decoding import seed_of
from polymath.policy.history import History
from polymath.policy.session import EpisodeKey, Policy, PolicySession


class RunSession(PolicySession):
    """One episode; `row` of the policy's memory is its own until it is closed or forgotten.

    `turns` answered so far count on over resets, so that no draw of decoded tokens is used twice in an episode.
    """

    def __init__(self, policy: Policy, episode: EpisodeKey | int) -> None:
        self.policy, self.closed = policy, False
        self.row, self.turns = 0, 0
        self.history: History | None = None
        self._episode = episode
        self._give_back: Callable[[], object] = lambda: None

    def hold(self, rows: Rows) -> None:
        """Take a row. Raises PolymathError if there is none left."""
        self.row = rows.take()
        self._give_back = weakref.finalize(self, rows.give_back, self.row)

    @property
    def seed(self) -> UInt32[np.ndarray, "2"]:
        """What decides the draws of the next turn."""
        return seed_of(self._episode, self.turns)

    def reset(self) -> None:
        """Forget the history: the next observation is the first of a new part of the episode."""
        self.history = None

    def close(self) -> None:
        """Give the row back."""
        self.history, self.closed = None, True
        self._give_back()
