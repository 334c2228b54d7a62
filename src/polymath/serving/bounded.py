"""uvicorn's connections with an end: one that never sends its requests, and one that never reads, is cut off."""

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame

from polymath.serving.limits import Limits

MOST_FRAGMENTS = 10_000
"""Frames of one message: empty ones cost memory, too."""
LONGEST_HEAD = 16 * 2**10
"""Bytes of a request line and its headers."""


def bounded(limits: Limits) -> dict[str, Any]:
    """The arguments `http` and `ws` of uvicorn's Config, and its own limits."""

    class Http(H11Protocol):
        """The head of the first request comes within `limits.head` seconds of the connection, that of a later one
        within as many of its first byte; between two requests uvicorn waits for `timeout_keep_alive`.

        Where more than `limits.sockets` are open, the one that has waited longest for a head is cut off, so that probes
        get through a flood of silent connections; where none waits, the newest is.
        """

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._expect_request()
            if len(self.connections) > limits.sockets:
                others = [each for each in self.connections if isinstance(each, Http) and each._silent]
                min(others, key=lambda each: each._deadline.when()).transport.abort()

        def _expect_request(self) -> None:
            self._silent = True
            self._deadline = asyncio.get_running_loop().call_later(limits.head, self.transport.abort)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self.transport.get_protocol() is not self:  # a WebSocket now
                return
            answering = self.cycle is not None and not self.cycle.response_complete
            if answering or self.timeout_keep_alive_task is not None:
                self._silent = False
                self._deadline.cancel()
            elif not self._silent:  # a part of the next request, or the rest of the last one's body
                self._expect_request()

        def handle_websocket_upgrade(self, event: h11.Request) -> None:
            self._deadline.cancel()
            super().handle_websocket_upgrade(event)

        def connection_lost(self, exc: Exception | None) -> None:
            self._deadline.cancel()
            super().connection_lost(exc)

    class WebSocket(WebSocketsSansIOProtocol):
        """Cut off when its protocol has ended or a ping was not answered, even where the peer does not read."""

        def handle_cont(self, event: Frame) -> None:
            super().handle_cont(event)
            if len(self.frames) > MOST_FRAGMENTS and not self.close_sent:
                self.conn.fail(CloseCode.MESSAGE_TOO_BIG, f"more than {MOST_FRAGMENTS} fragments")
                self.handle_parser_exception()

        async def run_asgi(self) -> None:
            try:
                await super().run_asgi()
            finally:
                self.loop.call_later(limits.send, self.transport.abort)

        def keepalive_timeout(self) -> None:
            super().keepalive_timeout()
            self.loop.call_later(1.0, self.transport.abort)

    return {
        "http": Http,
        "ws": WebSocket,
        "ws_max_size": limits.message,
        "ws_ping_interval": limits.ping,
        "ws_ping_timeout": limits.ping,
        "ws_per_message_deflate": False,
        "h11_max_incomplete_event_size": LONGEST_HEAD,
    }
