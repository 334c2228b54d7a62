"""How the page's data is sent: headers that every reply has, numbers as JSON, errors as one line."""

import asyncio
import json
import logging
import math
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from polymath.errors import ConfigError, DataError, PolymathError
from polymath.serving.protocols.channel import one_line
from polymath.serving.sessions import Overloaded

log = logging.getLogger("polymath.serving")
LARGEST_BODY = 2**16
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
}
Handler = Callable[[Request], Awaitable[Response]]


class Missing(DataError):
    """A session, an episode or a page that there is not."""


class TooLarge(DataError):
    """A body of more than LARGEST_BODY bytes."""


class TooSlow(DataError):
    """A body that has not come in time."""


class WrongType(DataError):
    """A body that does not call itself JSON: a form of another site cannot send it."""


STATUSES: tuple[tuple[type[PolymathError], int], ...] = (
    (Missing, 404),
    (TooSlow, 408),
    (TooLarge, 413),
    (WrongType, 415),
    (Overloaded, 503),
    (DataError, 400),
    (ConfigError, 409),
)


def replying(handler: Handler) -> Handler:
    """The handler with HEADERS, and each PolymathError as {"error": one line} with its status."""

    async def reply(request: Request) -> Response:
        try:
            response = await handler(request)
        except PolymathError as error:
            status = next((status for kind, status in STATUSES if isinstance(error, kind)), 500)
            response = as_json({"error": one_line(error)}, status)
            if status == 503:
                response.headers["Retry-After"] = "1"
        except ClientDisconnect:
            response = Response(status_code=400)
        response.headers.update(HEADERS)
        return response

    return reply


def as_json(content: Any, status: int = 200) -> JSONResponse:
    """Arrays as lists; numbers that JSON has not (NaN, infinity) as null."""
    return JSONResponse(plain(content), status)


def as_text(content: Any) -> str:
    """The same as text."""
    return json.dumps(plain(content), allow_nan=False, separators=(",", ":"))


def plain(content: Any) -> Any:
    """Maps, lists, texts and finite numbers alone."""
    if isinstance(content, dict):
        return {str(key): plain(value) for key, value in content.items()}
    if isinstance(content, np.ndarray):
        return plain(np.round(content.astype(np.float64), 5).tolist())
    if isinstance(content, list | tuple):
        return [plain(value) for value in content]
    if isinstance(content, float):
        return content if math.isfinite(content) else None
    if isinstance(content, str):
        return content.encode("utf-8", "replace").decode()
    return content


async def body_of(request: Request) -> dict[str, Any]:
    """The JSON object in the body. Raises DataError for anything else."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise WrongType("content-type: send a JSON object as application/json")
    data, seconds = bytearray(), request.app.state.service.limits.head
    try:
        async with asyncio.timeout(seconds):
            async for part in request.stream():
                data += part
                if len(data) > LARGEST_BODY:
                    raise TooLarge(f"body: more than {LARGEST_BODY:,} bytes")
    except TimeoutError:
        raise TooSlow(f"body: has not come whole within {seconds:g} s; send it at once") from None
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise DataError(f"body: is no JSON ({type(error).__name__})") from None
    if not isinstance(content, dict):
        raise DataError(f"body: a {type(content).__name__}; send a JSON object")
    return content


def instruction_of(body: dict[str, Any]) -> str | None:
    """The text to ask with; None where the episode's or the robot's own stands. Raises DataError for no text."""
    instruction = body.get("instruction")
    if instruction is None:
        return None
    if not isinstance(instruction, str):
        raise DataError(f"instruction: a {type(instruction).__name__}; send a text, or null for the own one")
    if not instruction.isprintable():
        raise DataError("instruction: holds control characters or halves of a surrogate pair; send plain text")
    return instruction


def fields_of(body: dict[str, Any], allowed: tuple[str, ...]) -> None:
    """Raise DataError for a field that means nothing here."""
    if unknown := [key for key in body if key not in allowed]:
        raise DataError(f"body: no field {unknown[0][:40]!r}; send {', '.join(allowed)}")


def number_in(text: str, name: str) -> int:
    """A whole number of a path. Raises Missing for anything else."""
    if not (text.isascii() and text.isdecimal() and len(text) < 12):
        raise Missing(f"{name} {text[:20]!r}: is no number")
    return int(text)
