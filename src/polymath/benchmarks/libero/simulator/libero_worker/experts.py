"""Scripted experts for LIBERO's tasks: poses and goal from the simulator, actions in the benchmark's own 7 numbers.

An expert answers every state with an action of OSC_POSE: dx, dy, dz (0.05 m a unit) and a rotation vector (0.5 rad a
unit) in the world's frame, each part within [-1, 1], and the gripper, -1 open and +1 close. It reads the goal of the
task's BDDL, takes hold of each object where `experts_grasp` finds a place, carries it over what stands in between and
lets it go at its destination. Whether it succeeded is the benchmark's own predicate.
"""

from typing import Any, List

import numpy as np

from .experts_carry import PickAndPlace
from .experts_scene import Scene


class Expert:
    """Carries out the goal's predicates one after the other; `act` until `finished`."""

    def __init__(self, control: Any) -> None:
        """`control` is LIBERO's ControlEnv after its reset. Raises ValueError for a goal that no expert is for."""
        self.scene = Scene(control)
        self._skills: List[PickAndPlace] = [_skill(self.scene, predicate) for predicate in order(self.scene.goal())]
        self.finished = False

    def act(self) -> np.ndarray:
        """The action, float64 [7], for the simulation's state now."""
        while self._skills and self._skills[0].finished():
            self._skills.pop(0)
        if not self._skills:
            self.finished = True
            return np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -1.0])
        action = self._skills[0].act()
        self.finished = len(self._skills) == 1 and self._skills[0].finished()
        return action


def order(goal: List[List[str]]) -> List[List[str]]:
    """The predicates in the order in which they are brought about: what is opened first, what is closed last."""
    rank = {"open": 0, "turnon": 0, "in": 1, "on": 1, "close": 2, "turnoff": 2}
    return sorted(goal, key=lambda predicate: rank.get(predicate[0], 1))


def _skill(scene: Scene, predicate: List[str]) -> PickAndPlace:
    if predicate[0] in ("in", "on"):
        return PickAndPlace(scene, predicate)
    raise ValueError(f"goal {predicate}: no expert brings this about")
