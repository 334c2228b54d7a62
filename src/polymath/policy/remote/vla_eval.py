"""vla-eval's protocol, the side of its harness: hello, then episodes of observations out and actions in.

A server of vla-eval answers every observation with one action and plays its chunks back itself, so it is asked at every
control step. Source: vla-eval 0.8.0, `vla_eval/connection.py`, `runners/sync_runner.py` (Apache-2.0).
"""

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from polymath.errors import PolymathError
from polymath.policy.remote.answers import chunk_of, error_text
from polymath.policy.remote.keys import Keys
from polymath.policy.remote.link import Link
from polymath.policy.remote.vla_eval_wire import (
    ACTION,
    EPISODE_END,
    EPISODE_START,
    ERROR,
    HELLO,
    OBSERVATION,
    VERSION,
    Message,
    decode,
    encode,
)
from polymath.policy.session import Turn
from polymath.types import ActionChunk
from polymath.wire import WireError

GREETING_TIMEOUT = 60.0
WHICH_SERVER = "is this a vla-eval server? `polymath serve` is one at the path /vla-eval, or /MODEL/vla-eval"


class VlaEval:
    """One session over one connection."""

    def __init__(self, link: Link, keys: Keys) -> None:
        """Raises Gone, and PolymathError if the server does not answer hello with hello of the same version."""
        self.link, self.keys, self._seq, self._running = link, keys, 0, False
        self._send(HELLO, {"harness_version": _own_version(), "protocol_version": VERSION})
        hello = self._receive(GREETING_TIMEOUT)
        if hello.type != HELLO:
            raise PolymathError(f"{link.url}: answers hello with {hello.type}; is this a vla-eval server?")
        self.metadata: Mapping[str, Any] = dict(hello.payload)
        theirs = self.metadata.get("protocol_version", VERSION)
        if theirs != VERSION:
            raise PolymathError(f"{link.url}: speaks version {theirs} of vla-eval's protocol, this client {VERSION}")

    def begin(self) -> None:
        """A new episode or subtask. Raises Gone."""
        if self._running:
            self._send(EPISODE_END, {})
        self._running = False

    def ask(self, turn: Turn) -> None:
        """Send a turn, with the beginning of an episode before its first. Raises Gone, and DataError as Keys does."""
        message = self.keys.message(turn.observation)
        if not self._running:
            self._send(EPISODE_START, {"task": {"name": turn.observation.instruction}})
            self._running = True
        self._send(OBSERVATION, message)

    def answer(self) -> ActionChunk:
        """The answer to the last turn. Raises Gone, and PolymathError for an error of the server or no action."""
        while True:
            reply = self._receive(None)
            if reply.type == ERROR:
                raise PolymathError(f"{self.link.url}: answered with an error: {error_text(str(dict(reply.payload)))}")
            if reply.type == ACTION and reply.seq == self._seq:
                break
            if reply.seq >= self._seq:
                raise PolymathError(
                    f"{self.link.url}: answered observation {self._seq} with {reply.type} {reply.seq}; is this a "
                    "vla-eval server?"
                )
        for name in ("actions", "action"):
            if name in reply.payload:
                return chunk_of(self.link.url, reply.payload[name])
        raise PolymathError(f"{self.link.url}: its answer has no actions, only {', '.join(reply.payload) or 'nothing'}")

    def close(self) -> None:
        self.link.close()

    def _send(self, kind: str, payload: Mapping[str, Any]) -> None:
        self._seq += 1
        self.link.send(encode(Message(kind, payload, self._seq)))

    def _receive(self, timeout: float | None) -> Message:
        frame = self.link.receive(timeout)
        if isinstance(frame, str):
            raise PolymathError(f"{self.link.url}: sent a text: {error_text(frame)}; is this a vla-eval server?")
        try:
            return decode(frame)
        except WireError as error:
            raise PolymathError(f"{self.link.url}: {error}; {WHICH_SERVER}") from None


def _own_version() -> str:
    try:
        return f"polymath-v {version('polymath-v')}"
    except PackageNotFoundError:
        return "polymath-v"
