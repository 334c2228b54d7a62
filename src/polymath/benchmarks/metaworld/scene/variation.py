"""What differs from episode to episode: places, colours, shape, table, light, cameras, distractors, instruction.

A `Variation` is a pure function of (task's family, split, seed): the two tasks of a family draw the same scenes.

    train               training colours, standard shape, many tables; light and camera change mildly (2.9 cm, 1.2°)
    novel_objects       colours, sizes and shapes of the manipulated object that training never draws
    novel_environments  table texture, light, camera poses (5 cm, 2 degrees) and distractors never drawn in training
"""

import zlib
from dataclasses import dataclass, replace

import numpy as np

from polymath.benchmarks.metaworld.scene.cameras import CAMERAS, CameraPose
from polymath.benchmarks.metaworld.scene.families import Family
from polymath.benchmarks.metaworld.scene.shapes import STANDARD, held_out_shapes
from polymath.benchmarks.metaworld.scene.tables import RGB, TableTop, draw_table, shade_of
from polymath.errors import ConfigError

SPLITS = ("train", "novel_objects", "novel_environments")

XYZ = tuple[float, float, float]

TRAIN_ACCENTS: dict[str, RGB] = {
    "red": (0.78, 0.06, 0.06),
    "green": (0.05, 0.52, 0.12),
    "blue": (0.08, 0.16, 0.78),
    "yellow": (0.88, 0.76, 0.08),
}
NOVEL_ACCENTS: dict[str, RGB] = {
    "purple": (0.45, 0.08, 0.60),
    "orange": (0.95, 0.42, 0.03),
    "cyan": (0.05, 0.70, 0.75),
    "pink": (0.95, 0.40, 0.62),
}
TRAIN_HOUSINGS: dict[str, RGB] = {
    "black": (0.13, 0.13, 0.14),
    "brown": (0.38, 0.22, 0.12),
    "white": (0.86, 0.86, 0.86),
}
NOVEL_HOUSINGS: dict[str, RGB] = {
    "navy": (0.08, 0.10, 0.30),
    "olive": (0.36, 0.38, 0.12),
    "maroon": (0.32, 0.05, 0.14),
}
TRAIN_DISTRACTORS = ("cube", "disc")
NOVEL_DISTRACTORS = ("capsule", "egg", "plank")

TRAIN_DISTRACTOR_COLOURS: dict[str, RGB] = {
    "tan": (0.75, 0.62, 0.42),
    "dark grey": (0.20, 0.20, 0.22),
    "ivory": (0.86, 0.84, 0.74),
    "steel blue": (0.42, 0.52, 0.64),
    "ochre": (0.62, 0.46, 0.18),
    "grass green": (0.38, 0.56, 0.24),
}
_NOVEL_DISTRACTOR_COLOURS: dict[str, RGB] = {"mint": (0.55, 0.85, 0.68), "rust": (0.60, 0.28, 0.10)}


@dataclass(frozen=True)
class Distractor:
    """An object that is only in the way: its kind (a geom of every scene), colour and place on the table."""

    kind: str
    colour: str
    rgb: RGB
    place: tuple[float, float]


@dataclass(frozen=True)
class Variation:
    """One drawn scene. Places in metres in the robot frame; `left` and `right` as the front camera sees them.

    In a scene with one object `left` and `right` are the same place.
    """

    split: str
    seed: int
    left: XYZ
    right: XYZ
    hand: XYZ
    shape: str
    accent: str
    accent_rgb: RGB
    housing: str
    housing_rgb: RGB
    table: TableTop
    light: float
    cameras: dict[str, CameraPose]
    distractors: tuple[Distractor, ...]
    instruction: int


def draw(family: Family, split: str, seed: int) -> Variation:
    """Draw the scene of (family, split, seed). Raises ConfigError for an unknown split."""
    check_split(split)
    rng = np.random.default_rng([seed, SPLITS.index(split), zlib.crc32(family.name.encode())])
    left, right = _places(family, rng)
    return Variation(
        split=split,
        seed=seed,
        left=left,
        right=right,
        hand=_uniform(rng, (-0.06, 0.42, 0.19), (0.06, 0.50, 0.27)),
        **_look(family, split, rng),
        **_surroundings(family, split, (left, right), rng),
        instruction=int(rng.integers(1 << 16)),
    )


def check_split(split: str) -> None:
    """Raises ConfigError for an unknown split."""
    if split not in SPLITS:
        raise ConfigError(f"split {split!r}: choose one of {', '.join(SPLITS)}")


