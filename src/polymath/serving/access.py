"""Who may ask: keys compared in constant time, pages of other sites kept out. ASGI middleware around the app."""

import base64
import binascii
import hashlib
import hmac
import ipaddress
import logging
import socket
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from polymath.errors import ConfigError
from polymath.serving.metrics import Metrics

OPEN = ("/healthz", "/readyz")
"""Paths for probes, which send no key and learn nothing."""
SCRAPED = "/metrics"
SHORTEST = 16
log = logging.getLogger("polymath.serving")


class Keys:
    """A set of API keys, of which only hashes are held."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._digests = [hashlib.sha256(key.encode()).digest() for key in keys]

    @classmethod
    def load(cls, path: Path) -> "Keys":
        """One key a line, empty lines and those that begin with # left out.

        Raises ConfigError for a file that cannot be read, holds no key, or one that is too short or not plain ASCII.
        """
        try:
            lines = [line.strip() for line in path.read_text("utf-8-sig").splitlines()]  # editors write a mark
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"--keys {path}: cannot be read ({error}); name a file with one key a line") from None
        keys = [line for line in lines if line and not line.startswith("#")]
        for key in keys:
            if len(key) < SHORTEST or not key.isascii() or not key.isprintable() or " " in key:
                raise ConfigError(
                    f"--keys {path}: line {lines.index(key) + 1}: a key is {SHORTEST} or more printable ASCII "
                    "characters without spaces; make one with `openssl rand -hex 32`"
                )
        if not keys:
            raise ConfigError(f"--keys {path}: holds no key, so nobody could connect; write one a line")
        return cls(keys)

    def accept(self, authorization: str | None) -> bool:
        """Whether a header `Api-Key KEY`, `Bearer KEY` or `Basic …` (a browser's; the key is the password) holds one.

        Takes the same time for every key of the set, and for a wrong one.
        """
        digest = hashlib.sha256(_key_of(authorization or "")).digest()
        matches = [hmac.compare_digest(digest, own) for own in self._digests]
        return any(matches)


def _key_of(authorization: str) -> bytes:
    scheme, _, value = authorization.strip().partition(" ")
    if scheme.lower() in ("api-key", "bearer"):
        return value.strip().encode("utf-8", "surrogateescape")
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value.strip(), validate=True).partition(b":")[2]
        except (binascii.Error, ValueError):
            return b""
    return b""


class Guard:
    """Answers 401 without a key of `keys` (None: everyone may ask) and 403 to a page of another site.

    Without keys a browser reaches the server by an address, as localhost, or by one of `names` and this machine's own:
    a page of another site whose name was made to point here (DNS rebinding) has neither.
    """

    def __init__(self, app: ASGIApp, keys: Keys | None, metrics: Metrics, names: Sequence[str] = ()) -> None:
        self._app, self._keys, self._metrics = app, keys, metrics
        self._names = {name.lower() for name in ("localhost", socket.gethostname(), *names)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or scope["path"] in OPEN:
            return await self._app(scope, receive, send)
        headers = Headers(scope=scope)
        if not _same_site(headers):
            refusal = self._refusal(scope, 403, "origin", "a page of another site may not drive a robot")
        elif self._keys is None and _of_browser(scope, headers) and not self._own_name(headers.get("host", "")):
            text = "a page reaches a server without keys by its IP address or as localhost; or serve it with --keys"
            refusal = self._refusal(scope, 403, "host", text)
        elif self._keys is not None and not self._keys.accept(headers.get("authorization")):
            refusal = self._refusal(scope, 401, "key", "send the header `Authorization: Api-Key KEY` with a valid key")
            refusal.headers["WWW-Authenticate"] = 'Basic realm="polymath", charset="UTF-8"'
        else:
            return await self._app(scope, receive, send)
        if scope["type"] == "websocket":
            websocket = WebSocket(scope, receive, send)
            await websocket.receive()
            return await websocket.send_denial_response(refusal)
        await refusal(scope, receive, send)

    def _own_name(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return name in self._names or _is_ip(name)

    def _refusal(self, scope: Scope, status: int, reason: str, text: str) -> Response:
        self._metrics.refused.labels(reason).inc()
        log.warning("handshake refused", extra={"peer": peer_of(scope), "reason": reason, "path": scope["path"]})
        return PlainTextResponse(f"{text}\n", status)


def _same_site(headers: Headers) -> bool:
    """False for a request that a browser makes for a page of another host. Robots' clients send no Origin."""
    origin = headers.get("origin")
    try:
        return origin is None or urlsplit(origin).netloc == headers.get("host")
    except ValueError:  # no URL, such as http://[
        return False


def _of_browser(scope: Scope, headers: Headers) -> bool:
    """Whether a browser may be asking: all but the WebSockets of robots, which send no Origin, and scrapers."""
    return "origin" in headers or (scope["type"] == "http" and scope["path"] != SCRAPED)


def _is_ip(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def peer_of(scope: Scope) -> str:
    """host:port of the client."""
    host, port = scope.get("client") or ("?", 0)
    return f"{host}:{port}"
