"""A robot, a policy and a clock that are simulated: one control tick is 50 ms, an answer takes what the test says."""

from collections.abc import Callable

import numpy as np

from polymath_client import Reply, Request

TICK = 0.05  # seconds
W = 8


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.seconds, self.slept = 100.0, []  # type: float, list[float]

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds


class Late:
    """An inference whose answers are computed at once and seen `latency` seconds later, by the clock."""

    def __init__(self, infer: Callable[[Request], Reply], clock: Clock, latency: float) -> None:
        self.infer, self.clock, self.latency = infer, clock, latency
        self.asked: list[Request] = []
        self._reply: Reply | None = None
        self._due = 0.0

    @property
    def busy(self) -> bool:
        return self._reply is not None

    def submit(self, request: Request) -> None:
        assert not self.busy
        self.asked.append(request)
        self._reply, self._due = self.infer(request), self.clock.now() + self.latency

    def poll(self) -> Reply | None:
        if self._reply is None or self.clock.now() < self._due - 1e-9:
            return None
        reply, self._reply = self._reply, None
        return reply


class Wanderer:
    """Each chunk is a ramp from a place of its own, so that two chunks never agree; the committed actions come first
    and the rest continues the last of them, as a trained policy's does.
    """

    def __init__(self, length: int = W, width: int = 2) -> None:
        self.length, self.width, self.count = length, width, 0

    def __call__(self, request: Request) -> Reply:
        self.count += 1
        ramp = 0.1 * np.arange(self.length)[:, None] + np.zeros((1, self.width))
        actions = ramp + 3.0 * self.count
        if request.committed is not None:
            given = len(request.committed)
            actions = np.concatenate([request.committed, request.committed[-1] + ramp[1 : self.length - given + 1]])
        return Reply(actions.astype(np.float32), {})


def play(chunks, clock: Clock, ticks: int) -> list[np.ndarray | None]:
    """`ticks` control ticks; what was sent in each."""
    sent = []
    for tick in range(ticks):
        sent.append(chunks.step({"tick": tick}))
        clock.seconds += TICK
    return sent
