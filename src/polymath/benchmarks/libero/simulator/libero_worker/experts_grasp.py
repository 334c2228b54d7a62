"""Where a gripper that points straight down takes hold of an object: a search over the object's collision geometry.

Distances are those of robosuite's Panda gripper in the frame of its grip site: x is the closing direction, z points
from the hand to the finger tips.
"""

from typing import Callable, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from .experts_geometry import downward, extent, half_turn_apart

OPEN = 0.038  # from the grip site to the inner side of an open finger
FINGER_THICKNESS, FINGER_HALF_WIDTH, FINGER_TIP, FINGER_TOP = 0.028, 0.011, 0.009, -0.044
PALM, HAND_TOP, HAND_HALF_LENGTH, HAND_HALF_WIDTH = -0.031, -0.123, 0.105, 0.034
PAD_TOP, PAD_BOTTOM, PAD_HALF_WIDTH = -0.010, 0.004, 0.008
MARGIN = 0.003
ABOVE_GROUND = 0.0015  # the finger tips' clearance from what the object stands on
YAWS = 24
PLACES = 60
DEPTHS = (0.012, 0.02, 0.028)


class Grasp(NamedTuple):
    """The grip site's position [3] and the gripper's yaw for a grasp, and its cost (lower is better)."""

    position: np.ndarray
    yaw: float
    cost: float


def best_grasp(
    target: np.ndarray, obstacles: np.ndarray, center: np.ndarray, yaw: float, far: Callable[[np.ndarray], float]
) -> Optional[Grasp]:
    """The cheapest collision-free grasp of the object with surface points `target` [N, 3]; None if there is none.

    obstacles: points [M, 3] on everything else; center: the object's position [3]; yaw: the gripper's now; far: the
    cost of reaching a place [2]. The cost prefers thin places, a grasp near the centre with much of the pads in touch,
    and little turning of the wrist. A grasp that does not hold the object in the middle is a last resort: the fingers
    then push it.
    """
    low, high = extent(target)
    near = obstacles[(np.abs(obstacles[:, :2] - center[:2]) < 0.25).all(axis=1) & (obstacles[:, 2] > low[2] - 0.02)]
    ground = low[2] + FINGER_TIP + ABOVE_GROUND
    heights = sorted({round(max(high[2] - depth, ground), 4) for depth in DEPTHS} | {round(ground, 4)})
    heights = [height for height in heights if high[2] - height < -PALM - MARGIN]
    spots = target[np.random.default_rng(0).permutation(len(target))[:PLACES], :2]
    middle = np.array([center[:2], (low[:2] + high[:2]) / 2])
    for shifts in ((0.0,), (-0.015, 0.015, -0.03, 0.03)):
        best: Optional[Grasp] = None
        for angle in np.arange(YAWS) * np.pi / YAWS:
            turned = half_turn_apart(float(angle), yaw)
            rotation = downward(turned)
            local_target, local_near = target @ rotation, near @ rotation
            for spot in np.concatenate([middle, spots]):
                for height in heights:
                    place = np.array([spot[0], spot[1], height])
                    cost, position = _centred(local_target, local_near, place, rotation, shifts)
                    if position is None:
                        continue
                    cost += 2.0 * float(np.linalg.norm(position[:2] - center[:2])) + 0.03 * abs(turned - yaw)
                    cost += far(position[:2])
                    if best is None or cost < best.cost:
                        best = Grasp(position, turned, cost)
        if best is not None:
            return best
    return None


def _centred(
    target: np.ndarray, obstacles: np.ndarray, place: np.ndarray, rotation: np.ndarray, shifts: Sequence[float]
) -> Tuple[float, Optional[np.ndarray]]:
    """The cost and the position of the best grasp at `place`, off the middle of what is held by one of `shifts`."""
    near = target - place @ rotation
    x, y, z = near.T
    between = (np.abs(x) < OPEN) & (np.abs(y) < PAD_HALF_WIDTH) & (z > PAD_TOP) & (z < PAD_BOTTOM)
    if between.sum() < 6:
        return np.inf, None
    beside = (np.abs(x) < OPEN) & (np.abs(y) < 2 * PAD_HALF_WIDTH) & (z > PAD_TOP) & (z < PAD_BOTTOM)
    least, most = float(x[beside].min()), float(x[beside].max())
    width, middle = most - least, (most + least) / 2
    touched = len({(int(a // 0.004), int(b // 0.004)) for a, b in zip(y[between], z[between])})
    for shift in shifts:
        if width / 2 + abs(shift) > OPEN - MARGIN:
            continue
        moved = np.array([middle + shift, 0.0, 0.0])
        if not _hits(near - moved) and not _hits(obstacles - place @ rotation - moved):
            return 2 * width + 0.2 / touched + abs(shift), place + rotation[:, 0] * (middle + shift)
    return np.inf, None


def _hits(points: np.ndarray) -> bool:
    """Whether a point lies in the fingers or the hand, or where they pass on their way down."""
    x, y, z = np.abs(points[:, 0]), np.abs(points[:, 1]), points[:, 2]
    fingers = (x > OPEN - MARGIN) & (x < OPEN + FINGER_THICKNESS) & (y < FINGER_HALF_WIDTH) & (z < FINGER_TIP)
    hand = (x < HAND_HALF_LENGTH) & (y < HAND_HALF_WIDTH) & (z < PALM)
    return bool((fingers | hand).any())
