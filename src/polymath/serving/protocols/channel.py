"""What every protocol needs of a WebSocket: sends that end, requests that are counted, closes that say why."""

import asyncio
import logging
import time
from collections import Counter

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState
from websockets.frames import CloseCode

from polymath.errors import PolymathError
from polymath.serving.limits import Limits
from polymath.serving.service import Service

LONGEST_TEXT = 1000
"""Characters of an error's text."""
LOGGED = 10
"""Refused requests, or errors of its own, of a client of which each is logged."""
log = logging.getLogger("polymath.serving")


class TooFast(PolymathError):
    """A client asks more often than it may."""


class Channel:
    """One accepted WebSocket. From a message until the next `receive`, or the end, the service counts it as busy.

    with Channel(websocket, limits) as channel:
        while (data := await channel.receive()) is not None:
            …
    """

    def __init__(self, websocket: WebSocket, limits: Limits) -> None:
        self.websocket, self._limits = websocket, limits
        self._service: Service = websocket.app.state.service
        self._burst = max(limits.rate, 1.0)
        self._tokens, self._filled = self._burst, time.monotonic()
        self._warned: Counter[str] = Counter()

    def __enter__(self) -> "Channel":
        return self

    def __exit__(self, *error: object) -> None:
        self._service.answering.discard(self)

    async def receive(self) -> bytes | str | None:
        """The next message; None when the client has gone, or the server drains, of which the client is told."""
        self._service.answering.discard(self)
        if self._service.state == "draining":
            await self.close(CloseCode.SERVICE_RESTART, "the server stops; connect again")
        if self.websocket.application_state is not WebSocketState.CONNECTED:
            return None
        message = await self.websocket.receive()
        if message["type"] == "websocket.disconnect":
            return None
        self._service.answering.add(self)
        data = message.get("bytes")
        return message.get("text") if data is None else data

    async def send(self, data: bytes | str) -> None:
        """Raises WebSocketDisconnect when the client has gone, or does not read for `limits.send` seconds."""
        sending = self.websocket.send_bytes(data) if isinstance(data, bytes) else self.websocket.send_text(data)
        try:
            await asyncio.wait_for(sending, self._limits.send)
        except TimeoutError:
            raise WebSocketDisconnect(CloseCode.POLICY_VIOLATION, "the client does not read its replies") from None

    async def close(self, code: int, reason: str) -> None:
        """Close with a reason of at most 123 bytes (RFC 6455); nothing where the client has gone."""
        if self.websocket.application_state is WebSocketState.CONNECTED:
            try:
                closing = self.websocket.close(code, reason.encode()[:123].decode(errors="ignore"))
                await asyncio.wait_for(closing, self._limits.send)
            except (TimeoutError, WebSocketDisconnect):
                pass  # gone, or deaf: the server ends the connection

    def log_refusal(self, peer: str, reason: str) -> None:
        """Log a request that was refused."""
        self._warn("request refused", peer, reason, "refused")

    def log_report(self, peer: str, text: str) -> None:
        """Log an error that the client says it has, the beginning of its text."""
        self._warn("client reports an error", peer, " ".join(text[:LONGEST_TEXT].split()), "reported")

    def _warn(self, event: str, peer: str, reason: str, counter: str) -> None:
        """Log the first few events of a kind of a client, then one in a hundred."""
        self._warned[event] += 1
        count = self._warned[event]
        if count <= LOGGED or count % 100 == 0:
            log.warning(event, extra={"peer": peer, "reason": reason, counter: count})

    def count(self) -> None:
        """Count one request. Raises TooFast beyond `limits.rate` a second; as many, or one, may come at once."""
        now = time.monotonic()
        self._tokens = min(self._tokens + (now - self._filled) * self._limits.rate, self._burst)
        self._filled = now
        if self._tokens < 1:
            raise TooFast(f"rate: more than {self._limits.rate:g} requests a second (--max-rate); ask less often")
        self._tokens -= 1


def one_line(error: BaseException) -> str:
    """The text of an error frame: one line, not too long."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}…"
