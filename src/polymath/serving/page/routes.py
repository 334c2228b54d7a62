"""The page's paths: static files, and the data they ask for; `static/openapi.json` describes it for machines.

GET  /                                            the page; /page/… its style and scripts
GET  /api/status                                  health, latency, models, sessions
GET  /api/events                                  the same, as server-sent events
GET  /api/sessions/S                              the newest answer of a robot
GET  /api/sessions/S/cameras/C                    JPEG of what its camera C saw
GET  /api/sessions/S/attention/C?latent=L         the same with the latents' attention over it
POST /api/sessions/S/predictions {instruction}    what the policy would do; the robot is not told
GET  /api/episodes?start=0                        recorded episodes, a hundred at a time
GET  /api/episodes/E                              one, with its actions
GET  /api/episodes/E/steps/T/cameras/C            JPEG; …/attention/C?latent=L as above
POST /api/episodes/E/predictions {step, instruction}
"""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from polymath.serving.page.answers import Asking
from polymath.serving.page.episodes import Episodes
from polymath.serving.page.events import Events
from polymath.serving.page.pictures import Gaze
from polymath.serving.page.recorder import Recorder
from polymath.serving.page.recordings import Recordings
from polymath.serving.page.replies import HEADERS, as_json, as_text, replying
from polymath.serving.page.robots import Robots
from polymath.serving.page.status import Status
from polymath.serving.page.thread import Thread
from polymath.serving.service import Service

STATIC = Path(__file__).parent / "static"
REPORT_STYLE = Path(__file__).parents[2] / "evaluation" / "report" / "style.css"
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".json": "application/json"}
MOST_STREAMS = 16


def page_routes(service: Service, recordings: Recordings | None) -> list[BaseRoute]:
    """The routes of one service; from now on the service tells the page of each answer."""
    recorder = service.watch = Recorder(service)
    asking, gaze, thread = Asking(service), Gaze(), Thread()
    status = Status(service, recorder, recordings)
    robots = Robots(recorder, asking, gaze, thread)
    episodes = Episodes(service, recordings, asking, gaze, thread)

    async def now(request: Request) -> Response:
        return as_json(status.as_dict())

    handlers = [
        ("GET", "/api/status", now),
        ("GET", "/api/sessions/{session}", robots.newest),
        ("GET", "/api/sessions/{session}/cameras/{camera}", robots.camera),
        ("GET", "/api/sessions/{session}/attention/{camera}", robots.attention),
        ("POST", "/api/sessions/{session}/predictions", robots.predict),
        ("GET", "/api/episodes", episodes.listed),
        ("GET", "/api/episodes/{episode}", episodes.one),
        ("GET", "/api/episodes/{episode}/steps/{step}/cameras/{camera}", episodes.camera),
        ("GET", "/api/episodes/{episode}/steps/{step}/attention/{camera}", episodes.attention),
        ("POST", "/api/episodes/{episode}/predictions", episodes.predict),
    ]
    return [
        *_static(),
        *(Route(path, replying(handler), methods=[method]) for method, path, handler in handlers),
        Route("/api/events", _Stream(service, recorder, status)),
    ]


class _Stream:
    """GET /api/events; while it is read, the service keeps what the robots see."""

    def __init__(self, service: Service, recorder: Recorder, status: Status) -> None:
        self._service, self._recorder, self._status = service, recorder, status

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer: ASGIApp
        if scope["method"] != "GET":
            answer = as_json({"error": "events: are read with GET"}, 405)
        elif self._recorder.watchers >= MOST_STREAMS:
            answer = as_json({"error": f"events: {MOST_STREAMS} pages look already; close one"}, 503)
        else:
            answer = Events(self._text, self._over, self._service.limits.send, HEADERS)
        watching = isinstance(answer, Events)
        self._recorder.watchers += watching
        try:
            await answer(scope, receive, send)
        finally:
            self._recorder.watchers -= watching
            if not self._recorder.watchers:
                self._recorder.forget()

    def _text(self) -> str:
        return as_text(self._status.as_dict())

    def _over(self) -> bool:
        return self._service.state == "draining"


def _static() -> list[BaseRoute]:
    """Files that are read once, at start; a name that is not among them is no path of the server."""
    files = {"/": STATIC / "index.html", "/api/openapi.json": STATIC / "openapi.json", "/page/style.css": REPORT_STYLE}
    files |= {f"/page/{path.name}": path for path in STATIC.iterdir() if path.suffix in (".css", ".js")}
    return [Route(path, _file(file)) for path, file in files.items()]


def _file(path: Path) -> ASGIApp:
    content = path.read_bytes()

    async def send_file(request: Request) -> Response:
        return Response(content, media_type=TYPES[path.suffix])

    return replying(send_file)  # type: ignore[return-value]
