"""One port, from bind to drain.

    listen ──► /healthz answers ──► weights, programs ──► ready ──► SIGTERM: no new robots, running requests are
    answered, connections closed with 1012 ──► exit 0

uvicorn speaks HTTP and WebSocket; loading and inference have a thread of their own, so that the event loop is free.
"""

import asyncio
import logging
import signal
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import FrameType

import uvicorn

from polymath.errors import PolymathError
from polymath.serving.access import Keys
from polymath.serving.app import make_app
from polymath.serving.bounded import bounded
from polymath.serving.endpoint import Tls, url_of
from polymath.serving.page.recordings import Recordings
from polymath.serving.service import Served, Service

log = logging.getLogger("polymath.serving")
POLL = 0.02  # seconds between two looks at what is still to be drained
Load = Callable[[Callable[[], bool]], Iterable[Served]]
"""From a function that says whether to stop to the models, one after the other; runs on the thread of the passes."""


@dataclass(frozen=True)
class Settings:
    """`keys` None: everyone who reaches the port may ask. names: of the server, for browsers (`access.Guard`)."""

    keys: Keys | None = None
    tls: Tls | None = None
    recordings: Recordings | None = None
    names: tuple[str, ...] = ()


class Server(uvicorn.Server):
    """uvicorn's server with our drain: the first signal drains, the second one ends at once."""

    def __init__(self, service: Service, listener: socket.socket, settings: Settings) -> None:
        self.service, self.listener = service, listener
        self.stopping = False
        self.error: BaseException | None = None
        self.url = url_of(listener, settings.tls is not None)
        tls = {} if settings.tls is None else {"ssl_context_factory": _context(settings.tls)}
        super().__init__(
            uvicorn.Config(
                make_app(service, settings.keys, settings.recordings, settings.names),
                log_config=None,
                access_log=False,
                lifespan="off",
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=int(service.limits.send) + 1,
                loop="asyncio",
                **bounded(service.limits),
                **tls,  # type: ignore[arg-type]
            )
        )

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal arrived. Unlike uvicorn's, it is not raised again after the drain, so that the exit status is 0."""
        if self.stopping:
            self.should_exit = self.force_exit = True
        self.stopping = True
        log.info("signal", extra={"signal": signal.Signals(sig).name})

    async def run_until_stopped(self, load: Load, ready: Callable[[str], None]) -> None:
        """Serve; `ready` is called with the URL once requests are answered. Raises what `load` raises."""
        serving = asyncio.create_task(self.serve([self.listener]))
        working = asyncio.create_task(self._load(load, ready))
        try:
            while not self.stopping and not serving.done() and self.error is None:
                await asyncio.sleep(POLL)
            await self._drain()
        finally:
            self.should_exit = True
            await asyncio.gather(working, return_exceptions=True)
            await serving
            await self.service.batcher.stop()
        if self.error is not None:
            raise self.error

    async def _load(self, load: Load, ready: Callable[[str], None]) -> None:
        service = self.service
        log.info("loading", extra={"url": self.url})
        try:
            for served in await service.batcher.on_thread(lambda: list(load(lambda: self.stopping))):
                service.add(served)
        except BaseException as error:
            self.error = error
            if not isinstance(error, PolymathError):
                raise
            return
        if not self.stopping:
            service.begin()
            log.info("ready", extra={"url": self.url, "models": list(service.models)})
            ready(self.url)

    async def _drain(self) -> None:
        service, clock = self.service, asyncio.get_running_loop().time
        service.drain()
        until = clock() + service.limits.drain
        log.info("draining", extra={"connections": len(service.connections), "answering": len(service.answering)})
        while service.answering and clock() < until and not self.should_exit:
            await asyncio.sleep(POLL)
        log.info("drained", extra={"unanswered": len(service.answering)})


def _context(tls: Tls) -> Callable[..., object]:
    return lambda config, default: tls.context()
