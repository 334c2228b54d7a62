"""Demonstrations of the scripted experts: a start state drawn by a seed, some subtasks played unseen, one recorded.

The executed action may be disturbed while the recorded one stays the expert's answer to the state, so that the data
teaches how to come back to the path (DART: Laskey et al. 2017, arXiv:1703.09327).
"""

from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Optional, Tuple

import numpy as np

from . import initial, starts
from .experts import SCRIPTS, Expert
from .scene_state import State, StateReader
from .tasks import before, possible

LIMIT = 180
"""Control steps of a subtask; the evaluation allows 360, but a demonstration shall not show the expert's detours."""
SETTLING_STEPS = 8
START_ATTEMPTS = 30
MOST_PLAYED = 5
ROBOT_OBS, SCENE_OBS, TARGET, SCENE = slice(0, 15), slice(15, 39), slice(39, 45), 45
START_NUMBERS = 46
SCENES = "ABCD"
Pictures = Callable[[], Dict[str, np.ndarray]]


class StartError(Exception):
    """No state was found from which the task is possible."""


@dataclass
class Track:
    """What was recorded of one subtask; `start` is that of `capture`."""

    success: bool
    start: np.ndarray
    images: Dict[str, np.ndarray]
    robot_obs: np.ndarray
    scene_obs: np.ndarray
    actions: np.ndarray
    targets: np.ndarray


def demonstrate(
    world: Any, task: str, scene: str, seed: int, noise: float, pictures: Pictures, every: int = 1
) -> Track:
    """The expert's episode of (task, scene, seed): always the same one.

    `pictures` renders the cameras; it is called at every `every`-th
    step, and in between its pictures are repeated, as by a camera slower than the controller. `noise` is the standard
    deviation of the disturbance of dx, dy, dz in units of the action. Raises StartError where the seed leads nowhere.
    """
    random = np.random.default_rng([seed, sorted(SCRIPTS).index(task)])
    start = draw_start(world, task, scene, random)
    restore(world, start)
    track = Track(False, start, {}, *(np.zeros(0) for _ in range(4)))
    frames: List[Dict[str, np.ndarray]] = []
    rows: Dict[str, List[np.ndarray]] = {"robot_obs": [], "scene_obs": [], "actions": [], "targets": []}
    expert, reader, begun = Expert(task), StateReader(world.env), world.info()
    for step in range(LIMIT):
        robot_obs, scene_obs = world.states()
        frames.append(pictures() if step % every == 0 else frames[-1])
        action = expert.action(reader.read()).astype(np.float32)
        disturbed = action.copy()
        if noise:
            disturbed[:3] = np.clip(action[:3] + noise * random.standard_normal(3), -1.0, 1.0)
        aim = absolute(world, action)
        for name, value in zip(rows, (robot_obs, scene_obs, action, aim)):
            rows[name].append(np.array(value))
        if world.solved(task, begun, world.step(disturbed)):
            track.success = True
            break
    track.images = {camera: np.stack([frame[camera] for frame in frames]) for camera in frames[0]}
    for name, values in rows.items():
        setattr(track, name, np.stack(values))
    return track


def draw_start(world: Any, task: str, scene: str, random: np.random.Generator) -> np.ndarray:
    """A state in which `task` is possible, reached by the experts from a drawn scene: that of `capture`.

    Raises StartError after START_ATTEMPTS scenes that led nowhere.
    """
    for _ in range(START_ATTEMPTS):
        world.load(scene)
        scene_obs = starts.draw_scene(task, world.env.scene.surfaces, world.blocks(), scene, random)
        world.place(initial.robot_obs(), scene_obs)
        for _ in range(SETTLING_STEPS):
            world.step(np.array([0, 0, 0, 0, 0, 0, 1.0]))
        state = _play_towards(world, task, random)
        if state is not None:
            return capture(world, state, scene)
    raise StartError(f"{task}: no start state in scene {scene} in {START_ATTEMPTS} tries")


def _play_towards(world: Any, task: str, random: np.random.Generator) -> Optional[State]:
    """Play some subtasks, then those that make `task` possible; None where that fails."""
    reader, extra = StateReader(world.env), starts.draw_extra(random)
    for _ in range(MOST_PLAYED + 1):
        state = reader.read()
        if not extra and possible(state, task):
            return state
        following = _extra_task(state, task, random) if extra else before(state, task, random)
        if following is None or not play(world, reader, following):
            return None
        extra = max(0, extra - 1)
    return None


def play(world: Any, reader: StateReader, task: str) -> bool:
    """Let the expert do the task; whether it succeeded."""
    expert, begun = Expert(task), world.info()
    return any(world.solved(task, begun, world.step(expert.action(reader.read()))) for _ in range(LIMIT))


def capture(world: Any, state: State, scene: str) -> np.ndarray:
    """All that `restore` needs, float64 [46]: robot_obs, scene_obs, the target pose, the scene's place in "ABCD"."""
    robot_obs, scene_obs = world.states()
    return np.array([*robot_obs, *scene_obs, *state.target, *state.target_euler, SCENES.index(scene)])


def restore(world: Any, start: np.ndarray) -> None:
    """Begin at a captured state, target pose and gripper command included."""
    world.load(SCENES[int(start[SCENE])])
    world.place(start[ROBOT_OBS], start[SCENE_OBS])
    robot, target = world.env.robot, start[TARGET]
    robot.target_pos, robot.target_orn = target[:3].copy(), target[3:].copy()
    robot.gripper_action = int(start[14])


def absolute(world: Any, action: np.ndarray) -> np.ndarray:
    """The pose that the action leads the target to: x y z, Euler angles, gripper; float64 [7]."""
    robot = world.env.robot
    return np.array([*(robot.target_pos + 0.02 * action[:3]), *(robot.target_orn + 0.05 * action[3:6]), action[6]])


def _extra_task(state: State, task: str, random: np.random.Generator) -> Optional[str]:
    """Any task that is possible now, other than the wanted one."""
    choices: Tuple[str, ...] = tuple(sorted(name for name in SCRIPTS if name != task and possible(state, name)))
    return str(random.choice(choices)) if choices else None
