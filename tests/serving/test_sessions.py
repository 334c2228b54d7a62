"""The rule by which a session is forgotten, with a clock in the test's hand."""

from dataclasses import dataclass, field

import pytest

from polymath.serving.sessions import Lease, Overloaded, Sessions


@dataclass
class Session:
    closed: bool = False

    def close(self) -> None:
        self.closed = True


@dataclass
class Policy:
    opened: list[Session] = field(default_factory=list)

    def open(self) -> Session:
        self.opened.append(Session())
        return self.opened[-1]


@dataclass
class Bench:
    """Sessions of a policy, and the time."""

    most: int = 2
    now: float = 0.0
    evicted: int = 0
    policy: Policy = field(default_factory=Policy)

    def __post_init__(self) -> None:
        self.sessions = Sessions(self.policy, self.most, idle=10.0, clock=lambda: self.now, evicted=self.count)  # type: ignore[arg-type]

    def count(self) -> None:
        self.evicted += 1

    def turn(self, lease: Lease | None) -> tuple[Lease, str]:
        """One turn from the request to its answer."""
        lease, continuity = self.sessions.acquire(lease)
        self.sessions.release(lease)
        lease.begun = True
        return lease, continuity


def test_a_session_in_use_goes_on() -> None:
    bench = Bench()
    lease, first = bench.turn(None)
    again, second = bench.turn(lease)
    assert (again, first, second, len(bench.policy.opened)) == (lease, "new", "continued", 1)


def test_an_idle_session_is_forgotten_and_its_connection_begins_anew() -> None:
    bench = Bench()
    lease, _ = bench.turn(None)
    bench.now = 9.0
    assert bench.turn(lease)[1] == "continued"
    bench.now = 20.0
    again, continuity = bench.turn(lease)
    assert (again is lease, continuity, len(bench.sessions), bench.evicted) == (False, "evicted", 1, 1)
    assert bench.policy.opened[0].closed
    assert bench.turn(again)[1] == "continued"


def test_the_one_unused_for_longest_makes_room() -> None:
    bench = Bench()
    first, second = bench.turn(None)[0], bench.turn(None)[0]
    bench.turn(first)
    bench.turn(None)
    assert [first.evicted, second.evicted] == [False, True]
    assert len(bench.sessions) == 2


def test_one_that_is_being_answered_is_never_forgotten() -> None:
    bench = Bench(most=1)
    lease, _ = bench.sessions.acquire(None)
    bench.now = 100.0
    with pytest.raises(Overloaded, match="all 1 are being answered"):
        bench.sessions.acquire(None)
    bench.sessions.release(lease)
    assert bench.turn(None)[1] == "new"
    assert lease.evicted


def test_a_clock_that_stands_still_or_goes_back_evicts_nobody() -> None:
    bench = Bench()
    lease, _ = bench.turn(None)
    bench.now = -1e6
    assert bench.turn(lease)[1] == "continued"


def test_a_closed_session_is_given_back_once() -> None:
    bench = Bench()
    lease, _ = bench.turn(None)
    bench.sessions.close(lease)
    bench.sessions.close(lease)
    assert (len(bench.sessions), bench.policy.opened[0].closed) == (0, True)
