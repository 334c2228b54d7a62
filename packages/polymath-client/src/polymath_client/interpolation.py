"""From the policy's rate to the robot's: commands between time-stamped actions.

    policy   a0          a1          a2            stamped t0, t0 + 1/rate, …
    robot    |   |   |   |   |   |   |             any times

Targets (poses, joints) are interpolated linearly towards the newest action, which they reach one policy step after its
stamp. Deltas are divided: what is sent adds up to the actions; what one left when the next came is sent with it. `held`
dimensions (grippers) are sent as they are.
"""

from typing import Optional, Sequence

import numpy as np

from polymath_client.checks import above_zero, dimensions, number, vector
from polymath_client.errors import ClientError

NO_MOMENT = "it is no moment; read a clock"


class _Stamped:
    def __init__(self, rate: float, held: Sequence[int]) -> None:
        self._period = 1.0 / above_zero("rate", rate, "the policy's control rate is above 0 Hz")
        self._held = list(held)
        self._time: Optional[float] = None
        self._action = np.zeros(0, np.float32)

    def add(self, time: float, action: np.ndarray) -> None:
        """The action [A] of the policy's step that begins at `time`, in seconds.

        Raises ClientError for a stamp that is not after the one before, for numbers that are not finite, and for an
        action of another width than the one before.
        """
        action = vector("action", action)
        if action.ndim != 1 or (self._time is not None and action.shape != self._action.shape):
            raise ClientError(f"action: shape {list(action.shape)}; give [A], as many numbers each time")
        dimensions("held", self._held, len(action))
        time = number("time", time, NO_MOMENT)
        if not np.isfinite(action).all():
            raise ClientError("interpolation: an action is NaN or infinite; stop the arm instead")
        if self._time is not None and time <= self._time:
            raise ClientError(f"time: {time:g} s is not after {self._time:g} s; use a clock that never goes back")
        self._time, self._action = time, action

    def _elapsed(self, time: float) -> float:
        """Policy steps since the newest stamp, 0 to 1."""
        if self._time is None:
            raise ClientError("interpolation: has no action yet; add one")
        time = number("time", time, NO_MOMENT)
        return min(max((time - self._time) / self._period, 0.0), 1.0)


class Targets(_Stamped):
    """Commands for absolute actions. `angles`: dimensions in rad that turn the short way round."""

    def __init__(self, rate: float, held: Sequence[int] = (), angles: Sequence[int] = ()) -> None:
        super().__init__(rate, held)
        self._angles = list(angles)
        self._from = self._action

    def add(self, time: float, action: np.ndarray) -> None:
        action, before = vector("action", action), None if self._time is None else self.at(time)
        dimensions("angles", self._angles, action.size)
        super().add(time, action)
        self._from = self._action if before is None else before

    def at(self, time: float) -> np.ndarray:
        """The command [A] at a time in seconds; beyond the newest step its target."""
        share = self._elapsed(time)
        way = self._action - self._from
        way[self._angles] = (way[self._angles] + np.pi) % (2 * np.pi) - np.pi
        command = (self._from + np.float32(share) * way).astype(np.float32)
        command[self._held] = self._action[self._held]
        return self._action.copy() if share == 1.0 else command


class Deltas(_Stamped):
    """Commands for relative actions."""

    def __init__(self, rate: float, held: Sequence[int] = ()) -> None:
        super().__init__(rate, held)
        self._sent = 0.0
        self._left = self._action

    def add(self, time: float, action: np.ndarray) -> None:
        left = self._rest(1.0)
        super().add(time, action)
        self._sent, self._left = 0.0, left if left.shape == self._action.shape else np.zeros_like(self._action)

    def until(self, time: float) -> np.ndarray:
        """What is left to send of the action up to a time in seconds, [A]; nothing of it is sent twice."""
        share = max(self._elapsed(time), self._sent)
        command = self._rest(share)
        self._sent, self._left = share, np.zeros_like(self._action)
        command[self._held] = self._action[self._held]
        return command

    def _rest(self, share: float) -> np.ndarray:
        """What is not sent yet of this share of the action, and what was left of those before."""
        return (self._left + self._action * np.float32(share - self._sent)).astype(np.float32)
