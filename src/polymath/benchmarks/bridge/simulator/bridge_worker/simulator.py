"""One WidowX of SIMPLER: `reset` to an official start state, `step` it at 5 Hz, `observe` it, play its expert."""

from typing import Any, Dict, List, Tuple

import numpy as np
from PIL import Image

from polymath_worker import Demonstration, Observation, Outcome

from . import conversions, layouts, scene
from .expert import Expert
from .scenes import Scenes
from .tasks import EGGPLANT, START_STATES, TASKS

EMBODIMENT = "widowx-bridge"
SPLIT = "visual_matching"
STORED_SIZE = 256
"""Pixels of a side to which BridgeData's pictures of 640 x 480 are squeezed in its published form."""


class Bridge:
    """Runs any of the tasks; an environment is kept for each task that was played.

    cameras: image_0 is the camera of SIMPLER's tasks. image_1 is black, as BridgeData has a view that is missing.
    half_size: see `scene.make`; scenes: how many drawn ones, see `scenes`, are shown after each demonstration.
    """

    def __init__(
        self, image_size: int, cameras: Tuple[str, ...], eggplant_stand_in: bool, half_size: bool, scenes: int = 0
    ) -> None:
        self._image_size, self._cameras = image_size, cameras
        self._eggplant_stand_in, self._half_size, self._scenes = eggplant_stand_in, half_size, scenes
        self._environments: Dict[str, Any] = {}
        self._task, self._steps, self._solved_once = "", 0, False

    def reset(self, task_name: str, split: str, seed: int, /) -> Observation:
        """Start state `seed` of the 24 official ones."""
        if split != SPLIT or not 0 <= seed < START_STATES:
            raise ValueError(f"split {split!r}, seed {seed}: there is {SPLIT}, with the start states 0 to 23")
        self._begin(task_name, {"obj_init_options": {"episode_id": seed}})
        return self.observe()

    def reset_to(self, task_name: str, initial: np.ndarray, /) -> Observation:
        """Start with the objects at `initial`, see `layouts`."""
        environment = self._environment(task_name)
        official = environment._xy_configs, environment._quat_configs
        environment._xy_configs, environment._quat_configs = layouts.configurations(initial)
        try:
            self._begin(task_name, {"obj_init_options": {"episode_id": 0}})
        finally:
            environment._xy_configs, environment._quat_configs = official
        return self.observe()

    def step(self, action: np.ndarray, /) -> Outcome:
        """One action of 1/5 s, in BridgeData's convention. The episode ends at its horizon, solved or not: success is
        what holds then.
        """
        if action.shape != (7,) or not np.isfinite(action).all():
            raise ValueError(f"action {action}: {EMBODIMENT} takes 7 finite numbers")
        info = self._environment(self._task).step(conversions.to_simulator(action))[-1]
        self._steps += 1
        self._solved_once = self._solved_once or bool(info["success"])
        so_far = info["episode_stats"]
        return Outcome(
            success=bool(info["success"]),
            done=self._steps >= TASKS[self._task].horizon,
            measures={
                "grasped": float(so_far["is_src_obj_grasped"]),
                "held": float(so_far["consecutive_grasp"]),
                "moved": float(info["moved_correct_obj"]),
                "solved_once": float(self._solved_once),
            },
        )

    def observe(self) -> Observation:
        environment = self._environment(self._task)
        images = {"image_0": squeezed(scene.colours(environment), self._image_size)}
        images["image_1"] = np.zeros_like(images["image_0"])
        return Observation(
            images={camera: images[camera] for camera in self._cameras},
            state=self.state,
            instruction=environment.get_language_instruction(),
            embodiment=EMBODIMENT,
        )

    @property
    def state(self) -> np.ndarray:
        environment = self._environment(self._task)
        gripper = environment.agent.robot.pose.inv() * environment.tcp.pose
        return conversions.state(gripper.p, gripper.q, environment.agent.robot.get_qpos()[-2:])

    def demonstrate(self, task: str, split: str, seed: int, noise: float, /) -> Demonstration:
        """The expert's episode, until it has let go of the object and moved away, or until the horizon.

        It begins at the layout that is drawn for the seed, never at an official start state.
        """
        if split != SPLIT:
            raise ValueError(f"split {split!r}: there is {SPLIT}")
        initial = layouts.drawn(task, seed)
        observation = self.reset_to(task, initial)
        environment = self._environment(task)
        expert, random = Expert(environment, task), np.random.RandomState([seed, 1])
        scenes = Scenes(environment, task)
        images: Dict[str, List[np.ndarray]] = {camera: [] for camera in self._cameras}
        states, actions, places = [], [], []
        outcome = None
        while not expert.finished and not (outcome and outcome.done):
            for camera, picture in observation.images.items():
                images[camera].append(picture)
            places.append(expert.places())
            action = expert.action()
            states.append(observation.state)
            actions.append(action)
            outcome = self.step(expert.disturbed(action, noise, random))
            observation = self.observe()
        success = outcome is not None and outcome.success
        extras = {"places": np.stack(places), "camera": scene.camera_matrix(environment)}
        if self._scenes and success:
            extras.update(self._shown(scenes, expert, seed))
        return Demonstration(
            success=success,
            instruction=observation.instruction,
            images={camera: np.stack(pictures) for camera, pictures in images.items()},
            states=np.stack(states),
            actions=np.stack(actions),
            extras=extras,
            initial=initial,
        )

    def _shown(self, scenes: Scenes, expert: Expert, seed: int) -> Dict[str, np.ndarray]:
        """Pictures, states and places of drawn scenes, one after the other."""
        views = [(self.observe(), expert.places()) for _ in scenes.shown(self._scenes, seed)]
        return {
            "scene_pictures": np.stack([view.images["image_0"] for view, _ in views]),
            "scene_states": np.stack([view.state for view, _ in views]),
            "scene_places": np.stack([places for _, places in views]),
        }

    def _begin(self, task: str, options: Dict[str, Any]) -> None:
        scene.begin(self._environment(task), options)
        self._task, self._steps, self._solved_once = task, 0, False

    def _environment(self, task: str) -> Any:
        if task not in TASKS:
            raise ValueError(f"task {task!r}: choose from {', '.join(TASKS)}")
        if task == EGGPLANT and not self._eggplant_stand_in and not scene.has_eggplant():
            raise ValueError(
                f"{scene.eggplant_mesh()}: the eggplant's mesh is missing; copy it from ManiSkill2_real2sim, or run "
                "the task with --option eggplant=stand-in, which is not SIMPLER's task"
            )
        if task not in self._environments:
            self._environments[task] = scene.make(task, self._half_size)
        return self._environments[task]


def squeezed(picture: np.ndarray, size: int) -> np.ndarray:
    """uint8 [480, 640, 3] -> [size, size, 3], the way of BridgeData's pictures: to 256 x 256 by Lanczos' filter when
    the data set was built, from there by an area-aware bilinear one when it is read.
    """
    stored = Image.fromarray(picture).resize((STORED_SIZE, STORED_SIZE), Image.Resampling.LANCZOS)
    return np.asarray(stored if size == STORED_SIZE else stored.resize((size, size), Image.Resampling.BILINEAR))
