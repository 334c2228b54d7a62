"""One robot that sends what it should not, and says how the server took it."""

import contextlib
from collections import Counter
from typing import Any

import msgpack
import numpy as np
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from polymath.policy.remote.vla_eval_wire import Message
from polymath.policy.remote.vla_eval_wire import decode as decode_harness
from polymath.serving.numpy_msgpack import decode

PATIENCE = 120.0  # seconds until a reply counts as lost


class Talk:
    """Sends messages strictly one after the other; connects anew where the server has closed.

    `kinds` counts how they were taken: answered, refused (one line of text), closed. `faults` are what must not be:
    the server's own errors, replies that are none, and those that never came.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.kinds: Counter[str] = Counter()
        self.faults: list[str] = []
        self._socket: ClientConnection | None = None
        self._stack = contextlib.ExitStack()

    def send(self, data: bytes | str) -> str:
        """How the server took it."""
        kind = self._exchange(data)
        self.kinds[kind] += 1
        return kind

    def close(self) -> None:
        self._stack.close()
        self._socket = None

    def _exchange(self, data: bytes | str) -> str:
        try:
            if self._socket is None:
                opening = connect(self.url, compression=None, max_size=None, open_timeout=PATIENCE)
                self._socket = self._stack.enter_context(opening)
                self._greet(self._socket)
            reply = self._ask(self._socket, data)
        except ConnectionClosed as closed:
            self.close()
            if closed.rcvd is None or closed.rcvd.code == 1011:
                self._fault(data, f"closed: {closed}")
            return "closed"
        except InvalidStatus as refused:
            self._fault(data, f"handshake: {refused}")
            return "closed"
        except TimeoutError:
            self._fault(data, f"no reply within {PATIENCE:g} s")
            self.close()
            return "lost"
        return self._kind(data, reply)

    def _greet(self, socket: ClientConnection) -> None:
        socket.recv(timeout=PATIENCE)

    def _ask(self, socket: ClientConnection, data: bytes | str) -> Any:
        socket.send(data)
        return socket.recv(timeout=PATIENCE)

    def _kind(self, data: bytes | str, reply: Any) -> str:
        if isinstance(reply, str):
            if reply.startswith("internal error") or not reply.strip() or "\n" in reply:
                self._fault(data, reply)
            return "refused"
        actions = decode(reply).get("actions")
        if actions is None or not np.isfinite(actions).all():
            self._fault(data, f"a reply with actions {actions}")
        return "answered"

    def _fault(self, data: bytes | str, text: str) -> None:
        sent = data[:200].encode().hex() if isinstance(data, str) else data[:400].hex()
        self.faults.append(f"{text} (sent {type(data).__name__} {sent})")


class HarnessTalk(Talk):
    """The same in vla-eval's protocol, where some messages have no reply: a hello behind each one has."""

    SEQ = 123_456_789

    def _greet(self, socket: ClientConnection) -> None:
        """The server says nothing unasked."""

    def _ask(self, socket: ClientConnection, data: bytes | str) -> list[Message]:
        """All replies up to that to the hello."""
        socket.send(data)
        hello = {"type": "hello", "payload": {"protocol_version": 1}, "seq": self.SEQ, "timestamp": 1.0}
        socket.send(msgpack.packb(hello))
        replies: list[Message] = []
        while not replies or replies[-1].seq != self.SEQ:
            reply = socket.recv(timeout=PATIENCE)
            assert isinstance(reply, bytes)
            replies.append(decode_harness(reply))
        return replies[:-1]

    def _kind(self, data: bytes | str, reply: Any) -> str:
        for message in reply:
            text = str(message.payload.get("error", ""))
            actions = message.payload.get("actions", 0.0)
            if "internal error" in text or "\n" in text or not np.isfinite(actions).all():
                self._fault(data, f"{message.type}: {message.payload}")
        kinds = {message.type for message in reply}
        return "answered" if "action" in kinds else "refused" if "error" in kinds else "passed over"
