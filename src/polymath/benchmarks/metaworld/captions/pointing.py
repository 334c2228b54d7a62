"""Where the objects of a picture are, as numbers: the targets of pointing documents (`data.sequences.sequence`).

The readout has W = 4 rows of A = 4 numbers, each scaled to about [-1, 1]:

    row 0   the target object: column, row, metres right of the gripper, metres in front of it
    row 1   left (or only) object: column, row; right (or only) object: column, row
    row 2   gripper: column, row, height above the table; the target's height above the gripper
    row 3   nothing
"""

from dataclasses import dataclass

import numpy as np

from polymath.benchmarks.metaworld.captions.languages import Language
from polymath.benchmarks.metaworld.scene.facts import GRID, Entity, SceneFacts

METRES = 0.25  # scale of offsets
HEIGHT = 0.2  # centre and scale of the gripper's height


@dataclass(frozen=True)
class Pointing:
    """A question in words and its answer, `targets`; `mask` says which of them count."""

    question: str
    targets: tuple[tuple[float, ...], ...]
    mask: tuple[tuple[bool, ...], ...]


def point(facts: SceneFacts, camera: str, language: Language, rng: np.random.Generator) -> Pointing:
    """Ask for one of the objects, drawn with `rng`."""
    target = facts.objects[int(rng.integers(len(facts.objects)))]
    left, right, gripper = facts.objects[0], facts.objects[-1], facts.gripper
    offset = np.subtract(target.position, gripper.position) / METRES
    height = gripper.position[2] / HEIGHT - 1
    rows = (
        (*_cell(target, camera), offset[0], offset[1]),
        (*_cell(left, camera), *_cell(right, camera)),
        (*_cell(gripper, camera), height, offset[2]),
        (0.0, 0.0, 0.0, 0.0),
    )
    targets = tuple(tuple(round(float(np.clip(value, -2, 2)), 4) for value in row) for row in rows)
    return Pointing(language.name(target), targets, ((True,) * 4, (True,) * 4, (True,) * 4, (False,) * 4))


def _cell(entity: Entity, camera: str) -> tuple[float, float]:
    column, row = entity.cells[camera]
    return 2 * column / GRID - 1, 2 * row / GRID - 1
