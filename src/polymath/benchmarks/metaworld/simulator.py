"""The simulator: `reset` a task's drawn scene, `step` it at 20 Hz, `observe` it, ask the scripted expert.

    simulator = Simulator()
    observation = simulator.reset("button-press-topdown-left", split="train", seed=7)
    while not done:
        success, done = simulator.step(simulator.expert_action())

One control step holds its action for 4 simulation steps of Meta-World (12.5 ms each).
"""

import copy
import gc
import warnings
from collections import OrderedDict
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple

import mujoco
import numpy as np
from gymnasium.spaces import Box
from jaxtyping import Float
from metaworld.env_dict import ALL_V3_ENVIRONMENTS
from metaworld.policies import ENV_POLICY_MAP
from metaworld.sawyer_xyz_env import SawyerXYZEnv

from polymath.benchmarks.metaworld.robot import EMBODIMENT, EPISODE_LIMIT
from polymath.benchmarks.metaworld.scene.apply import apply_variation
from polymath.benchmarks.metaworld.scene.cameras import CAMERAS
from polymath.benchmarks.metaworld.scene.facts import SceneFacts, describe
from polymath.benchmarks.metaworld.scene.families import FAMILIES
from polymath.benchmarks.metaworld.scene.moment import copy_moment
from polymath.benchmarks.metaworld.scene.renderer import Renderer, make_renderer, renderer_identity
from polymath.benchmarks.metaworld.scene.scene import DECOY, HIDDEN, HIDDEN_OTHER, Scene, compile_scene
from polymath.benchmarks.metaworld.scene.tasks import Task, task
from polymath.benchmarks.metaworld.scene.variation import Variation, draw, repainted
from polymath.errors import ConfigError, DataError
from polymath.types import Observation

SIM_STEPS = 4
KEPT_SCENES = 12
"""Compiled scenes a simulator keeps (15 MB each); building one again takes about 0.1 s of CPU."""

OUT_OF_SIGHT = (1.5, 1.5, -0.87)
"""On the floor, outside of every picture: where free objects wait that an episode does not use."""

REACH_HEIGHT = 0.07
"""Metres from the top of the block to the reach goal."""


class StepResult(NamedTuple):
    """success: Meta-World's success measure held at a simulation step of this control step; done: success or limit."""

    success: bool
    done: bool


@dataclass
class _Stage:
    """A scene with Meta-World's environment around it, its expert and its renderer."""

    scene: Scene
    env: SawyerXYZEnv
    expert: Any
    renderer: Renderer


