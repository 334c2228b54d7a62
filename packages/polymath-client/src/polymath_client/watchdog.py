"""What the arm does when no action comes in time: it stops, in the way that its kind of action stops it."""

from typing import Any, Mapping, Optional, Sequence

import numpy as np

from polymath_client.checks import above_zero, dimensions, vector, whole
from polymath_client.clock import SystemClock
from polymath_client.errors import ClientError, ContractError

ABSOLUTE, RELATIVE = ("pose", "joints"), ("pose delta", "joint delta")


class Watchdog:
    """Between a way of executing chunks and the robot.

    motion: "pose delta" and "joint delta" stop with zeros, "pose" and "joints" with the last target; grippers
    (`gripper_dims`) stay as they are. patience: seconds without an action after which `stopped` is true, so that the
    program can warn, or open the brake's circuit. width: A.
    """

    def __init__(
        self,
        motion: str,
        width: int,
        gripper_dims: Sequence[int] = (),
        patience: float = 0.5,
        clock: Optional[SystemClock] = None,
    ) -> None:
        """Raises ClientError for another motion, dimensions that are none, or a patience that is not above 0."""
        if motion not in ABSOLUTE + RELATIVE:
            raise ClientError("motion: {!r}; it is one of {}".format(motion, ", ".join(ABSOLUTE + RELATIVE)))
        self._width = whole("width", width, 1, "an action has at least one number")
        dimensions("gripper_dims", gripper_dims, width)
        self._relative, self._gripper = motion in RELATIVE, list(gripper_dims)
        self._patience = above_zero("patience", patience, "give seconds above 0")
        self._clock = clock or SystemClock()
        self._last: Optional[np.ndarray] = None
        self._latest = self._since = self._clock.now()

    @classmethod
    def of(cls, contract: Mapping[str, Any], patience: float = 0.5, clock: Optional[SystemClock] = None) -> "Watchdog":
        """By the contract of a checkpoint. Raises ContractError if it does not say how the robot moves."""
        action = contract.get("action") if isinstance(contract, Mapping) else None
        if not isinstance(action, Mapping):
            raise ContractError("contract: the server sends none; name motion and width yourself in Watchdog(…)")
        if action.get("motion") is None:
            raise ContractError("contract.action.motion: the checkpoint does not say; name it yourself in Watchdog(…)")
        names = action.get("names")
        if not isinstance(names, (list, tuple)):
            raise ContractError(f"contract.action.names: {names!r}; is this a contract of a polymath server?")
        return cls(action["motion"], len(names), action.get("gripper_dims") or (), patience, clock)

    @property
    def stopped(self) -> bool:
        """Whether the last action is older than `patience`. A clock that goes back does not make it younger."""
        self._latest = max(self._latest, self._clock.now())
        return self._latest - self._since > self._patience

    def filter(self, action: Optional[np.ndarray], target: Optional[np.ndarray] = None) -> Optional[np.ndarray]:
        """What is sent to the robot in this tick: the action, or what stops the arm if it is None or not finite.

        target: where the arm is, in the action's units, for absolute actions before the first one; without it there is
        nothing to send yet, None, and so there is with one that is not finite. Raises ClientError for an action or a
        target of another width.
        """
        if action is not None:
            action = self._checked("action", action)
            if np.isfinite(action).all():
                self._latest = self._since = max(self._latest, self._clock.now())
                self._last = action.copy()
                return action
        return self._stop(target)

    def reset(self) -> None:
        """A new episode: the last action is forgotten."""
        self._last = None
        self._latest = self._since = max(self._latest, self._clock.now())

    def _stop(self, target: Optional[np.ndarray]) -> Optional[np.ndarray]:
        if not self._relative:
            if self._last is not None:
                return self._last.copy()
            where = None if target is None else self._checked("target", target)
            return None if where is None or not np.isfinite(where).all() else where.copy()
        still = np.zeros(self._width, np.float32)
        if self._last is not None:
            still[self._gripper] = self._last[self._gripper]
        return still

    def _checked(self, name: str, values: Any) -> np.ndarray:
        numbers = vector(name, values)
        if numbers.shape != (self._width,):
            raise ClientError(f"{name}: shape {list(numbers.shape)}, but the robot has [{self._width}]")
        return numbers
