"""Where the objects of a demonstration stand: drawn, never one of the 24 start states that are evaluated.

initial: float64 [6] = x, y of the source, x, y of the target [m, world], yaw of the source, yaw of the target [rad].
"""

from typing import List, Tuple

import numpy as np

from .tasks import EGGPLANT, TASKS

CENTRE, HALF_EDGE = np.array([-0.16, 0.0]), 0.11
"""Metres; the official start states lie within 0.1 m of the same centre."""

APART = 0.1
"""Metres between the objects' centres, at least."""

NEAR_QUARTER = 0.2
"""Radians, at most, between the yaw of the source and a quarter turn, in half of the layouts: the official start states
have quarter turns alone.
"""

SINK_SOURCE, SINK_TARGET = np.array([-0.105, 0.206]), np.array([-0.125, 0.025])
SINK_HALF_EDGE = np.array([0.012, 0.018])
"""Metres, of the eggplant's task: around the official positions in its sink."""


def drawn(task: str, seed: int) -> np.ndarray:
    """The layout of a seed: a pure function of task and seed."""
    random = np.random.RandomState([seed, list(TASKS).index(task)])
    if task == EGGPLANT:
        source = SINK_SOURCE + random.uniform(-1, 1, 2) * SINK_HALF_EDGE
        return np.array([*source, *SINK_TARGET, random.uniform(-np.pi / 4, np.pi / 4), 0.0])
    while True:
        source, target = CENTRE + random.uniform(-HALF_EDGE, HALF_EDGE, (2, 2))
        if np.linalg.norm(source - target) >= APART:
            yaw = random.uniform(-np.pi, np.pi)
            if random.randint(2):
                yaw = np.pi / 2 * random.randint(4) + random.uniform(-NEAR_QUARTER, NEAR_QUARTER)
            return np.array([*source, *target, yaw, 0.0])


def configurations(initial: np.ndarray) -> Tuple[List[np.ndarray], List[np.ndarray]]:
    """As the environments take them: one arrangement of positions [2, 2] and one of quaternions [2, 4], w first."""
    if np.shape(initial) != (6,) or not np.isfinite(initial).all():
        raise ValueError(f"initial {initial}: 6 finite numbers, x, y, x, y, yaw, yaw of source and target")
    yaws = np.asarray(initial[4:]) / 2
    quaternions = np.stack([np.cos(yaws), np.zeros(2), np.zeros(2), np.sin(yaws)], axis=1)
    return [np.reshape(initial[:4], (2, 2))], [quaternions]
