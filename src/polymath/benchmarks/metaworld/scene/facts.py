"""What is true of a scene at one moment: objects, places, colours. Captions use these facts and nothing else."""

from dataclasses import dataclass

import mujoco
import numpy as np
from jaxtyping import Float

from polymath.benchmarks.metaworld.scene.cameras import CAMERAS, project
from polymath.benchmarks.metaworld.scene.families import Family
from polymath.benchmarks.metaworld.scene.scene import DECOY, Scene
from polymath.benchmarks.metaworld.scene.tasks import Side, Task
from polymath.benchmarks.metaworld.scene.variation import Variation

GRID = 64
"""Captions give image coordinates on a grid of 64 x 64 whatever the picture's size."""

_MOVED = 0.01
_PRESSABLE = ("button", "handle", "coffee button")


@dataclass(frozen=True)
class Entity:
    """An object on the table, or the gripper.

    `position`: metres in the robot frame; `cells`: camera -> (column, row) on the grid.
    The position of a manipulated object is the centre of the part to touch (button, handle, lever).
    """

    noun: str
    side: Side
    colour: str
    position: tuple[float, float, float]
    cells: dict[str, tuple[int, int]]
    pressed: bool = False


@dataclass(frozen=True)
class SceneFacts:
    """The facts of a scene. `objects`: the left one first, or the only one; `meant`: the index of the task's."""

    task: str
    objects: tuple[Entity, ...]
    meant: int
    distractors: tuple[Entity, ...]
    housing: str | None
    table: str
    gripper: Entity
    opening: float


def describe(
    scene: Scene, data: mujoco.MjData, task: Task, variation: Variation, state: Float[np.ndarray, "4"]
) -> SceneFacts:
    """The facts of this moment (`data` after mj_forward). `state`: end-effector x, y, z and gripper opening."""
    family = scene.family
    own = _part(scene, data, "")
    points = {"own": own} if family.gap is None else {"own": own, "other": _part(scene, data, DECOY)}
    names = sorted(points, key=lambda name: -points[name][0])  # +x is on the left of the picture
    sides: tuple[Side, ...] = ("left", "right") if family.gap else ("only",)
    objects = tuple(
        Entity(
            family.noun,
            side,
            variation.accent,
            _xyz(points[name]),
            _cells(scene.model, data, points[name]),
            _pressed(scene.model, data, family, "" if name == "own" else DECOY),
        )
        for side, name in zip(sides, names, strict=True)
    )
    distractors = []
    for distractor in variation.distractors:
        place = data.body(f"distractor/{distractor.kind}").xpos
        cells = _cells(scene.model, data, place)
        distractors.append(Entity(distractor.kind, "only", distractor.colour, _xyz(place), cells))
    gripper = Entity("gripper", "only", "grey", _xyz(state[:3]), _cells(scene.model, data, state[:3]))
    return SceneFacts(
        task=task.name,
        objects=objects,
        meant=names.index("own"),
        distractors=tuple(distractors),
        housing=variation.housing if family.housings else None,
        table=variation.table.name,
        gripper=gripper,
        opening=float(state[3]),
    )


def _part(scene: Scene, data: mujoco.MjData, prefix: str) -> Float[np.ndarray, "3"]:
    """Centre of the accent-coloured part of the functional object (prefix "") or of its look-alike."""
    names = {geom: scene.model.body(scene.model.geom_bodyid[geom]).name for geom in scene.accent_geoms}
    geoms = [geom for geom, name in names.items() if name.startswith(DECOY) == bool(prefix)]
    return data.geom_xpos[geoms].mean(axis=0)


def _pressed(model: mujoco.MjModel, data: mujoco.MjData, family: Family, prefix: str) -> bool:
    """The part is displaced by more than 1 cm from its rest."""
    if family.noun not in _PRESSABLE:
        return False
    joint = next(j for j in range(model.njnt) if _moves_part(model, family, prefix, j))
    return bool(abs(data.qpos[model.jnt_qposadr[joint]]) > _MOVED)  # all of them rest at 0


def _moves_part(model: mujoco.MjModel, family: Family, prefix: str, joint: int) -> bool:
    body = model.jnt_bodyid[joint]
    while body and model.body(body).name != prefix + family.body:
        body = model.body_parentid[body]
    return bool(body)


def _cells(model: mujoco.MjModel, data: mujoco.MjData, point: Float[np.ndarray, "3"]) -> dict[str, tuple[int, int]]:
    """Grid cell of the point in each camera's picture; may lie outside of 0..GRID-1."""
    cells = {}
    for name in CAMERAS:
        camera = model.camera(name).id
        rotation = data.cam_xmat[camera].reshape(3, 3)
        fovy = float(model.cam_fovy[camera])
        column, row = project(np.asarray(point)[None], data.cam_xpos[camera], rotation, fovy, GRID)[0]
        cells[name] = (int(np.floor(column)), int(np.floor(row)))
    return cells


def _xyz(point: Float[np.ndarray, "3"]) -> tuple[float, float, float]:
    x, y, z = (round(float(value), 4) for value in point)
    return x, y, z
