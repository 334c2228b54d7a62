"""Where the server listens: the socket, and the certificate."""

import contextlib
import errno
import os
import resource
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

from polymath.errors import ConfigError

OUT_OF_DATE = (9, 10)  # X509_V_ERR_CERT_NOT_YET_VALID and …_HAS_EXPIRED of OpenSSL's x509_vfy.h
SPARE_FILES = 128
"""File descriptors beside those of the connections: weights, logs, libraries."""


@dataclass(frozen=True)
class Tls:
    """A certificate (with its chain) and its key, both PEM."""

    certificate: Path
    key: Path

    def check(self) -> None:
        """Raise ConfigError as `context` does, and for a certificate that every client refuses: one that has expired,
        is not valid yet, or is not for servers.

        A handshake in memory with a client that trusts this very certificate, whatever its name is.
        """
        server, client = self.context(), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        client.check_hostname = False
        client.verify_flags = ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
        try:
            client.load_verify_locations(self.certificate)
            _shake_hands(client, server)
        except ssl.SSLCertVerificationError as error:
            remedy = "renew it, or set the clock of this machine"
            if error.verify_code not in OUT_OF_DATE:
                remedy = "have one made for a server"
            raise ConfigError(
                f"--tls-cert {self.certificate}: {error.verify_message}, so no client would connect; {remedy}"
            ) from None

    def context(self) -> ssl.SSLContext:
        """TLS 1.2 or newer. Raises ConfigError for files that are missing, do not fit, or want a password."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        for option, path in (("--tls-cert", self.certificate), ("--tls-key", self.key)):
            if not path.is_file():
                raise ConfigError(f"{option} {path}: no such file; name a PEM file")
        try:
            context.load_cert_chain(self.certificate, self.key, password=_no_password)
        except (ssl.SSLError, OSError) as error:
            raise ConfigError(
                f"--tls-cert {self.certificate} --tls-key {self.key}: cannot be used ({error}); give the certificate "
                "and its own key, both PEM, the key without a password"
            ) from None
        return context


def _shake_hands(client: ssl.SSLContext, server: ssl.SSLContext) -> None:
    """Raises what the client's side raises."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking = client.wrap_bio(to_client, to_server)
    answering = server.wrap_bio(to_server, to_client, server_side=True)
    for side in (asking, answering, asking):
        with contextlib.suppress(ssl.SSLWantReadError):
            side.do_handshake()


def _no_password() -> str:
    return ""


def listen(host: str, port: int) -> socket.socket:
    """A bound socket; port 0 takes a free one. Raises ConfigError where it cannot be bound."""
    if not 0 <= port <= 65535:
        raise ConfigError(f"--port {port}: choose one from 1 to 65535, or 0 for a free one")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError) as error:
        raise ConfigError(f"--host {host}: is no address of this machine ({error})") from None
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
    except OSError as error:
        listener.close()
        reason = "is in use; stop what listens there, or choose another --port"
        if error.errno != errno.EADDRINUSE:
            reason = f"cannot be bound ({os.strerror(error.errno or 0)}); choose another --host or --port"
        raise ConfigError(f"{host}:{port}: {reason}") from None
    return listener


def url_of(listener: socket.socket, tls: bool) -> str:
    """ws://HOST:PORT, with the name that a client of this machine uses where all addresses are bound."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "localhost", "::": "localhost"}.get(host, host)
    return f"{'wss' if tls else 'ws'}://{f'[{host}]' if ':' in host else host}:{port}"


def allow_files(sockets: int) -> None:
    """Raise the soft limit of open files so that as many connections fit. Raises ConfigError where it cannot be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = sockets + SPARE_FILES
    if soft != resource.RLIM_INFINITY and soft < needed:
        if hard != resource.RLIM_INFINITY and hard < needed:
            raise ConfigError(
                f"--max-sockets {sockets}: this process may open {hard} files (ulimit -n); lower one or raise the other"
            )
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
