"""One robot that sends what it should not, and says how the server took it."""

import contextlib
from collections import Counter
from typing import Any

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

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
                self._socket.recv(timeout=PATIENCE)
            self._socket.send(data)
            reply = self._socket.recv(timeout=PATIENCE)
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

    def _kind(self, data: bytes | str, reply: Any) -> str:
        if isinstance(reply, str):
            if reply.startswith("internal error") or not reply.strip() or "\n" in reply:
                self._fault(data, reply)
            return "refused"
        if "actions" not in decode(reply):
            self._fault(data, "a reply without actions")
        return "answered"

    def _fault(self, data: bytes | str, text: str) -> None:
        sent = data[:200].encode().hex() if isinstance(data, str) else data[:400].hex()
        self.faults.append(f"{text} (sent {type(data).__name__} {sent})")
