"""One connection to a policy server: frames out, frames in. What goes wrong is told in the words of `trouble.py`."""

import logging
import ssl
from contextlib import ExitStack, suppress
from ipaddress import ip_address
from urllib.parse import urlsplit
from urllib.request import getproxies

from websockets import exceptions
from websockets.sync.client import ClientConnection, connect

from polymath.errors import ConfigError, PolymathError
from polymath.policy.remote.trouble import Gone, loss, refusal, words

LARGEST = 64 * 2**20  # bytes of an answer; a chunk of 100 steps of 32 numbers has 13 kB
ANSWER_TIMEOUT = 300.0  # seconds; a server may compile at its first observation
SLOW = 30.0
OPEN_TIMEOUT = 20.0
_log = logging.getLogger(__name__)


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

        Compression is off, as in all clients of both protocols, and a proxy of the environment is not asked for this
        machine. There are no pings: servers that infer on their event loop do not answer them; a server that is silent
        for ANSWER_TIMEOUT is gone.
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
            raise refusal(url, error, key is not None) from None
        except ssl.SSLError as error:
            advice = "write ws:// where it speaks no TLS, or name its authority in $SSL_CERT_FILE"
            raise ConfigError(f"{url}: TLS fails ({error.reason or error}); {advice}") from None
        except exceptions.InvalidURI as error:
            raise ConfigError(f"{url}: {error}") from None
        except ConnectionRefusedError:
            proxy = "" if _is_here(url) or not getproxies() else " (or at the proxy that the environment names)"
            raise Gone(f"refuses the connection: nothing listens there{proxy}") from None
        except (OSError, EOFError, exceptions.WebSocketException) as error:
            raise Gone(f"cannot be reached ({words(error)})") from None

    def send(self, message: bytes) -> None:
        """Raises Gone."""
        try:
            self._socket.send(message)
        except (OSError, exceptions.WebSocketException) as error:
            raise loss(self.url, error) from None

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
            raise loss(self.url, error) from None

    def close(self) -> None:
        """A connection that is gone may be closed too."""
        self._open.close()


def _is_here(url: str) -> bool:
    """Is it an address of this machine?"""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
