"""Chunk after chunk, as they come."""

from typing import Any, Mapping, Optional, Union

import numpy as np

from polymath_client.inference import Background, Immediate
from polymath_client.requests import Chunk, Requests


class ChunkReplay:
    """Carries out `execute` actions of each chunk before it asks for the next.

    With `Immediate` inference the robot stands while it waits. With `Background` it plays on, and the new chunk begins
    at the action that is due: where the two chunks differ the arm jerks.
    """

    def __init__(self, inference: Union[Immediate, Background], execute: int) -> None:
        """Raises ClientError for an `execute` of less than one."""
        self.requests, self._execute = Requests(inference, execute), execute
        self._chunk: Optional[Chunk] = None

    def step(self, observation: Mapping[str, Any]) -> Optional[np.ndarray]:
        """The action [A] of this control tick; None where there is none and the arm should stop (see `Watchdog`).

        Raises ServerError, ConnectionLost and ChunkError of the request before; the next call asks again.
        """
        self._take()
        if not self.requests.under_way and self._used() >= self._execute:
            self._ask(observation)
            self._take()
        action = None if self._chunk is None else self._chunk.at(self.requests.position)
        return None if action is None else self.requests.hand_out(action)

    def reset(self) -> None:
        """A new episode begins with the next step."""
        self.requests.reset()
        self._chunk = None

    def _used(self) -> int:
        """Actions of the chunk that were handed out; as many as it takes where there is no chunk."""
        return self._execute if self._chunk is None else self.requests.position - self._chunk.origin

    def _ask(self, observation: Mapping[str, Any]) -> None:
        self.requests.ask(observation)

    def _take(self) -> None:
        chunk = self.requests.answer()
        if chunk is not None:
            self._arrived(chunk)

    def _arrived(self, chunk: Chunk) -> None:
        self._chunk = chunk
