"""One connection to a policy server: frames out, frames in, and what went wrong in words.

Two kinds of trouble: `Gone` passes (a server that is killed, restarted, full or silent), everything else is an error
that the user has to mend and is raised as such.
"""

import logging
import ssl
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from http import HTTPStatus
from ipaddress import ip_address
from typing import TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies

from websockets import exceptions
from websockets.sync.client import ClientConnection, connect

from polymath.errors import ConfigError, PolymathError
from polymath.policy.remote.address import KEY_VARIABLE

LARGEST = 64 * 2**20  # bytes of an answer; a chunk of 100 steps of 32 numbers has 13 kB
ANSWER_TIMEOUT = 300.0  # seconds; a server may compile at its first observation
SLOW = 30.0
OPEN_TIMEOUT = 20.0
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
_log = logging.getLogger(__name__)
Opened = TypeVar("Opened")


class Gone(Exception):
    """The server cannot be reached now, or has left; the text says what happened."""


class Busy(Gone):
    """The server is there, but takes no connection yet: it loads, drains, or has as many as it may."""


class _Silent(Exception):
    """No frame has come in time."""


class Link:
    """An open connection. `url` is what messages call the server."""

    def __init__(self, url: str, connecting: ClientConnection) -> None:
        self.url, self._open = url, ExitStack()
        self._socket = self._open.enter_context(connecting)

    @classmethod
    def to(cls, connect_url: str, url: str, key: str | None) -> "Link":
        """Open a connection. Raises Gone, and ConfigError where waiting cannot help.

        Compression is off, as in all clients of both protocols, and the environment's proxy is not used for this machine.
        There are no pings: servers that infer on their event loop do not answer them; a server that is silent for
        ANSWER_TIMEOUT is gone.
        """
        headers = {} if key is None else {"Authorization": f"Api-Key {key}"}
        try:
            return cls(
                url,
                connect(
                    connect_url,
                    additional_headers=headers,
                    compression=None,
                    max_size=LARGEST,
                    open_timeout=OPEN_TIMEOUT,
                    ping_interval=None,
                    close_timeout=1,
                    proxy=None if _is_here(url) else True,
                ),
            )
        except exceptions.InvalidStatus as error:
            raise _refusal(url, error, key is not None) from None
        except ssl.SSLError as error:
            advice = "write ws:// where it speaks no TLS, or name its authority in $SSL_CERT_FILE"
            raise ConfigError(f"{url}: TLS fails ({error.reason or error}); {advice}") from None
        except exceptions.InvalidURI as error:
            raise ConfigError(f"{url}: {error}") from None
        except ConnectionRefusedError:
            proxy = "" if _is_here(url) or not getproxies() else " (or at the proxy that the environment names)"
            raise Gone(f"refuses the connection: nothing listens there{proxy}") from None
        except (OSError, EOFError, exceptions.WebSocketException) as error:
            raise Gone(f"cannot be reached ({_words(error)})") from None

    def send(self, message: bytes) -> None:
        """Raises Gone."""
        try:
            self._socket.send(message)
        except (OSError, exceptions.WebSocketException) as error:
            raise self._lost(error) from None

    def receive(self, timeout: float | None = None) -> str | bytes:
        """The next frame; a warning after SLOW seconds. Raises Gone, PolymathError for what is no frame or too large.

        `timeout` in seconds, ANSWER_TIMEOUT if left out.
        """
        patience = ANSWER_TIMEOUT if timeout is None else timeout
        if patience > SLOW:
            with suppress(_Silent):
                return self._next(SLOW)
            _log.warning("%s: no answer for %g s; waiting up to %g s", self.url, SLOW, patience)
            patience -= SLOW
        try:
            return self._next(patience)
        except _Silent:
            raise Gone("has been silent for too long") from None

    def check_silent(self) -> None:
        """Raise PolymathError if a frame waits that nothing asked for: the following answers would be mistaken."""
        with suppress(_Silent):
            self._next(0)
            raise PolymathError(f"{self.url}: sent more frames than it was asked for; is this a policy server?")

    def _next(self, seconds: float) -> str | bytes:
        try:
            return self._socket.recv(seconds)
        except TimeoutError:
            raise _Silent from None
        except (OSError, EOFError, exceptions.WebSocketException) as error:
            raise self._lost(error) from None

    def close(self) -> None:
        """A connection that is gone may be closed too."""
        self._open.close()

    def _lost(self, error: Exception) -> Exception:
        if isinstance(error, exceptions.ConnectionClosed):
            ours, theirs = (None if error.rcvd_then_sent else error.sent), error.rcvd
            if ours is not None and ours.code in _OUR_COMPLAINTS:
                return PolymathError(f"{self.url}: sent {_OUR_COMPLAINTS[ours.code]}; is this a policy server?")
            if theirs is not None and theirs.code in _THEIR_COMPLAINTS:
                reason = " ".join(theirs.reason.split()) or _THEIR_COMPLAINTS[theirs.code]
                return PolymathError(f"{self.url}: ends the connection: {reason} (close {theirs.code})")
        return Gone(f"has left ({_words(error)})")


def patiently(
    open_it: Callable[[], Opened], wait: float, url: str, warn: Callable[[str], object], passing: type[Gone] = Gone
) -> Opened:
    """`open_it()`, tried again for `wait` seconds where it raises `passing`.

    `warn(text)` tells when that begins and ends. Raises PolymathError if the time is over.
    """
    began, pause, told = time.monotonic(), 0.1, False
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
            if not told:
                warn(f"{url}: {gone}; waiting up to {wait:g} s for it to come back")
                told = True
            time.sleep(min(pause, wait - waited))
            pause = min(2 * pause, 2.0)
            continue
        if told:
            warn(f"{url}: is back after {time.monotonic() - began:.0f} s")
        return opened


def _is_here(url: str) -> bool:
    """Is it an address of this machine?"""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _refusal(url: str, error: exceptions.InvalidStatus, with_key: bool) -> Exception:
    """What an HTTP status in place of the handshake means."""
    status, body = error.response.status_code, _first_line(error.response.body)
    says = f"HTTP {status}{f': {body}' if body else ''}"
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        problem = "does not accept the key" if with_key else "asks for a key"
        return ConfigError(f"{url}: {problem} ({says}); name it with --key-file FILE or in ${KEY_VARIABLE}")
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _TRY_LATER:
        return Busy(f"takes no connection now ({says})")
    if status >= HTTPStatus.BAD_REQUEST:
        return ConfigError(f"{url}: refuses the connection ({says}); check path, model and robot in the URL")
    return ConfigError(f"{url}: answers with {says} instead of the WebSocket handshake; is this a policy server?")


def _first_line(body: bytes | bytearray | None) -> str:
    lines = bytes(body or b"")[:400].decode("utf-8", "replace").strip().splitlines()
    return lines[0] if lines else ""


def _words(error: Exception) -> str:
    text = str(error).splitlines()
    return text[0] if text and text[0] else type(error).__name__
