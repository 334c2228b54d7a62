"""What a way of executing chunks has to keep in mind about its requests.

Positions count the actions that were handed out, not the ticks of the clock: while the robot stands still for want of
an answer nothing is consumed, and the next chunk continues where the arm is.
"""

from typing import Any, List, Mapping, NamedTuple, Optional, Union

import numpy as np

from polymath_client.checks import whole
from polymath_client.connection import Request
from polymath_client.errors import ClientError, Reconnected
from polymath_client.inference import Background, Immediate


class Chunk(NamedTuple):
    """actions [W, A], the first for position `origin`; delay: actions that were handed out while it was computed."""

    actions: np.ndarray
    origin: int
    delay: int

    def at(self, position: int) -> Optional[np.ndarray]:
        """The action of a position; None beyond the chunk."""
        index = position - self.origin
        return self.actions[index] if 0 <= index < len(self.actions) else None

    def rest(self, position: int) -> np.ndarray:
        """The actions from a position on, [n, A]."""
        return self.actions[max(position - self.origin, 0) :]


class Requests:
    """One request at a time, with the actions that were executed since the one before.

    execute: how many of each chunk are carried out at least. Raises ClientError for less than one.
    """

    def __init__(self, inference: Union[Immediate, Background], execute: int = 1) -> None:
        self._inference = inference
        self._execute = whole("execute", execute, 1, "carry out at least one action of each chunk")
        self.position, self.reconnections = 0, 0
        self._origin = 0
        self._executed: List[np.ndarray] = []
        self._fresh, self._outdated = True, False

    @property
    def under_way(self) -> bool:
        return self._inference.busy

    def reset(self) -> None:
        """A new episode: the next request says so, and the answer to one under way is thrown away."""
        self.position, self._executed, self._fresh = 0, [], True
        self._outdated = self._inference.busy

    def ask(self, observation: Mapping[str, Any], committed: Optional[np.ndarray] = None) -> None:
        """Raises what the inference raises."""
        executed = np.stack(self._executed) if self._executed and not self._fresh else None
        request = Request(observation, executed, committed, self._fresh)
        self._origin, self._executed, self._fresh = self.position, [], True  # until the request has gone out
        try:
            self._inference.submit(request)
        except Reconnected:
            self._lost()
        else:
            self._fresh = False

    def answer(self) -> Optional[Chunk]:
        """The chunk that has arrived. Raises what the inference raised; after a reconnection there is none.

        ClientError for a chunk of less than `execute` actions.
        """
        try:
            reply = self._inference.poll()
        except Reconnected:
            self._lost()
            return None
        except Exception:  # of the caller's own inference too, and raised on: the server's session is unknown after it
            self._fresh, self._outdated = True, False
            raise
        if reply is None:
            return None
        if self._outdated:
            self._outdated = False
            return None
        if len(reply.actions) < self._execute:
            raise ClientError(f"execute: {self._execute}, but a chunk has {len(reply.actions)} actions; execute fewer")
        return Chunk(reply.actions, self._origin, self.position - self._origin)

    def hand_out(self, action: np.ndarray) -> np.ndarray:
        """Count an action as executed."""
        self.position += 1
        self._executed.append(action.copy())  # the robot's program may convert its own in place
        return action

    def _lost(self) -> None:
        self.reconnections += 1
        self._fresh, self._outdated = True, False
