"""One demonstration: a drawn start, the expert's actions until the goal is reached and the hand has let go.

Some begin astray: the hand is somewhere above the things, open or closed, before the expert takes over. A policy that
missed its grasp and carries nothing stands there too, and from these episodes it learns to go back.
"""

import json
from typing import Any, Callable, Dict, List

import numpy as np

from polymath_worker import Demonstration

from .experts import Expert
from .experts_carry import POSITION_GAIN, POSITION_UNIT
from .experts_geometry import clipped
from .experts_places import Places
from .experts_starts import draw_start

LONGEST = 250
"""Control steps after which the expert gives up; one that took so long shows its detours, not the way."""
ASTRAY = 0.5  # share of the disturbed episodes that begin astray
ASTRAY_STEPS = 25
ASTRAY_ABOVE = (0.08, 0.30)  # metres of the hand above the lowest of the things
EXTRAS = ("states", "robot_states", "joint_states", "places")
Pictures = Callable[[], Dict[str, np.ndarray]]


def demonstrate(stage: Any, pictures: Pictures, seed: int, noise: float) -> Demonstration:
    """The expert's episode of (the stage's task, seed): always the same one.

    pictures: renders the cameras now. noise: standard deviation of what disturbs the executed, not the recorded, x, y
    and z, in units of the action; with noise, ASTRAY of the episodes begin astray. `extras` has what LIBERO's own files
    hold beside pictures, states and actions, and what captions are made of: where things are (`places` [T, n, 3]),
    their names, the goal's, and the camera.
    Raises StartError where the seed leads to no start, ValueError for a task that no expert is for.
    """
    initial = draw_start(stage, seed)
    random = np.random.default_rng([seed, 1])
    expert = Expert(stage.env)
    places = Places(expert.scene)
    if noise and random.random() < ASTRAY:
        _go_astray(stage, expert, places.now(), random)
    frames: List[Dict[str, np.ndarray]] = []
    states: List[np.ndarray] = []
    actions: List[np.ndarray] = []
    extras: Dict[str, List[np.ndarray]] = {name: [] for name in EXTRAS}
    while len(actions) < LONGEST:
        action = expert.act().astype(np.float32)
        if expert.finished and frames:
            break
        frames.append(pictures())
        states.append(stage.state)
        actions.append(action)
        for name, value in {**_extras(stage), "places": places.now()}.items():
            extras[name].append(value)
        disturbed = action.astype(np.float64)
        if noise:
            disturbed[:3] = np.clip(disturbed[:3] + noise * random.standard_normal(3), -1.0, 1.0)
        stage.step(disturbed)
    return Demonstration(
        success=expert.finished and bool(stage.domain._check_success()),
        instruction=stage.problem.instruction,
        images={camera: np.stack([frame[camera] for frame in frames]) for camera in frames[0]},
        states=np.stack(states),
        actions=np.stack(actions),
        extras={
            **{name: np.stack(values) for name, values in extras.items()},
            "bddl": _text(stage.problem.bddl),
            "place_names": _bytes(json.dumps(places.names)),
            "goal": _bytes(json.dumps(places.goal)),
            "agentview": places.camera("agentview"),
        },
        initial=initial,
    )


def _go_astray(stage: Any, expert: Expert, places: np.ndarray, random: np.random.Generator) -> None:
    """Take the hand to a random point above the things' places [n, 3]; the gripper opens or closes on the way."""
    low, high = places.min(axis=0), places.max(axis=0)
    goal = random.uniform([*low[:2], low[2] + ASTRAY_ABOVE[0]], [*high[:2], low[2] + ASTRAY_ABOVE[1]])
    gripper = random.choice([-1.0, 1.0])
    for _ in range(ASTRAY_STEPS):
        hand, _ = expert.scene.hand()
        stage.step(np.array([*clipped(POSITION_GAIN * (goal - hand) / POSITION_UNIT), 0.0, 0.0, 0.0, gripper]))


def _text(path: str) -> np.ndarray:
    """A file's bytes, uint8 [n]."""
    with open(path, "rb") as file:
        return np.frombuffer(file.read(), np.uint8)


def _bytes(text: str) -> np.ndarray:
    """uint8 [n] of the text in UTF-8."""
    return np.frombuffer(text.encode(), np.uint8)


def _extras(stage: Any) -> Dict[str, np.ndarray]:
    """states: time, qpos, qvel; robot_states: gripper, position, quaternion, as LIBERO's files have them."""
    data = stage.domain.sim.data
    robot = stage.domain.robots[0]
    observed = stage.domain._get_observations()
    return {
        "states": np.asarray(stage.domain.sim.get_state().flatten(), np.float64),
        "robot_states": np.asarray(stage.domain.get_robot_state_vector(observed), np.float64),
        "joint_states": np.array(data.qpos[robot._ref_joint_pos_indexes], np.float64),
    }
