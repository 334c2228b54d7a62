"""The paths of the server, as an ASGI app.

    GET /healthz     200 "OK" while the process answers, also while it loads
    GET /readyz      200 when requests are answered, 503 with the reason before and after
    GET /metrics     Prometheus
    GET /, /page/…, /api/…    the page and its data (`polymath.serving.page.routes`)
    WebSocket /, /MODEL    openpi's protocol; ?robot=ADAPTER chooses how the robot's messages are read
    WebSocket /vla-eval, /MODEL/vla-eval    vla-eval's, likewise; ?execute=K actions are sent of a chunk

Other options, and one that comes twice, are refused: an adapter that was misspelt would be another one than was meant.
What is wrong with a handshake is answered with an HTTP status and one line.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence

from starlette.applications import Starlette
from starlette.datastructures import QueryParams
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.frames import CloseCode

from polymath.errors import ConfigError, PolymathError, did_you_mean
from polymath.serving.access import Guard, Keys, peer_of
from polymath.serving.page.recordings import Recordings
from polymath.serving.page.routes import page_routes
from polymath.serving.protocols import openpi, vla_eval
from polymath.serving.protocols.channel import Channel, one_line
from polymath.serving.service import Connection, Service
from polymath.serving.sessions import Overloaded

log = logging.getLogger("polymath.serving")
EXPOSITION = "text/plain; version=0.0.4; charset=utf-8"
Protocol = Callable[[Channel, Connection], Awaitable[None]]


def make_app(
    service: Service, keys: Keys | None, recordings: Recordings | None = None, names: Sequence[str] = ()
) -> Starlette:
    """The app of one service; `keys` None lets everyone in; `recordings` are shown by its page.

    names: by which browsers reach a server without keys, besides its addresses (`access.Guard`).
    """
    app = Starlette(
        routes=[
            Route("/healthz", _healthz),
            Route("/readyz", _readyz),
            Route("/metrics", _metrics),
            *page_routes(service, recordings),
            WebSocketRoute("/", _openpi),
            WebSocketRoute("/vla-eval", _vla_eval),
            WebSocketRoute("/{model}", _openpi),
            WebSocketRoute("/{model}/vla-eval", _vla_eval),
            WebSocketRoute("/{rest:path}", _nothing),
        ],
        middleware=[Middleware(Guard, keys=keys, metrics=service.metrics, names=names)],
    )
    app.state.service = service
    return app


async def _healthz(request: Request) -> Response:
    return PlainTextResponse("OK\n")


async def _readyz(request: Request) -> Response:
    state = request.app.state.service.state
    return PlainTextResponse(f"{state}\n", 200 if state == "ready" else 503)


async def _metrics(request: Request) -> Response:
    return Response(request.app.state.service.metrics.exposition(), media_type=EXPOSITION)


async def _openpi(websocket: WebSocket) -> None:
    await _robot(websocket, "openpi", openpi.serve, ("robot",))


async def _vla_eval(websocket: WebSocket) -> None:
    await _robot(websocket, "vla-eval", vla_eval.serve, ("robot", "execute"))


async def _nothing(websocket: WebSocket) -> None:
    await _refuse(websocket, ConfigError(f"{websocket.url.path[:80]}: is no path of this server; ask at / or /MODEL"))


async def _robot(websocket: WebSocket, name: str, serve: Protocol, options: Sequence[str]) -> None:
    """The handshake, and then the protocol. What is wrong with the handshake is an HTTP status with one line."""
    service: Service = websocket.app.state.service
    model, adapter = websocket.path_params.get("model"), websocket.query_params.get("robot")
    peer = peer_of(websocket.scope)
    try:
        _check_options(websocket.query_params, options)
        service.admit(model, adapter)
    except PolymathError as error:
        await _refuse(websocket, error)
        return
    await websocket.accept()
    with Channel(websocket, service.limits) as channel:
        try:
            connection = await service.connect(model, adapter, peer)
        except Overloaded as error:  # since `admit`
            await channel.close(CloseCode.TRY_AGAIN_LATER, one_line(error))
            return
        gauge = service.metrics.connections.labels(name)
        gauge.inc()
        try:
            await serve(channel, connection)
        except WebSocketDisconnect as gone:
            log.info("client gone", extra={"peer": peer, "reason": gone.reason})
        finally:
            gauge.dec()
            await connection.close()


def _check_options(query: QueryParams, options: Sequence[str]) -> None:
    """Raise ConfigError for an option of the address that means nothing here, or comes twice."""
    for name in query:
        if name not in options:
            raise ConfigError(f"?{name[:40]}=: no option of this address; {did_you_mean(name[:40], options)}")
        if len(query.getlist(name)) > 1:
            raise ConfigError(f"?{name}=: comes {len(query.getlist(name))} times; give it once")


async def _refuse(websocket: WebSocket, error: PolymathError) -> None:
    overloaded = isinstance(error, Overloaded)
    status, headers = (503, {"Retry-After": "5"}) if overloaded else (400, {})
    service: Service = websocket.app.state.service
    service.metrics.refused.labels("overloaded" if overloaded else "unknown").inc()
    log.warning("handshake refused", extra={"peer": peer_of(websocket.scope), "reason": one_line(error)})
    await websocket.receive()
    await websocket.send_denial_response(PlainTextResponse(f"{one_line(error)}\n", status, headers))
