"""One CALVIN scene in pybullet: the official environment, loaded anew for every episode.

A second `reset` of the official environment in one process does not give the same physics as the first: contacts are
warm-started from the episode before, and the robot keeps the last gripper command. So `load` empties the simulation and
loads robot and scene again (0.05 CPU-seconds), after which an episode is bit for bit that of a fresh process.

Pictures are drawn by `pictures` alone; the official `step` would draw both cameras at each of 30 steps a second.
"""

from pathlib import Path
from typing import Any, Dict, Sequence, Tuple

import numpy as np

from . import checkout, standins

ACTION_DIM = 7


class World:
    """The simulator of one process: pybullet's robot code allows no second one.

    renderer   "tiny" (TinyRenderer, on the CPU) or "egl" (OpenGL; other pictures, with shadows)
    cameras    names of `checkout.CAMERAS`
    """

    def __init__(self, root: Path, renderer: str, cameras: Sequence[str]) -> None:
        checkout.use(root)
        from calvin_env.envs import play_table_env
        from hydra.utils import instantiate

        self._instantiate = instantiate
        play_table_env.get_git_commit_hash = lambda path: checkout.version(root)
        self._root, self._scene = root, "D"
        self._configuration = checkout.configuration(root, self._scene, renderer == "egl")
        self.env = self._instantiate(self._configuration.env, show_gui=False, use_vr=False, use_scene_info=True)
        self.env.get_camera_obs = lambda: ({}, {})
        self.oracle = self._instantiate(checkout.task_rules(root))
        by_name = {"rgb_" + camera.name: camera for camera in self.env.cameras}
        self._cameras = {name: by_name[name] for name in cameras}
        self.pictures()  # the first picture that OpenGL draws differs from later ones of the same scene

    def load(self, scene: str) -> None:
        """Empty the simulation and load `scene` (A, B, C or D), so that nothing of earlier episodes is left."""
        env = self.env
        if scene != self._scene:
            self._configuration.scene = checkout.configuration(self._root, scene, False).scene
            env.scene = self._instantiate(self._configuration.scene, p=env.p, cid=env.cid, np_random=env.np_random)
            self._scene = scene
        robot_uid = env.robot.robot_uid
        env.scene.np_random, _ = standins.np_random(0)
        env.load()
        if env.robot.robot_uid != robot_uid:  # the cameras hold it
            raise RuntimeError(f"pybullet numbered the robot {env.robot.robot_uid}, before {robot_uid}")
        env.robot.gripper_action = 1

    def place(self, robot_obs: np.ndarray, scene_obs: np.ndarray) -> None:
        """Put robot (float64 [15]), furniture and blocks (float64 [24]) into place, after `load`."""
        self.env.reset(robot_obs=robot_obs, scene_obs=scene_obs)

    def step(self, action: np.ndarray) -> Dict[str, Any]:
        """One control step (1/30 s) of a relative action [7]; the info that the success rules read."""
        return self.env.step(official_action(action))[3]

    def info(self) -> Dict[str, Any]:
        return self.env.get_info()

    def states(self) -> Tuple[np.ndarray, np.ndarray]:
        """robot_obs, float64 [15], and scene_obs, float64 [24]."""
        state = self.env.get_state_obs()
        return state["robot_obs"], state["scene_obs"]

    def blocks(self) -> Tuple[str, ...]:
        """Names of the movable objects in the order of scene_obs."""
        return tuple(block.name for block in self.env.scene.movable_objects)

    def solved(self, task: str, start: Dict[str, Any], now: Dict[str, Any]) -> bool:
        """Whether `task` was done between two infos, by the official rule."""
        return bool(self.oracle.get_task_info_for_set(start, now, {task}))

    def pictures(self) -> Dict[str, np.ndarray]:
        """camera -> uint8 [height, width, 3] in the official size: 200 x 200 static, 84 x 84 gripper."""
        return {
            name: np.ascontiguousarray(camera.render()[0], dtype=np.uint8) for name, camera in self._cameras.items()
        }


def official_action(action: np.ndarray) -> np.ndarray:
    """float64 [7] as the environment takes it: x y z in 0.02 m, roll pitch yaw in 0.05 rad, gripper exactly 1 or -1.

    Above 0 the gripper opens (1), otherwise it closes (-1). Nothing is clipped, as in the official loop.
    """
    if action.shape != (ACTION_DIM,):
        raise ValueError(f"an action of shape {list(action.shape)}, CALVIN takes {ACTION_DIM} numbers")
    official = action.astype(np.float64)
    official[-1] = 1.0 if official[-1] > 0 else -1.0
    return official
