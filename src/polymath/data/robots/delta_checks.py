"""What a set's own numbers say against differences of actions and states: see `relative`."""

import math
import re

import numpy as np
from jaxtyping import Float

from polymath.data.robots.accumulator import Accumulator
from polymath.data.robots.relative import KEEP, Subtracted
from polymath.errors import DataError
from polymath.types import Embodiment

TURNS = {"rad": 2 * math.pi, "deg": 360.0}
ANGLES = ("roll", "pitch", "yaw", "rx", "ry", "rz")  # names of angles in sets that tell no units
JUMP = 0.75  # of a turn, from one control step to the next: the angle begins anew at the other end of its range
STILL = 1e-6  # a state whose deviation is below this share of its magnitude never moved


class DeltaChecks:
    """Looks at every episode that is counted; `check` tells what is wrong with them.

    jumps     an angle that wraps around (pi to -pi) makes differences of almost a turn where next to nothing moves
    scatter   in every dimension that moves, actions lie wider apart after the state is subtracted than before: they do
              not follow it (their slope over it is below 0.5), so they are deltas, most likely. Only of robots without
              conventions, as the others say what their actions are
    """

    def __init__(self, robot: Embodiment, subtracted: Subtracted) -> None:
        self._robot, self._subtracted = robot, subtracted
        self._moved = [i for i, entry in enumerate(subtracted) if entry is not None]
        self._entries = [entry for entry in subtracted if entry is not None]
        width = len(self._moved)
        self._states, self._actions, self._distances = Accumulator(width), Accumulator(width), Accumulator(width)
        self._jump = ""

    def add(self, states: Float[np.ndarray, "T D"], actions: Float[np.ndarray, "T A"], name: str) -> None:
        """One episode, both in the robot's units."""
        if not self._moved:
            return
        states, actions = states[:, self._entries], actions[:, self._moved]
        self._states.add(states)
        self._actions.add(actions)
        self._distances.add(actions - states)
        for place, dimension in enumerate(self._moved):
            turn = self._turn(dimension, states[:, place], actions[:, place])
            if turn is None or self._jump:
                continue
            steps = np.concatenate([actions[:, place] - states[:, place], np.diff(actions[:, place])])
            if np.abs(steps).max() > JUMP * turn:
                self._jump = f"action {self._robot.action_names[dimension]!r} in {name}"

    def check(self, name: str) -> None:
        """Raise DataError, naming the set by `name`, for angles that wrap and for actions that look like deltas."""
        if self._jump:
            raise DataError(
                f"{name}: {self._jump} jumps by most of a turn, as an angle does at pi or 180 degrees, so "
                "action_representation=delta would make a turn of a small motion; record it unwrapped, leave "
                f"action_representation at recorded, or {KEEP}",
                "action",
            )
        scattered = self._scattered() if self._robot.conventions is None and self._states.count else []
        if scattered:
            raise DataError(
                f"{name}: the actions {', '.join(map(repr, scattered))} of robot {self._robot.name!r} do not follow "
                "its state, so they look like deltas already, and action_representation=delta would be a double delta; "
                f"leave it at recorded, write the robot's conventions into meta/embodiment.json, or {KEEP}",
                "action",
            )

    def _scattered(self) -> list[str]:
        """The names of the dimensions that do not follow the state, if none that moves does."""
        states, actions, distances = (each.result() for each in (self._states, self._actions, self._distances))
        moving = [
            place for place in range(len(self._moved)) if states.std[place] > STILL * max(1.0, abs(states.mean[place]))
        ]
        wider = [place for place in moving if distances.std[place] > actions.std[place]]
        return [self._robot.action_names[self._moved[place]] for place in wider] if wider == moving else []

    def _turn(self, dimension: int, states: Float[np.ndarray, " T"], actions: Float[np.ndarray, " T"]) -> float | None:
        """A whole turn in the dimension's unit; None for what is no angle, or not known as one."""
        conventions = self._robot.conventions
        if conventions is not None:
            return TURNS.get(conventions.action_units[dimension])
        if not set(ANGLES) & set(re.split(r"[^a-z]+", self._robot.action_names[dimension].lower())):
            return None
        both = np.concatenate([states, actions])
        return TURNS["rad"] if np.ptp(both) < 1.1 * TURNS["rad"] else TURNS["deg"]
