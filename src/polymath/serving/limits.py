"""What one client may cost the others: sizes, rates, times and counts."""

import math
from dataclasses import dataclass, fields

from polymath.errors import ConfigError


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
                raise ConfigError(f"limits.{field.name}: {value}; choose a finite number above 0")
