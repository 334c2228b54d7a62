"""uvicorn's connections with an end: one that never sends its request, and one that never reads, is cut off."""

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from polymath.serving.limits import Limits

LONGEST_HEAD = 16 * 2**10
"""Bytes of a request line and its headers."""


def bounded(limits: Limits) -> dict[str, Any]:
    """The arguments `http` and `ws` of uvicorn's Config, and its own limits."""

    class Http(H11Protocol):
        """At most `limits.sockets` at once; the head of the first request within `limits.head` seconds."""

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._deadline = asyncio.get_running_loop().call_later(limits.head, self._end_without_request)
            if len(self.connections) > limits.sockets:
                transport.abort()

        def _end_without_request(self) -> None:
            if getattr(self, "cycle", None) is None:
                self.transport.abort()

        def handle_websocket_upgrade(self, event: h11.Request) -> None:
            self._deadline.cancel()
            super().handle_websocket_upgrade(event)

        def connection_lost(self, exc: Exception | None) -> None:
            self._deadline.cancel()
            super().connection_lost(exc)

    class WebSocket(WebSocketsSansIOProtocol):
        """Cut off when its protocol has ended or a ping was not answered, even where the peer does not read."""

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
