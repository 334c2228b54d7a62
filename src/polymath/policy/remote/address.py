"""Where a policy is served: the URL that a user types for `--policy`, and the key that opens the door.

ws://robot-lab:8000/run-a?robot=libero&wait=60
vla-eval+wss://robot-lab/vla-eval
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qsl, quote, urlsplit, urlunsplit

from polymath.errors import ConfigError, did_you_mean

KEY_VARIABLE = "POLYMATH_SERVER_KEY"
VLA_EVAL_PATH = "/vla-eval"  # of our server
WAIT = 600.0  # seconds for a server that is gone
EXAMPLE = "ws://HOST:8000 or vla-eval+ws://HOST:8000"
_OPTIONS = ("robot", "wait")
_SCHEMES = ("ws", "wss", "vla-eval+ws", "vla-eval+wss")
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
_KEY = re.compile(r"[\x21-\x7e]+")  # what stands in an HTTP header without quoting


@dataclass(frozen=True)
class Address:
    """A policy server, and how long it is waited for.

    url: what is connected to, without our options. robot: whose names the inputs have (see `keys.py`), or empty. wait:
    seconds for which a server that is gone is waited for.
    """

    protocol: Literal["openpi", "vla-eval"]
    url: str
    robot: str = ""
    wait: float = WAIT

    @property
    def host(self) -> str:
        """HOST-PORT, or HOST where the port is the usual one; it can name files."""
        parts = urlsplit(self.url)
        return re.sub(r"[^\w.-]", "-", parts.netloc).strip("-.") or "server"

    @property
    def connect_url(self) -> str:
        """`url`, with the name of the robot for a server that has adapters; a file of the user's is not known there."""
        known_there = self.robot and not Path(self.robot).suffix
        return f"{self.url}?robot={quote(self.robot)}" if known_there else self.url


def is_address(text: str) -> bool:
    """Is it meant as a URL? Paths and names of policies have no `://`."""
    return bool(_SCHEME.match(text))


def address(text: str) -> Address:
    """Raises ConfigError naming the part of the URL that does not fit."""
    scheme = _SCHEME.match(text)
    if scheme is None or scheme[1].lower() not in _SCHEMES:
        raise ConfigError(f"--policy {text}: no protocol of a policy server; write {EXAMPLE} (wss:// for TLS)")
    protocol, plain = "openpi", text
    if scheme[1].lower().startswith("vla-eval+"):
        protocol, plain = "vla-eval", text.partition("+")[2]
    try:
        parts = urlsplit(plain)
        missing = not parts.hostname or parts.port == 0
    except ValueError as error:
        raise ConfigError(f"--policy {text}: {error}; write {EXAMPLE}") from None
    if missing:
        raise ConfigError(f"--policy {text}: names no host and port; write {EXAMPLE}")
    if "@" in parts.netloc:
        raise ConfigError(f"--policy: a password does not belong into the URL; use --key-file FILE or ${KEY_VARIABLE}")
    if parts.fragment or any(character.isspace() for character in plain):
        raise ConfigError(f"--policy {text}: '#' and spaces have no meaning here; write {EXAMPLE}")
    if protocol == "openpi" and parts.path.rstrip("/").endswith(VLA_EVAL_PATH):
        raise ConfigError(f"--policy {text}: vla-eval's protocol is spoken at this path; write vla-eval+{text}")
    options = _options(text, parts.query)
    url = urlunsplit((parts.scheme.lower(), parts.netloc, parts.path.rstrip("/"), "", ""))
    return Address(protocol, url, options.get("robot", ""), _wait(text, options.get("wait")))  # type: ignore[arg-type]


def server_key(file: Path | None) -> str | None:
    """The key in `file`, else in $POLYMATH_SERVER_KEY, else none.

    Raises ConfigError if there is no such file, or if what it holds cannot be a key; the key itself is never printed.
    """
    if file is None:
        key, source = os.environ.get(KEY_VARIABLE, "").strip(), f"${KEY_VARIABLE}"
        if not key:
            return None
    else:
        try:
            key, source = Path(file).read_text().strip(), f"--key-file {file}"
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not a text"
            raise ConfigError(f"--key-file {file}: cannot be read ({reason}); name a file that holds the key") from None
    if not _KEY.fullmatch(key):
        raise ConfigError(f"{source}: holds no key; it is one word of printable ASCII characters")
    return key


def _options(text: str, query: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    except ValueError:
        raise ConfigError(f"--policy {text}: {query!r} is not of the form ?robot=NAME&wait=SECONDS") from None
    for name, value in pairs:
        if name not in _OPTIONS:
            raise ConfigError(f"--policy {text}: no option {name!r}; {did_you_mean(name, _OPTIONS)}")
        if not value or [each for each, _ in pairs].count(name) > 1:
            raise ConfigError(f"--policy {text}: give {name} one value, as in ?robot=libero&wait=60")
    return dict(pairs)


def _wait(text: str, value: str | None) -> float:
    if value is None:
        return WAIT
    try:
        seconds = float(value)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 86400 * 7:
        raise ConfigError(f"--policy {text}: wait={value} is no number of seconds from 0 to a week")
    return seconds
