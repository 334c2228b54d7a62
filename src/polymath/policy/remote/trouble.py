"""What goes wrong with a policy server, in words.

Two kinds of trouble: `Gone` passes (a server that is killed, restarted, full or silent), everything else is an error
that the user has to mend and is raised as such.
"""

import time
from collections.abc import Callable
from http import HTTPStatus
from typing import TypeVar

from websockets import exceptions

from polymath.errors import ConfigError, PolymathError
from polymath.policy.remote.address import KEY_VARIABLE

_TRY_LATER = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.REQUEST_TIMEOUT)
_OUR_COMPLAINTS = {1002: "no WebSocket frames", 1007: "a text that is not UTF-8", 1009: "a message that is too long"}
_THEIR_COMPLAINTS = {
    1002: "it takes this client's frames for none",
    1003: "it does not take such messages",
    1007: "it does not take such data",
    1008: "its rules forbid it",
    1009: "the observation is too large; show smaller pictures, or let the server take more (--max-message)",
}
"""Closes after which asking again does not help (RFC 6455, section 7.4)."""
Opened = TypeVar("Opened")


class Gone(Exception):
    """The server cannot be reached now, or has left; the text says what happened."""


class Busy(Gone):
    """The server is there, but takes no connection yet: it loads, drains, or has as many as it may."""


def loss(url: str, error: Exception) -> Exception:
    """What the end of a connection means: Gone, or PolymathError where asking again does not help."""
    if isinstance(error, exceptions.ConnectionClosed):
        ours, theirs = (None if error.rcvd_then_sent else error.sent), error.rcvd
        if ours is not None and ours.code in _OUR_COMPLAINTS:
            return PolymathError(f"{url}: sent {_OUR_COMPLAINTS[ours.code]}; is this a policy server?")
        if theirs is not None and theirs.code in _THEIR_COMPLAINTS:
            reason = " ".join(theirs.reason.split()) or _THEIR_COMPLAINTS[theirs.code]
            return PolymathError(f"{url}: ends the connection: {reason} (close {theirs.code})")
    return Gone(f"has left ({words(error)})")


def patiently(
    open_it: Callable[[], Opened], wait: float, url: str, warn: Callable[[str], object], passing: type[Gone] = Gone
) -> Opened:
    """`open_it()`, tried again for `wait` seconds where it raises `passing`.

    `warn(text)` tells when that begins and ends. Raises PolymathError if the time is over.
    """
    began, pause, announced = time.monotonic(), 0.1, False
    while True:
        try:
            opened = open_it()
        except passing as gone:
            waited = time.monotonic() - began
            if waited >= wait:
                raise PolymathError(
                    f"{url}: {gone}, for {waited:.0f} s by now; start the server and run the same command again "
                    "(finished episodes are kept), or wait longer with ?wait=SECONDS"
                ) from None
            if not announced:
                warn(f"{url}: {gone}; waiting up to {wait:g} s for it to come back")
                announced = True
            time.sleep(min(pause, wait - waited))
            pause = min(2 * pause, 2.0)
            continue
        if announced:
            warn(f"{url}: is back after {time.monotonic() - began:.0f} s")
        return opened


def refusal(url: str, error: exceptions.InvalidStatus, with_key: bool) -> Exception:
    """What an HTTP status in place of the handshake means: Busy, or ConfigError where waiting does not help."""
    status, body = error.response.status_code, _first_line(error.response.body)
    status_line = f"HTTP {status}{f': {body}' if body else ''}"
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        problem = "does not accept the key" if with_key else "asks for a key"
        return ConfigError(f"{url}: {problem} ({status_line}); name it with --key-file FILE or in ${KEY_VARIABLE}")
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _TRY_LATER:
        return Busy(f"takes no connection now ({status_line})")
    if status >= HTTPStatus.BAD_REQUEST:
        return ConfigError(f"{url}: refuses the connection ({status_line}); check path, model and robot in the URL")
    return ConfigError(
        f"{url}: answers with {status_line} instead of the WebSocket handshake; is this a policy server?"
    )


def _first_line(body: bytes | bytearray | None) -> str:
    lines = bytes(body or b"")[:400].decode("utf-8", "replace").strip().splitlines()
    return lines[0] if lines else ""


def words(error: Exception) -> str:
    """The first line of an error, or its kind."""
    text = str(error).splitlines()
    return text[0] if text and text[0] else type(error).__name__
