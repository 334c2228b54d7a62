"""Which sessions are open, and the rule by which one is forgotten.

A session is opened at a connection's first observation. It is forgotten when it has not been used for `idle` seconds,
or, where `most` are open and another connection needs one, when it is the one unused for longest. One whose answer is
being computed is never forgotten. Its connection stays: the next observation begins a new session, and the answer says
so.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from polymath.errors import PolymathError
from polymath.policy.session import Policy, Session

Continuity = Literal["new", "continued", "evicted"]


class Overloaded(PolymathError):
    """The server has as much to do as it may; the client can try again."""


@dataclass(eq=False)
class Lease:
    """A connection's session. `used` in seconds of the clock; `last` is the newest chunk.

    `beginning` is what its first answer says: "new", or "evicted" where the connection had another one before it.
    """

    session: Session
    used: float
    busy: bool = False
    evicted: bool = False
    begun: bool = False
    beginning: Continuity = "new"
    last: Float[np.ndarray, "W A"] | None = None


class Sessions:
    """The sessions of one model."""

    def __init__(
        self, policy: Policy, most: int, idle: float, clock: Callable[[], float], evicted: Callable[[], object]
    ) -> None:
        """`evicted` is called for each session that is forgotten by rule."""
        self._policy, self._most, self._idle, self._clock = policy, most, idle, clock
        self._open: OrderedDict[int, Lease] = OrderedDict()  # the one unused for longest first
        self._evicted = evicted

    def __len__(self) -> int:
        return len(self._open)

    def acquire(self, lease: Lease | None) -> tuple[Lease, Continuity]:
        """The connection's lease, or a new one, marked busy. Raises Overloaded if every session is being answered."""
        self.evict_idle()
        if lease is not None and not lease.evicted:
            self._open.move_to_end(id(lease))
            lease.busy = True
            return lease, "continued" if lease.begun else lease.beginning
        if len(self._open) >= self._most:
            self._evict_oldest()
        beginning: Continuity = "new" if lease is None else "evicted"
        opened = Lease(self._policy.open(), self._clock(), busy=True, beginning=beginning)
        self._open[id(opened)] = opened
        return opened, beginning

    def release(self, lease: Lease) -> None:
        """The answer is there, or there is none."""
        lease.busy, lease.used = False, self._clock()

    def close(self, lease: Lease) -> None:
        """Give the session back."""
        if self._open.pop(id(lease), None) is not None:
            lease.session.close()

    def evict(self, lease: Lease) -> None:
        """Forget one session; its connection begins anew."""
        if not lease.evicted:
            lease.evicted = True
            self._evicted()
            self.close(lease)

    def evict_idle(self) -> None:
        """Forget all sessions that have not been used for `idle` seconds."""
        before = self._clock() - self._idle
        for lease in list(self._open.values()):
            if not lease.busy and lease.used < before:
                self.evict(lease)

    def _evict_oldest(self) -> None:
        for lease in self._open.values():
            if not lease.busy:
                self.evict(lease)
                return
        raise Overloaded(f"sessions: all {self._most} are being answered; try again, or raise --sessions")
