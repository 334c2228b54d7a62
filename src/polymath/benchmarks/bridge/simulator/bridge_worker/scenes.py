"""Pictures of scenes that no episode is about: objects at drawn places, the arm anywhere near its start.

A picture of a new layout costs a tenth of a second, an episode with its one layout some seconds; so a vision encoder
learns where things are from these. Nothing is simulated: what stands inside another thing stays there.
"""

from typing import Any, Iterator

import numpy as np
import sapien.core as sapien

from . import layouts
from .conversions import FINGER_CLOSED, FINGER_OPEN

REACH = np.array([0.5, 0.3, 0.3, 0.1, 0.3, 0.8])
"""Radians, at most, that each joint of the arm is turned from its start."""


class Scenes:
    """Arrangements of an episode that was just reset: `shown` changes the environment, which is then to be reset."""

    def __init__(self, environment: Any, task: str) -> None:
        self._environment, self._task = environment, task
        self._objects = (environment.episode_source_obj, environment.episode_target_obj)
        self._settled = [thing.pose for thing in self._objects]
        self._joints = environment.agent.robot.get_qpos()

    def shown(self, count: int, seed: int) -> Iterator[None]:
        """Arrange the scene anew `count` times."""
        random = np.random.RandomState([seed, 2])
        for _ in range(count):
            layout = layouts.drawn(self._task, int(random.randint(2**31)))
            for thing, settled, place, yaw in zip(
                self._objects, self._settled, layout[:4].reshape(2, 2), (random.uniform(-np.pi, np.pi), 0.0)
            ):
                turn = sapien.Pose(q=[np.cos(yaw / 2), 0, 0, np.sin(yaw / 2)])
                thing.set_pose(sapien.Pose([*place, settled.p[2]], (turn * sapien.Pose(q=settled.q)).q))
            fingers = [random.uniform(FINGER_CLOSED, FINGER_OPEN)] * 2
            self._environment.agent.robot.set_qpos(
                np.concatenate([self._joints[:-2] + random.uniform(-1, 1, 6) * REACH, fingers])
            )
            yield
