"""openpi's protocol, the client's side: one binary frame of metadata, then observations out and chunks in.

Our own server names itself in the metadata under "polymath" and reads keys of the same name beside the observation:

    polymath/reset       True: an episode begins with this observation
    polymath/executed    float32 [K, A] carried out since the last observation
    polymath/committed   float32 [D, A] carried out before the answer can arrive

Source: openpi-client 0.1.2, `websocket_client_policy.py` (Apache-2.0).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from polymath import wire
from polymath.errors import PolymathError
from polymath.policy.remote.answers import chunk_of, error_text
from polymath.policy.remote.keys import Keys
from polymath.policy.remote.link import Link
from polymath.policy.remote.trouble import Gone
from polymath.policy.session import Turn
from polymath.types import ActionChunk

GREETING_TIMEOUT = 60.0
TRY_AGAIN = "try again: "
"""How the text of our server begins where waiting helps."""


class Openpi:
    """One session over one connection."""

    def __init__(self, link: Link, keys: Keys) -> None:
        """Raises Gone, and PolymathError if the server's first frame is no metadata."""
        self.link, self.keys = link, keys
        frame = link.receive(GREETING_TIMEOUT)
        if isinstance(frame, str):
            raise PolymathError(f"{link.url}: refuses the session: {error_text(frame)}")
        self.metadata: Mapping[str, Any] = _decoded(link.url, frame, "metadata")
        self._fresh = True
        ours = self.metadata.get("polymath")
        self._ours = isinstance(ours, Mapping)
        contract = ours.get("contract") if isinstance(ours, Mapping) else None
        self._remembers = isinstance(contract, Mapping) and contract.get("window") != 1
        horizon = self.metadata.get("action_horizon")
        self._horizon = horizon if type(horizon) is int and horizon > 0 else 1

    def begin(self) -> None:
        """A new episode or subtask; openpi has no word for it, the next observation carries ours."""
        self._fresh = True

    def ask(self, turn: Turn) -> None:
        """Send a turn. Raises Gone, and DataError if the observation lacks something."""
        message = self.keys.message(turn.observation)
        if self._ours:
            if self._fresh:
                message["polymath/reset"] = True
            for name, actions in (("executed", turn.executed), ("committed", turn.committed)):
                if actions is not None and not (name == "executed" and self._fresh):
                    message[f"polymath/{name}"] = np.asarray(actions, np.float32)
        self._fresh = False
        self.link.check_silent()
        self.link.send(wire.encode(message))

    def answer(self) -> ActionChunk:
        """The answer to the last turn. Raises Gone, and PolymathError for an error of the server or no chunk."""
        frame = self.link.receive()
        if isinstance(frame, str):
            if self._ours and frame.startswith(TRY_AGAIN):
                raise Gone(f"cannot answer now ({error_text(frame)})")
            raise PolymathError(f"{self.link.url}: answered with an error: {error_text(frame)}")
        reply = _decoded(self.link.url, frame, "answer")
        if "actions" not in reply:
            names = ", ".join(reply) or "nothing"
            raise PolymathError(f"{self.link.url}: its answer has no actions, only {names}; is this a policy server?")
        ours = reply.get("polymath")
        if isinstance(ours, Mapping) and ours.get("session") == "evicted" and self._remembers:
            raise Gone("has forgotten the episode, as more robots ask than it keeps sessions for (--sessions)")
        return chunk_of(self.link.url, reply["actions"], self._horizon)

    def close(self) -> None:
        self.link.close()


def _decoded(url: str, frame: bytes, name: str) -> dict[str, Any]:
    try:
        return wire.decode(frame)
    except wire.WireError as error:
        raise PolymathError(f"{url}: its {name} cannot be read ({error}); is this an openpi server?") from None
