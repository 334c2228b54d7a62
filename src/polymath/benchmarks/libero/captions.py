"""Image-text pairs from LIBERO's frames: captions and pointing questions that the recorded places make true.

A policy that starts from random weights learns to see from these faster than from actions. They come from what
`polymath record libero --native` wrote, which keeps where everything was; nothing is rendered.

A question is a task's own instruction, whose answer is what it moves and where that goes, or up to three names. The
readout has W >= 4 rows of A >= 5 numbers, scaled to about [-1, 1]; what is not there is masked:

    rows 0-2   what the question names, in its order: column and row in agentview's picture, metres from the gripper
               along x, y and z of the world
    row 3      the gripper: column, row, its height above the lowest thing; its opening
    rows 4-    column and row of every thing, from left to right in the picture, as many in a row as find room: what
               can be read off a picture without the question trains the vision encoder faster
"""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from polymath.benchmarks.places import METRES, where
from polymath.data.files.images import fit
from polymath.data.formats.hdf5_file import child, numerically, opened, problem_sentence
from polymath.data.formats.webdataset.writer import WebDatasetWriter
from polymath.errors import ConfigError, DataError
from polymath.progress import progress_bar
from polymath.types import ImageText

CAMERA = "agentview_rgb"
ROWS, COLUMNS, NAMED = 4, 5, 3
INSTRUCTIONS = 0.5  # share of the questions that are a task's instruction
HEIGHT = (0.15, 0.15)  # centre and scale of the gripper's height above the lowest of the things, metres
OPEN = 0.04  # position of a finger when the gripper is open, metres

WORDS = {
    "akita_black_bowl": "black bowl",
    "glazed_rim_porcelain_ramekin": "ramekin",
    "wooden_cabinet": "cabinet",
    "flat_stove": "stove",
    "cookies": "cookie box",
}
"""Where the tasks' instructions have another word than the BDDL's category."""


@dataclass(frozen=True)
class Frame:
    """One frame: names of things, their and the gripper's positions (world, metres), and the task.

    `camera` takes a world point to the picture (`experts_places.Places.camera`). The arm looks along x, y is its left.
    """

    names: tuple[str, ...]
    places: Float[np.ndarray, "n 3"]
    gripper: Float[np.ndarray, "3"]
    finger: float
    camera: Float[np.ndarray, "3 4"]
    instruction: str
    goal: tuple[str, str]

    @property
    def unique(self) -> list[str]:
        """The names whose word stands for one thing alone."""
        counts = Counter(map(word, self.names))
        return [name for name in self.names if counts[word(name)] == 1]

    def place(self, name: str) -> Float[np.ndarray, "3"]:
        return self.places[self.names.index(name)]

    def from_arm(self, name: str) -> Float[np.ndarray, "3"]:
        """Metres from the gripper to a thing: to the right, away from the base, up."""
        x, y, z = self.place(name) - self.gripper
        return np.array([-y, x, z])

    def pixel(self, point: Float[np.ndarray, "3"]) -> tuple[float, float]:
        """(column, row) of a world point, each from -1 (left, top) to 1 in the upright, mirrored picture."""
        u, v, w = self.camera @ np.append(point, 1.0)
        return float(-u / w), float(v / w)


def word(name: str) -> str:
    """What a thing of the BDDL is called: `alphabet_soup_1` is the alphabet soup."""
    category = name.rsplit("_", 1)[0]
    return WORDS.get(category, category.replace("_", " "))


def write_pairs(
    data: Path, out: Path, count: int, seed: int, image_size: int, chunk_length: int = 8, action_dim: int = 7
) -> int:
    """Write `count` pairs of frames drawn from the recording `data` into the new directory `out`; gives the count.

    `chunk_length`, `action_dim`: W and A of the layout that is to train on them. Raises ConfigError for a layout, a
    count or a picture that is too small or where h5py is missing, DataError for files without places or with fewer than
    `count` frames.
    """
    if chunk_length < ROWS or action_dim < COLUMNS:
        raise ConfigError(f"chunk of {chunk_length} x {action_dim}: pointing needs {ROWS} x {COLUMNS} numbers at least")
    if count < 1 or image_size < 2:
        raise ConfigError(f"pairs {count}, image_size {image_size}: ask for at least 1 pair and 2 pixels a side")
    demonstrations = _demonstrations(data)
    ends = np.cumsum([steps for _, _, steps in demonstrations])
    if count > ends[-1]:
        raise DataError(f"{data}: {ends[-1]} frames, but {count} pairs were asked for; ask for fewer")
    rng = np.random.default_rng([seed, 6])
    chosen = np.sort(rng.choice(int(ends[-1]), count, replace=False))
    metadata = {"source": str(data), "seed": seed, "pairs": count}
    with WebDatasetWriter(out, metadata=metadata) as writer, progress_bar("captioned frames", count) as bar:
        for number, (file, name, steps) in enumerate(demonstrations):
            first = int(ends[number]) - steps
            rows = chosen[(chosen >= first) & (chosen < ends[number])] - first
            for picture, frame in _frames(file, name, rows):
                question = pointing(frame, chunk_length, action_dim, rng)
                writer.add(ImageText(fit(picture, image_size), caption(frame, rng)), {"pointing": question})
                bar.advance()
    return count


