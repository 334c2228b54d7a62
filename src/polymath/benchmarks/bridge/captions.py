"""Image-text pairs of the frames of a recording: captions and pointing questions that the simulator's state makes true.

A policy that starts from random weights learns to see from these faster than from actions. They are written while
`polymath record bridge` records: its frames, and pictures of more layouts (`bridge_worker.scenes`).

A question is the task's instruction or names one or both things. The readout has W >= 5 rows of A >= 7 numbers, scaled
to about [-1, 1]; further ones are masked:

    rows 0-1   what the question names, in its order (the instruction: what is moved, where it goes): column and row in
               the picture; metres from the gripper along x, y and z of the robot's base; cosine and sine of the yaw of
               what is moved, times the number of turns that look the same
    rows 2-3   what is moved, where it goes, whatever is asked: the model's localizer, which does not read the question,
               can answer these
    row 4      the gripper: column, row, its height; its opening
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from jaxtyping import Float

from polymath.benchmarks.places import METRES, where
from polymath.data.formats.webdataset.writer import WebDatasetWriter
from polymath.errors import ConfigError
from polymath.types import Episode, ImageText

CAMERA = "image_0"
THINGS: Mapping[str, tuple[str, str]] = {
    "widowx_spoon_on_towel": ("spoon", "towel"),
    "widowx_carrot_on_plate": ("carrot", "plate"),
    "widowx_stack_cube": ("green block", "yellow block"),
    "widowx_put_eggplant_in_basket": ("eggplant", "yellow basket"),
}
"""What each task moves, and where that goes, in the words of its instruction."""

ROWS, COLUMNS, NAMED = 5, 7, 2
INSTRUCTIONS = 0.5  # share of the questions that are the task's instruction
HEIGHT = (0.12, 0.1)  # centre and scale of the gripper's height over the base, metres


@dataclass(frozen=True)
class Frame:
    """One frame: state [7] of BridgeData; places [2, 5] and camera [3, 4] of `bridge_worker` (`Expert.places`,
    `scene.camera_matrix`); the names of source and target.
    """

    state: Float[np.ndarray, "7"]
    places: Float[np.ndarray, "2 5"]
    camera: Float[np.ndarray, "3 4"]
    names: tuple[str, str]
    instruction: str

    def pixel(self, point: Float[np.ndarray, "3"]) -> tuple[float, float]:
        """(column, row) of a point in the base frame, each from -1 (left, top) to 1."""
        u, v, w = self.camera @ np.append(point, 1.0)
        return float(u / w), float(v / w)


class CaptionWriter:
    """Writes each episode's frames, and the scenes drawn after it, as WebDataset shards into the new directory `out`.

    `chunk_length`, `action_dim`: W and A of the layout that is to train on them. Raises ConfigError for one too small.
    """

    def __init__(self, out: Path, seed: int = 0, chunk_length: int = 8, action_dim: int = 7) -> None:
        if chunk_length < ROWS or action_dim < COLUMNS:
            raise ConfigError(
                f"chunk of {chunk_length} x {action_dim}: pointing needs {ROWS} x {COLUMNS} numbers at least"
            )
        self._shape, self._rng = (chunk_length, action_dim), np.random.default_rng([seed, 7])
        self._writer = WebDatasetWriter(out, metadata={"simulator": "bridge", "seed": seed})

    def add(self, episode: Episode, extras: Mapping[str, np.ndarray]) -> None:
        pictures, states = episode.images[CAMERA], episode.states
        frames = list(zip(pictures, states, extras["places"], strict=True))
        if "scene_places" in extras:
            frames += zip(extras["scene_pictures"], extras["scene_states"], extras["scene_places"], strict=True)
        for picture, state, places in frames:
            frame = Frame(state, places, extras["camera"], THINGS[episode.task], episode.instruction)
            question = pointing(frame, *self._shape, self._rng)
            self._writer.add(ImageText(picture, caption(frame, self._rng)), {"pointing": question})

    def __enter__(self) -> Self:
        self._writer.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.__exit__(kind, error, trace)


def pointing(frame: Frame, chunk_length: int, action_dim: int, rng: np.random.Generator) -> dict[str, object]:
    """A question and its answer, see the top of this file."""
    if rng.random() < INSTRUCTIONS:
        question, named = frame.instruction, [0, 1]
    else:
        named = rng.permutation(NAMED)[: int(rng.integers(1, NAMED + 1))].tolist()
        question = ", ".join(f"the {frame.names[index]}" for index in named)
    targets, mask = np.zeros((chunk_length, action_dim)), np.zeros((chunk_length, action_dim), bool)
    gripper = frame.state[:3].astype(np.float64)
    for row, index in (*enumerate(named), (NAMED, 0), (NAMED + 1, 1)):
        centre, turn = np.split(frame.places[index], [3])
        numbers = [*frame.pixel(centre), *((centre - gripper) / METRES), *(turn if index == 0 else ())]
        targets[row, : len(numbers)], mask[row, : len(numbers)] = numbers, True
    height = (gripper[2] - HEIGHT[0]) / HEIGHT[1]
    targets[ROWS - 1, :4] = [*frame.pixel(gripper), height, 2 * frame.state[6] - 1]
    mask[ROWS - 1, :4] = True
    return {"question": question, "targets": np.clip(targets, -3, 3).round(4).tolist(), "mask": mask.tolist()}


def caption(frame: Frame, rng: np.random.Generator) -> str:
    """One or two true sentences about where things are. The arm looks along x, and y is its left."""
    chosen = rng.permutation(NAMED)[: int(rng.integers(1, NAMED + 1))].tolist()
    x, y, z = (frame.places[:, :3] - frame.state[:3]).T
    return ", ".join(f"the {frame.names[i]} is {where(np.array([-y[i], x[i], z[i]]))}" for i in chosen)
