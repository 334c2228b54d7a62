"""Table tops: colours and patterns of training, and those kept for `novel_environments`.

A vision encoder that has seen few surroundings takes every other one for an object: with three plain tables in training
a new one cost the demo's policy a third of its success, more than new lights, cameras and distractors. So training
draws from many colours and patterns; no checks, no stripes, nothing teal or lilac is among them.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, UInt8

RGB = tuple[float, float, float]

TRAIN_TABLES: dict[str, RGB] = {
    "grey": (0.50, 0.51, 0.53),
    "beige": (0.60, 0.55, 0.46),
    "blue-grey": (0.42, 0.46, 0.52),
    "charcoal": (0.25, 0.26, 0.28),
    "light grey": (0.76, 0.76, 0.74),
    "pine": (0.62, 0.48, 0.32),
    "sand": (0.72, 0.66, 0.50),
    "brick": (0.56, 0.36, 0.30),
    "rose": (0.64, 0.48, 0.48),
    "moss": (0.40, 0.48, 0.34),
    "slate blue": (0.36, 0.44, 0.62),
}
TRAIN_PATTERNS = ("plain", "dotted", "tiled", "blotched", "speckled", "shaded")
NOVEL_TABLES: dict[str, tuple[RGB, RGB]] = {
    "checkered": ((0.62, 0.60, 0.56), (0.40, 0.40, 0.42)),
    "striped": ((0.42, 0.60, 0.48), (0.62, 0.68, 0.58)),
    "teal": ((0.24, 0.46, 0.46), (0.24, 0.46, 0.46)),
    "lilac": ((0.58, 0.50, 0.62), (0.58, 0.50, 0.62)),
}
PLAIN_SHARE = 0.5


@dataclass(frozen=True)
class TableTop:
    """`name` is the colour in training, the look if novel; `seed` draws what is irregular in the pattern."""

    name: str
    pattern: str
    tones: tuple[RGB, RGB]
    seed: int


def draw_table(novel: bool, rng: np.random.Generator) -> TableTop:
    """A novel look, or a training colour with a pattern in a lighter or darker shade of it."""
    if novel:
        name = str(rng.choice(list(NOVEL_TABLES)))
        shades = [shade_of(tone, rng) for tone in dict.fromkeys(NOVEL_TABLES[name])]
        pattern = name if name in ("checkered", "striped") else "plain"
        return TableTop(name, pattern, (shades[0], shades[-1]), 0)
    name, plain = str(rng.choice(list(TRAIN_TABLES))), rng.random() < PLAIN_SHARE
    first = shade_of(TRAIN_TABLES[name], rng)
    factor = rng.choice([rng.uniform(0.55, 0.8), rng.uniform(1.2, 1.4)])
    red, green, blue = np.clip(np.multiply(first, factor), 0, 1).tolist()
    pattern = "plain" if plain else str(rng.choice(TRAIN_PATTERNS[1:]))
    return TableTop(name, pattern, (first, (red, green, blue)), int(rng.integers(1 << 16)))


def shade_of(rgb: RGB, rng: np.random.Generator) -> RGB:
    """The same colour, a little lighter or darker."""
    red, green, blue = np.clip(np.asarray(rgb) * rng.uniform(0.9, 1.1), 0, 1).tolist()
    return red, green, blue


def table_pixels(table: TableTop, size: int) -> UInt8[np.ndarray, "size size 3"]:
    """The texture of one square metre; it repeats without a seam."""
    first, second = (np.asarray(tone) for tone in table.tones)
    share = _second_tone(table, size)[..., None]
    return (255 * (first + share * (second - first))).astype(np.uint8)


def _second_tone(table: TableTop, size: int) -> np.ndarray:
    """How much of the second tone a pixel has, in [0, 1] [size, size]. Lengths in metres."""
    row, column = np.mgrid[:size, :size] / size
    rng = np.random.default_rng(table.seed)
    if table.pattern == "checkered":
        return _odd(np.floor(row * 10) + np.floor(column * 10)).astype(float)
    if table.pattern == "striped":
        return _odd(np.floor((row + column) * 16)).astype(float)
    if table.pattern == "dotted":
        count = int(rng.integers(8, 15))
        return (np.hypot(row * count % 1 - 0.5, column * count % 1 - 0.5) < 0.22).astype(float)
    if table.pattern == "tiled":
        count = int(rng.integers(5, 10))
        return ((row * count % 1 < 0.12) | (column * count % 1 < 0.12)).astype(float)
    if table.pattern == "blotched":
        return (_waves(row, column, 5, rng) > 0.5).astype(float)
    if table.pattern == "shaded":
        return _waves(row, column, 2, rng)
    if table.pattern == "speckled":
        return np.kron(rng.random((size // 2, size // 2)) < 0.15, np.ones((2, 2)))
    return np.zeros((size, size))


def _odd(number: np.ndarray) -> Bool[np.ndarray, "size size"]:
    return number % 2 == 1


def _waves(row: np.ndarray, column: np.ndarray, highest: int, rng: np.random.Generator) -> np.ndarray:
    """A smooth random field in [0, 1]: eight plane waves of 1 to `highest` periods a metre."""
    field = np.zeros_like(row)
    for _ in range(8):
        down, across = rng.integers(-highest, highest + 1, size=2)
        field += np.cos(2 * math.pi * (down * row + across * column + rng.random()))
    return (field - field.min()) / max(float(np.ptp(field)), 1e-9)
