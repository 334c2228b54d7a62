"""A scripted expert with privileged eyes: it knows where the objects are, and grasps, carries and lets go.

    above ─► grasp height ─► close ─► lift ─► over the target ─► lower ─► open ─► away ─► stay

Each action leads from the controller's present target towards the next waypoint, by at most a few centimetres, so the
expert also corrects what noise has done to the executed actions. It gets along with BridgeData's convention of actions
(see `conversions`).
"""

from typing import Any, List, NamedTuple, Tuple

import numpy as np

from . import conversions

OPEN, CLOSED = 1.0, -1.0
STEP, TURN = 0.03, 0.25
"""Metres and radians of one action, at most."""

HOVER, CLEAR = 0.09, 0.08
"""Metres above the object before the grasp, and above the target while it is carried."""

NEAR, ALIGNED = 0.008, 0.06
"""Metres and radians within which a waypoint is reached."""

PATIENCE = 12
"""Actions after which a waypoint is given up for the next one."""


STAY = 6
"""Actions at the end that keep the gripper where it is, over what it has put down: an evaluation goes on after it."""


class Grip(NamedTuple):
    """How a task's object is taken: heights in metres of the gripper over the object's centre when it closes and over
    the target's when it opens; `symmetry`: turns [rad] of the object that look the same to the fingers.

    Lower than 18 mm over the table the fingers press on it, and friction keeps them from closing.
    """

    grasp: float
    release: float
    symmetry: float


GRIPS = {
    "widowx_spoon_on_towel": Grip(0.007, 0.03, np.pi),
    "widowx_carrot_on_plate": Grip(0.0, 0.035, np.pi),
    "widowx_stack_cube": Grip(0.003, 0.037, np.pi / 2),
    "widowx_put_eggplant_in_basket": Grip(0.0, 0.06, np.pi),
}


class Waypoint(NamedTuple):
    """position [3] and yaw in the base frame; `pause`: actions that are given to the gripper when it is reached."""

    position: np.ndarray
    yaw: float
    gripper: float
    pause: int = 0


class Expert:
    """Plays one episode of a task in an environment that was just reset."""

    def __init__(self, environment: Any, task: str) -> None:
        self._environment, self._grip = environment, GRIPS[task]
        self._waypoints = self._plan()
        self._spent, self._rest = 0, 0

    @property
    def finished(self) -> bool:
        return not self._waypoints

    def places(self) -> np.ndarray:
        """float64 [2, 5], source and target: the centre [m] in the base frame; cosine and sine of its yaw times the
        turns that look the same.
        """
        environment, turns = self._environment, 2 * np.pi / self._grip.symmetry
        source = self._in_base(environment.episode_source_obj.pose, environment.source_obj_pose)
        target = self._in_base(environment.episode_target_obj.pose, environment.target_obj_pose)
        return np.array([[*centre, np.cos(turns * yaw), np.sin(turns * yaw)] for centre, yaw in (source, target)])

    def action(self) -> np.ndarray:
        """The next one, float32 [7] in BridgeData's convention."""
        goal = self._waypoints[0]
        position, rotation = self._commanded()
        way = goal.position - position
        turn = conversions.euler_of(_about_z(goal.yaw) @ conversions.POINTING_DOWN @ rotation.T)
        arrived = np.linalg.norm(way) < NEAR and np.abs(turn).max() < ALIGNED
        self._advance(goal, bool(arrived))
        return np.concatenate([_limited(way, STEP), _limited(turn, TURN), [goal.gripper]]).astype(np.float32)

    def disturbed(self, action: np.ndarray, noise: float, random: np.random.RandomState) -> np.ndarray:
        """What is executed: normal noise on translation and rotation, its deviation `noise` of their lengths.

        So the long ways are disturbed, the last centimetre before a grasp hardly.
        """
        lengths = [np.linalg.norm(action[:3])] * 3 + [np.linalg.norm(action[3:6])] * 3 + [0.0]
        return (action + noise * np.array(lengths) * random.standard_normal(7)).astype(np.float32)

    def _advance(self, goal: Waypoint, arrived: bool) -> None:
        self._spent += 1
        if arrived or self._rest:
            self._rest += 1
        if self._rest > goal.pause or self._spent > PATIENCE + goal.pause:
            self._waypoints.pop(0)
            self._spent, self._rest = 0, 0

    def _plan(self) -> List[Waypoint]:
        source, turned = self._in_base(self._environment.episode_source_obj.pose, self._environment.source_obj_pose)
        target, _ = self._in_base(self._environment.episode_target_obj.pose, self._environment.target_obj_pose)
        yaw = (turned + self._grip.symmetry / 2) % self._grip.symmetry - self._grip.symmetry / 2
        up = np.array([0.0, 0.0, 1.0])
        grasp, release = source + self._grip.grasp * up, target + self._grip.release * up
        return [
            Waypoint(source + HOVER * up, yaw, OPEN),
            Waypoint(grasp, yaw, OPEN, pause=1),
            Waypoint(grasp, yaw, CLOSED, pause=2),
            Waypoint(grasp + CLEAR * up, yaw, CLOSED),
            Waypoint(release + CLEAR * up, yaw, CLOSED),
            Waypoint(release, yaw, CLOSED, pause=1),
            Waypoint(release, yaw, OPEN, pause=2),
            Waypoint(release + CLEAR * up, yaw, OPEN, pause=STAY),
        ]

    def _in_base(self, pose: Any, centre: Any) -> Tuple[np.ndarray, float]:
        """An object's centre [3] and its yaw, in the robot's base frame."""
        to_base = self._environment.agent.robot.pose.inv()
        matrix = conversions.matrix_of((to_base * pose).q)
        return np.asarray((to_base * centre).p, np.float64), float(np.arctan2(matrix[1, 0], matrix[0, 0]))

    def _commanded(self) -> Tuple[np.ndarray, np.ndarray]:
        """The controller's present target in the base frame: position [3] and rotation matrix."""
        target = self._environment.agent.controller.controllers["arm"]._target_pose
        return np.asarray(target.p, np.float64), conversions.matrix_of(target.q)


def _about_z(yaw: float) -> np.ndarray:
    cosine, sine = np.cos(yaw), np.sin(yaw)
    return np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])


def _limited(vector: np.ndarray, most: float) -> np.ndarray:
    """The vector, shortened to the length `most` if it is longer."""
    length = float(np.linalg.norm(vector))
    return vector if length <= most else vector * (most / length)
