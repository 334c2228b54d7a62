"""Taking an object and putting it in or on another: a controller of the state, with five phases."""

from typing import List, Optional, Tuple

import numpy as np

from .experts_geometry import clipped, downward, extent, rotation_vector
from .experts_grasp import FINGER_TIP, PALM, Grasp, best_grasp
from .experts_scene import Scene

POSITION_UNIT, ROTATION_UNIT = 0.05, 0.5  # metres and radians of an action of 1
POSITION_GAIN, ROTATION_GAIN = 1.7, 1.5
OPEN, CLOSE = -1.0, 1.0
CLEARANCE = 0.025  # between a carried object and what it passes over
INTO = 0.03  # how far the lower end of an object is below a container's rim when it is let go
SLOPE, STEEP = 1.5, 3.0  # metres up for a metre to go, on the way down to put an object down and to take it
CLOSING_STEPS, RELEASE_STEPS = 4, 2
ARRIVED = 0.006
FAR = 0.72  # from the arm's base: stretched further, it locks
LOST = 0.04  # an object that has moved so far in the hand is held no longer


class PickAndPlace:
    """Brings about ["in" | "on", object, destination]."""

    def __init__(self, scene: Scene, predicate: List[str]) -> None:
        self._scene, self._predicate = scene, predicate
        self._object, self._destination = predicate[1], predicate[2]
        self._phase, self._since = "reach", 0
        self._grasp: Optional[Tuple[np.ndarray, float]] = None  # the grip site in the object's frame, and the yaw
        self._held = np.zeros(3)  # from the grip site to the object
        self._started, self._yaw = np.zeros(3), 0.0  # where and how the object was taken

    def finished(self) -> bool:
        return self._phase == "released" and self._since >= RELEASE_STEPS and self._scene.holds(self._predicate)

    def act(self) -> np.ndarray:
        """The action [7] for the state now."""
        self._since += 1
        action: np.ndarray = getattr(self, "_" + self._phase)()
        return action

    def _enter(self, phase: str) -> np.ndarray:
        self._phase, self._since = phase, 0
        return self.act()

    def _reach(self) -> np.ndarray:
        position, yaw = self._grasp_now()
        hand, rotation = self._scene.hand()
        turn = rotation_vector(downward(yaw) @ rotation.T)
        away = float(np.linalg.norm(position[:2] - hand[:2]))
        off = np.linalg.norm(position - hand)
        if off < ARRIVED and np.linalg.norm(turn) < 0.1:
            return self._enter("close")
        clear = self._passed(hand, position, 0.08, self._scene.obstacles()) + FINGER_TIP + 0.015
        above = max(clear - position[2], 0.03)
        lift = min(above, STEEP * max(0.0, away - 0.008) + 0.3 * max(0.0, float(np.linalg.norm(turn)) - 0.15))
        return self._move(position + np.array([0, 0, lift]), turn, OPEN)

    def _close(self) -> np.ndarray:
        if self._since == 1:
            self._started, self._yaw = self._grasp_now()
        if self._since > CLOSING_STEPS and (self._scene.closing_speed() < 0.01 or self._since > 12):
            self._held = self._scene.pose(self._object)[0] - self._scene.hand()[0]
            return self._enter("carry")
        _, rotation = self._scene.hand()
        return self._move(self._started, rotation_vector(downward(self._yaw) @ rotation.T), CLOSE)

    def _carry(self) -> np.ndarray:
        hand, rotation = self._scene.hand()
        body, _ = self._scene.pose(self._object)
        held = body - hand
        if np.linalg.norm(held - self._held) > LOST:
            return self._again()
        goal, release = self._place(hand, held)
        away = float(np.linalg.norm(goal - hand[:2]))
        if away < 0.012 and hand[2] - release < 0.008:
            return self._enter("released")
        height = max(release, self._height(hand, goal))
        risen = (hand[2] - self._started[2]) / max(height - self._started[2], 1e-3)
        near_start = float(np.linalg.norm(hand[:2] - self._started[:2])) < 0.04
        target = goal if risen > 0.6 or not near_start else self._started[:2]
        if away < 0.08:
            height = min(height, release + SLOPE * max(0.0, away - 0.01))
        turn = rotation_vector(downward(self._yaw) @ rotation.T)
        return self._move(np.array([target[0], target[1], height]), turn, CLOSE)

    def _released(self) -> np.ndarray:
        hand, rotation = self._scene.hand()
        if self._since > 12:
            return self._again()
        turn = rotation_vector(downward(self._yaw) @ rotation.T)
        return self._move(hand + np.array([0, 0, 0.01 if self._since > 2 else 0.0]), turn, OPEN)

    def _again(self) -> np.ndarray:
        self._grasp = None
        return self._enter("reach")

    def _grasp_now(self) -> Tuple[np.ndarray, float]:
        """Position [3] and yaw of the grasp, which moves with the object."""
        position, rotation = self._scene.pose(self._object)
        if self._grasp is None:
            grasp = self._plan(position)
            self._grasp = (rotation.T @ (grasp.position - position), grasp.yaw)
        offset, yaw = self._grasp
        return position + rotation @ offset, yaw

    def _plan(self, position: np.ndarray) -> Grasp:
        points = self._scene.points(self._object)
        _, rotation = self._scene.hand()
        yaw = float(np.arctan2(rotation[1, 0], rotation[0, 0]))
        goal, base = self._destination_center() - position[:2], self._scene.base()[:2]

        def far(place: np.ndarray) -> float:
            ways = [float(np.linalg.norm(at - base)) for at in (place, place + goal)]
            return sum(0.3 * way + 3.0 * max(0.0, way - FAR) for way in ways)

        grasp = best_grasp(points, self._scene.obstacles(self._object), position, yaw, far)
        if grasp is None:
            grasp = best_grasp(points, points[:0], position, yaw, far)
        return grasp or Grasp(position, yaw, np.inf)

    def _destination_center(self) -> np.ndarray:
        if self._scene.is_site(self._destination):
            return self._scene.site(self._destination)[0][:2]
        return self._scene.pose(self._destination)[0][:2]

    def _place(self, hand: np.ndarray, held: np.ndarray) -> Tuple[np.ndarray, float]:
        """Where the grip site goes: x and y [2], and the height at which it lets go."""
        below = hand[2] - extent(self._scene.points(self._object))[0][2]
        if self._scene.is_site(self._destination):
            center, _, half = self._scene.site(self._destination)
            parent = self._scene.parent(self._destination)
            if self._predicate[0] == "in" and parent in self._scene.objects:
                rim = extent(self._scene.points(parent))[1][2]
                return center[:2] - held[:2], max(rim - INTO + below, rim + PALM + 0.015)
            return center[:2] - held[:2], center[2] + half[2] + below + 0.005
        center, _ = self._scene.pose(self._destination)
        points = self._scene.points(self._destination)
        middle = points[(np.abs(points[:, :2] - center[:2]) < 0.04).all(axis=1)]
        top = (middle if len(middle) else points)[:, 2].max()
        return center[:2] - held[:2], top + below + 0.004

    def _height(self, hand: np.ndarray, goal: np.ndarray) -> float:
        """The grip site's height at which what it holds passes over everything on the straight way to `goal` [2]."""
        below = hand[2] - extent(self._scene.points(self._object))[0][2]
        top = self._passed(hand, goal, 0.06, self._scene.obstacles(self._object))
        return float(max(top + CLEARANCE + below, self._started[2] + 0.05))

    @staticmethod
    def _passed(hand: np.ndarray, goal: np.ndarray, width: float, points: np.ndarray) -> float:
        """The highest of the points [N, 3] within `width` of the straight way from the hand to `goal`."""
        way = goal[:2] - hand[:2]
        along = np.clip((points[:, :2] - hand[:2]) @ way / max(float(way @ way), 1e-6), 0, 1)
        beside = np.linalg.norm(points[:, :2] - hand[:2] - along[:, None] * way, axis=1)
        passed = points[beside < width]
        return float(passed[:, 2].max()) if len(passed) else -np.inf

    def _move(self, position: np.ndarray, turn: np.ndarray, gripper: float) -> np.ndarray:
        hand, _ = self._scene.hand()
        translation = clipped(POSITION_GAIN * (position - hand) / POSITION_UNIT)
        rotation = clipped(ROTATION_GAIN * turn / ROTATION_UNIT)
        return np.concatenate([translation, rotation, [gripper]])
