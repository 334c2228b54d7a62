"""What one client may cost the others: sizes, rates, times and counts."""

import math
from dataclasses import dataclass, fields

from polymath.errors import ConfigError

MOST_MEBIBYTES = 1024


@dataclass(frozen=True)
class Limits:
    """Bytes, counts, seconds. A value that is not finite and above 0 raises ConfigError.

    message       bytes of one message of a client
    sockets       open TCP connections, those of probes and scrapers included
    connections   robots that are connected at once
    sessions      robots whose history is kept at once, of each model
    instruction   characters of an instruction
    tokens        tokens of an instruction; the programs for all shorter ones are compiled before the first robot comes
    rate          requests a second of one connection; as many may come at once
    answer        seconds from a request to its answer
    send          seconds until a client has read a reply
    head          seconds until a client has sent its request line and headers
    idle          seconds after which an unused session is forgotten
    ping          seconds between pings, and until the answer to one
    drain         seconds that running requests have after SIGTERM
    """

    message: int = 32 * 2**20
    sockets: int = 512
    connections: int = 64
    sessions: int = 32
    instruction: int = 2000
    tokens: int = 64
    rate: float = 200.0
    answer: float = 30.0
    send: float = 10.0
    head: float = 10.0
    idle: float = 300.0
    ping: float = 20.0
    drain: float = 20.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not math.isfinite(value) or value <= 0 or (field.type is int and value != int(value)):
                raise ConfigError(f"{_option(field.name)} {value:g}: choose a finite number above 0")
        if self.connections > self.sockets:
            raise ConfigError(
                f"--max-connections {self.connections}: more robots than --max-sockets {self.sockets} connections; "
                "raise --max-sockets, probes and the page need some too"
            )


def message_bytes(mebibytes: float) -> int:
    """Bytes of `--max-message`. Raises ConfigError for what is no size of a message."""
    if not 2**-20 <= mebibytes <= MOST_MEBIBYTES:
        raise ConfigError(f"--max-message {mebibytes:g}: choose mebibytes above 0, {MOST_MEBIBYTES} at most")
    return round(mebibytes * 2**20)


def _option(name: str) -> str:
    """What sets a limit on the command line; two are set by the program alone."""
    if name in ("head", "instruction"):
        return f"limits.{name}"
    return f"--{name}" if name in ("sessions", "idle", "ping", "drain") else f"--max-{name}"