def repainted(variation: Variation, family: Family, rng: np.random.Generator) -> Variation:
    """The same places, shape and distractors in other colours, on another table, in another light, seen from elsewhere.

    All as training draws them, so the shape must be training's too.
    """
    colours = _look(family, "train", rng)
    return replace(
        variation, **colours, table=draw_table(False, rng), light=_train_light(rng), cameras=_cameras(False, rng)
    )


def _cameras(novel: bool, rng: np.random.Generator) -> dict[str, CameraPose]:
    shift, turn = (0.05, 2.0) if novel else (0.029, 1.15)  # metres; degrees
    return {name: _jitter(pose, shift, turn, novel, rng) for name, pose in CAMERAS.items()}


def _train_light(rng: np.random.Generator) -> float:
    return float(rng.uniform(0.8, 1.2))


def _look(family: Family, split: str, rng: np.random.Generator) -> dict:
    novel = split == "novel_objects"
    accents, housings = (NOVEL_ACCENTS, NOVEL_HOUSINGS) if novel else (TRAIN_ACCENTS, TRAIN_HOUSINGS)
    accent, housing = str(rng.choice(list(accents))), str(rng.choice(list(housings)))
    return {
        "shape": str(rng.choice(held_out_shapes(family.name))) if novel else STANDARD,
        "accent": accent,
        "accent_rgb": shade_of(accents[accent], rng),
        "housing": housing,
        "housing_rgb": shade_of(housings[housing], rng),
    }


def _surroundings(family: Family, split: str, places: tuple[XYZ, XYZ], rng: np.random.Generator) -> dict:
    novel = split == "novel_environments"
    table = draw_table(novel, rng)
    light = rng.choice([rng.uniform(0.62, 0.75), rng.uniform(1.25, 1.35)]) if novel else _train_light(rng)
    return {
        "table": table,
        "light": float(light),
        "cameras": _cameras(novel, rng),
        "distractors": _distractors(family, novel, places, rng),
    }


def _places(family: Family, rng: np.random.Generator) -> tuple[XYZ, XYZ]:
    """The two places of the object, left one first. The left edge is uniform, so that neither side has a favourite."""
    gap = rng.uniform(*family.gap) if family.gap else 0.0
    right_x = rng.uniform(-family.reach, family.reach - gap)
    left_y, right_y = rng.uniform(*family.y_range, size=2)
    if family.gap is None:
        left_y = right_y
    return (right_x + gap, float(left_y), family.height), (float(right_x), float(right_y), family.height)


def _jitter(pose: CameraPose, shift: float, turn: float, novel: bool, rng: np.random.Generator) -> CameraPose:
    """Move and turn a camera: up to `shift` metres and `turn` degrees on each axis, at least 60 % of it if novel."""
    low = 0.6 if novel else 0.0
    offset = rng.choice([-1, 1], size=3) * rng.uniform(low, 1.0, size=3) * shift
    tilt = rng.choice([-1, 1], size=3) * rng.uniform(low, 1.0, size=3) * turn
    x, y, z = np.add(pose.position, offset).tolist()
    pitch, yaw, roll = tilt.tolist()
    return replace(pose, position=(x, y, z), tilt=(pitch, yaw, roll))


def _distractors(
    family: Family, novel: bool, places: tuple[XYZ, XYZ], rng: np.random.Generator
) -> tuple[Distractor, ...]:
    kinds = NOVEL_DISTRACTORS if novel else TRAIN_DISTRACTORS
    colours = _NOVEL_DISTRACTOR_COLOURS if novel else TRAIN_DISTRACTOR_COLOURS
    count = int(rng.integers(1, 3)) if novel else int(rng.integers(0, 2))
    distractors: list[Distractor] = []
    taken = [(x, y + family.clear_offset, family.clear_radius) for x, y, _ in places]
    for kind in rng.permutation(kinds)[:count]:
        for _ in range(20):
            x, y = rng.uniform(-0.38, 0.38), rng.uniform(0.55, 0.92)
            if all(np.hypot(x - a, y - b) > r for a, b, r in taken):
                colour = str(rng.choice(list(colours)))
                distractors.append(Distractor(str(kind), colour, colours[colour], (float(x), float(y))))
                taken.append((x, y, 0.12))
                break
    return tuple(distractors)


def _uniform(rng: np.random.Generator, low: XYZ, high: XYZ) -> XYZ:
    x, y, z = rng.uniform(low, high)
    return float(x), float(y), float(z)