class Simulator:
    """Runs any task of the embedded simulator; the last compiled scenes are kept for the next episode."""

    def __init__(
        self,
        renderer: str = "ray",
        image_size: int = 64,
        cameras: tuple[str, ...] = ("front",),
        kept_scenes: int = KEPT_SCENES,
    ):
        """Raises ConfigError for an unknown renderer or camera or a picture of less than 2 pixels a side."""
        if image_size < 2:
            raise ConfigError(f"image_size {image_size}: pictures need at least 2 pixels a side; 64 is usual")
        for camera in cameras:
            if camera not in CAMERAS:
                raise ConfigError(f"camera {camera!r}: choose from {', '.join(CAMERAS)}")
        self.renderer, self.image_size, self.cameras = renderer, image_size, tuple(cameras)
        self.identity = renderer_identity(renderer)
        self._kept_scenes = kept_scenes
        self._stages: OrderedDict[tuple[str, str], _Stage] = OrderedDict()

    def reset(self, task_name: str, split: str, seed: int) -> Observation:
        """Start the episode (task, split, seed); the same three give the same episode. Returns the first observation.

        Raises ConfigError for an unknown task or split.
        """
        self.place(task_name, draw(task(task_name).family, split, seed))
        return self.observe()

    def place(self, task_name: str, variation: Variation) -> None:
        """Start an episode on a scene drawn elsewhere, without a picture. Raises ConfigError for an unknown task."""
        self.task: Task = task(task_name)
        self.variation = variation
        self.instruction = self.task.instructions[self.variation.instruction % len(self.task.instructions)]
        self._stage = self._find_stage(self.task, self.variation.shape)
        self._place()
        self.control_step = 0

    def repaint(self, rng: np.random.Generator) -> None:
        """Draw other training colours, another table top, light and camera poses for the scene as it stands."""
        self.variation = repainted(self.variation, self.task.family, rng)
        apply_variation(self._stage.scene, self.variation)
        mujoco.mj_camlight(self.model, self.data)

    def reword(self) -> None:
        """Say the instruction of this episode in words that no demonstration has."""
        wordings = self.task.novel_instructions
        self.instruction = wordings[self.variation.instruction % len(wordings)]

    def step(self, action: Float[np.ndarray, "4"]) -> StepResult:
        """Hold `action`, clipped to [-1, 1], for one control step of 50 ms.

        Raises DataError for an action that is not 4 finite numbers.
        """
        action = np.asarray(action, np.float32)
        if action.shape != (4,) or not np.isfinite(action).all():
            raise DataError(f"action {action}: {EMBODIMENT.name} takes 4 finite numbers, dx, dy, dz and gripper")
        action = np.clip(action, -1, 1)
        success = False
        for _ in range(SIM_STEPS):
            self._obs, _, _, _, info = self._stage.env.step(action)
            success = success or bool(info["success"])
        self.control_step += 1
        return StepResult(success, success or self.control_step >= EPISODE_LIMIT)

    def observe(self) -> Observation:
        """Render the cameras and read the state: end-effector x, y, z in metres, gripper opening in [0, 1]."""
        data = self.data
        images = {camera: self._stage.renderer.render(data, camera) for camera in self.cameras}
        return Observation(images, self.state, self.instruction, EMBODIMENT.name)

    @property
    def state(self) -> Float[np.ndarray, "4"]:
        return self._obs[:4].astype(np.float32)

    def solves(self, other: "Simulator") -> bool:
        """Would this simulator's task count as solved at this moment of `other`?

        Both stand on the same drawn scene, with the two tasks of its family: the object of one is the decoy of the
        other. The moment is copied, decoys and objects exchanged, and measured by Meta-World's own rule.
        """
        copy_moment(other.model, other.data, self.model, self.data, exchanged=self.task.family.gap is not None)
        mujoco.mj_forward(self.model, self.data)
        env = self._stage.env
        _, info = env.evaluate_state(env._get_obs(), np.zeros(4, np.float32))
        return bool(info["success"])

    @property
    def model(self) -> mujoco.MjModel:
        return self._stage.scene.model

    @property
    def data(self) -> mujoco.MjData:
        return self._stage.env.data

    def expert_action(self) -> Float[np.ndarray, "4"]:
        """Meta-World's scripted expert for the present state, clipped to [-1, 1]."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the experts warn that their gains exceed the action range
            action = self._stage.expert.get_action(self._obs)
        return np.clip(action, -1, 1).astype(np.float32)

    def scene_description(self) -> SceneFacts:
        """The facts of this moment, for captions."""
        return describe(self._stage.scene, self.data, self.task, self.variation, self.state)

    def close(self) -> None:
        for stage in self._stages.values():
            stage.renderer.close()
        self._stages.clear()

    def _find_stage(self, task: Task, shape: str) -> _Stage:
        key = (task.env_name, shape)
        if key not in self._stages:
            pristine = _pristine_scene(task.family.name, shape)
            scene = replace(pristine, model=copy.copy(pristine.model))  # simulators of one process run side by side
            env = _embed(task.env_name, scene.model)
            expert: Any = ENV_POLICY_MAP[task.env_name]()  # type: ignore[abstract]
            self._stages[key] = _Stage(scene, env, expert, make_renderer(self.renderer, scene.model, self.image_size))
            self._forget_oldest()
        self._stages.move_to_end(key)
        return self._stages[key]

    def _forget_oldest(self) -> None:
        while len(self._stages) > self._kept_scenes:
            self._stages.popitem(last=False)[1].renderer.close()
            gc.collect()  # Meta-World's environments are reference cycles around 15 MB

    def _place(self) -> None:
        """Put everything where the variation places it; the hand is moved to its start while the table is empty."""
        scene, env, variation = self._stage.scene, self._stage.env, self.variation
        model, data, family = scene.model, env.data, scene.family
        apply_variation(scene, variation)
        mujoco.mj_resetData(model, data)
        model.body(family.body).pos = HIDDEN
        target, other = (variation.left, variation.right)[:: -1 if self.task.side == "right" else 1]
        if family.gap is not None:
            model.body(DECOY + family.body).pos = HIDDEN_OTHER
        env.hand_init_pos = np.array(variation.hand)
        env._last_rand_vec = _reset_vector(family.name, target)
        env.curr_path_length = 0
        env.reset_model()
        model.body(family.body).pos = target
        if family.gap is not None:
            model.body(DECOY + family.body).pos = other
            _copy_joints(model, data)
        if family.name == "coffee-button":
            _remove_mug(data)
        mujoco.mj_forward(model, data)
        env._prev_obs = env._get_curr_obs_combined_no_goal()
        self._obs = env._get_obs()


@lru_cache(maxsize=KEPT_SCENES)
def _pristine_scene(family: str, shape: str) -> Scene:
    """Compiled once per process; each environment has a copy of its own."""
    return compile_scene(FAMILIES[family], shape)


def _embed(env_name: str, model: mujoco.MjModel) -> SawyerXYZEnv:
    """Meta-World's environment class around a model of ours, fully observable, its layout set from outside."""
    base: type[SawyerXYZEnv] = ALL_V3_ENVIRONMENTS[env_name]

    class Embedded(base):  # type: ignore[valid-type, misc]
        def _initialize_simulation(self) -> tuple[mujoco.MjModel, mujoco.MjData]:
            return model, mujoco.MjData(model)

    env = Embedded()
    env._partially_observable = False  # else the goal that the experts need reads as zero
    env.goal_space = Box(-1.0, 1.5, (3,), np.float64)  # observations are clipped to it
    env.__dict__.pop("sawyer_observation_space", None)
    env._set_task_called, env._freeze_rand_vec = True, True
    return env


def _reset_vector(family: str, target: tuple[float, float, float]) -> Float[np.ndarray, " n"]:
    """The random vector of Meta-World's `reset_model` that puts its functional object at `target`."""
    if family != "reach":
        return np.array(target)
    # Meta-World's own object of reach-v3 is not part of the task
    x, y, z = target
    return np.array([*OUT_OF_SIGHT, x, y, z + 0.05 + REACH_HEIGHT])


def _copy_joints(model: mujoco.MjModel, data: mujoco.MjData) -> None:
    """Give the second object's joints the position of the first one's, so that nothing tells them apart."""
    for joint in range(model.njnt):
        body = model.body(model.jnt_bodyid[joint]).name
        if body.startswith(DECOY):
            twin = model.body(body.removeprefix(DECOY)).jntadr[0]
            data.qpos[model.jnt_qposadr[joint]] = data.qpos[model.jnt_qposadr[twin]]
            data.qvel[model.jnt_dofadr[joint]] = data.qvel[model.jnt_dofadr[twin]]


def _remove_mug(data: mujoco.MjData) -> None:
    """Put the coffee scene's mug on the floor out of sight: it would tell the task's machine from the other."""
    data.qpos[:3] = OUT_OF_SIGHT
