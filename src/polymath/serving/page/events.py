"""Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html): the status, twice a second."""

import asyncio
import contextlib
from collections.abc import Callable

from starlette.types import Receive, Scope, Send

EVERY = 0.5  # seconds
LONGEST = 600.0  # seconds of one stream; the browser then asks for the next by itself


class Events:
    """An ASGI answer that sends `text()` until the reader has gone, does not read, or `over()`."""

    def __init__(
        self, text: Callable[[], str], over: Callable[[], bool], patience: float, headers: dict[str, str]
    ) -> None:
        """`patience`: seconds that a reader may take to read one event."""
        self._text, self._over, self._patience = text, over, patience
        self._headers = {"content-type": "text/event-stream", "x-accel-buffering": "no"} | headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(name.lower().encode(), value.encode()) for name, value in self._headers.items()]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        gone = asyncio.create_task(_disconnected(receive))
        begin = asyncio.get_running_loop().time()
        try:
            while not self._over() and asyncio.get_running_loop().time() - begin < LONGEST:
                event = f"data: {self._text()}\n\n".encode()
                async with asyncio.timeout(self._patience):
                    await send({"type": "http.response.body", "body": event, "more_body": True})
                if await asyncio.wait({gone}, timeout=EVERY) != (set(), {gone}):
                    return
            await send({"type": "http.response.body", "body": b"retry: 1000\n\n"})
        except TimeoutError:
            return  # a reader that does not read: the server ends the connection
        finally:
            gone.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await gone


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