def pointing(frame: Frame, chunk_length: int, action_dim: int, rng: np.random.Generator) -> dict[str, object]:
    """A question and its answer, see the top of this file."""
    moved, destination = frame.goal
    if rng.random() < INSTRUCTIONS:
        question, named = frame.instruction, [moved, destination]
    else:
        named = rng.permutation(frame.unique)[: int(rng.integers(1, NAMED + 1))].tolist()
        question = ", ".join(f"the {word(name)}" for name in named)
    targets, mask = np.zeros((chunk_length, action_dim)), np.zeros((chunk_length, action_dim), bool)
    for row, name in enumerate(named):
        if name in frame.names:
            place = frame.place(name)
            targets[row, :COLUMNS] = [*frame.pixel(place), *((place - frame.gripper) / METRES)]
            mask[row, :COLUMNS] = True
    height = (frame.gripper[2] - frame.places[:, 2].min() - HEIGHT[0]) / HEIGHT[1]
    targets[NAMED, :4] = [*frame.pixel(frame.gripper), height, 2 * frame.finger / OPEN - 1]
    mask[NAMED, :4] = True
    pixels = np.array(sorted(map(frame.pixel, frame.places))).ravel()
    across = action_dim // 2 * 2
    for row, first in zip(range(ROWS, chunk_length), range(0, len(pixels), across), strict=False):
        several = pixels[first : first + across]
        targets[row, : len(several)], mask[row, : len(several)] = several, True
    return {"question": question, "targets": np.clip(targets, -3, 3).round(4).tolist(), "mask": mask.tolist()}


def caption(frame: Frame, rng: np.random.Generator) -> str:
    """One to three true sentences about where things are."""
    chosen = rng.permutation(frame.unique)[: int(rng.integers(1, NAMED + 1))].tolist()
    return ", ".join(f"the {word(name)} is {where(frame.from_arm(name))}" for name in chosen)


def _demonstrations(data: Path) -> list[tuple[Path, str, int]]:
    """(file, demonstration, frames) of every file below `data`. Raises DataError where there is none with places."""
    rows = []
    for file in sorted(Path(data).rglob("*.hdf5")):
        with opened(file) as groups:
            demonstrations = child(groups, "data", str(file))
            for name in sorted(demonstrations, key=numerically):
                demo = demonstrations[name]
                if "polymath_places" not in demo or CAMERA not in demo["obs"]:
                    raise DataError(
                        f"{file}: {name}: no polymath_places or no {CAMERA}; record it with `polymath record libero "
                        "--native` and that camera"
                    )
                rows.append((file, name, len(demo["polymath_places"])))
    if not rows:
        raise DataError(
            f"{data}: holds no *.hdf5 with demonstrations; give what `polymath record libero --native` wrote"
        )
    return rows


def _frames(file: Path, name: str, rows: np.ndarray) -> list[tuple[UInt8[np.ndarray, "h w 3"], Frame]]:
    """The pictures, turned by 180 degrees as policies see them, and the facts of some frames of a demonstration.

    Raises DataError where an array or attribute is missing or does not fit the others.
    """
    with opened(file) as groups:
        data = child(groups, "data", str(file))
        demo: Any = data[name]
        moved, destination = json.loads(demo.attrs["polymath_goal"])
        names = tuple(json.loads(demo.attrs["polymath_place_names"]))
        camera = np.asarray(demo.attrs["polymath_camera"], np.float64)
        places, hands = (np.asarray(demo[key], np.float64) for key in ("polymath_places", "obs/ee_pos"))
        fingers, pictures = np.asarray(demo["obs/gripper_states"], np.float64), demo[f"obs/{CAMERA}"]
        steps = len(places)
        for field, array, shape in (
            ("polymath_camera", camera, (3, 4)),
            ("polymath_places", places, (steps, len(names), 3)),
            ("obs/ee_pos", hands, (steps, 3)),
            ("obs/gripper_states", fingers, (steps, 2)),
        ):
            if array.shape != shape or not np.isfinite(array).all():
                raise DataError(
                    f"{file}: {name}: {field} {list(array.shape)} is not finite {list(shape)}; record it again"
                )
        words = problem_sentence(data, f"{file}: data")
        return [
            (
                pictures[row][::-1, ::-1],
                Frame(names, places[row], hands[row], float(fingers[row, 0]), camera, words, (moved, destination)),
            )
            for row in rows.tolist()
        ]
