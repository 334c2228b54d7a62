"""Image-text pairs from CALVIN's frames: captions and pointing questions that `scene_obs` makes true.

A policy that starts from random weights learns to see from these faster than from actions. They come from any data set
in CALVIN's layout, so a recording of `polymath record calvin --native` or the published one; nothing is rendered.

The readout of a pointing question has W >= 6 rows of A >= 5 numbers, scaled to about [-1, 1]; further ones are masked:

    row 0      the block that is asked for: column and row in the static camera's picture, metres from the gripper
               along x, y and z of the world
    rows 1-3   the red, the blue and the pink block, likewise; masked if the sliding door hides it
    row 4      the gripper: column, row, its height; its opening
    row 5      joints of sliding door, drawer and switch, each from one end to the other; lightbulb, LED
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from polymath.benchmarks.places import METRES, where
from polymath.data.files.images import fit
from polymath.data.formats.calvin import CalvinEpisodes, load_npy_dict
from polymath.data.formats.webdataset.writer import WebDatasetWriter
from polymath.errors import ConfigError, DataError
from polymath.progress import progress_bar
from polymath.types import ImageText

COLOURS = ("red", "blue", "pink")
BLOCK_ORDER = {"A": ("pink", "blue", "red"), "B": COLOURS, "C": ("blue", "red", "pink"), "D": COLOURS}
"""Blocks in `scene_obs`, in the order of each scene's file (calvin_env, conf/scene)."""

# calvin_env, conf/cameras/cameras/static.yaml: metres, degrees.
LOOK_FROM, LOOK_AT = (
    (2.871459009488717, -2.166602199425597, 2.555159848480571),
    (-0.026242351, -0.030232988, 0.39200005),
)
UP, FIELD_OF_VIEW = (0.4041403970338857, 0.22629790978217404, 0.8862616969685161), 10.0

SHELF_SHIFT = {"A": -0.013, "B": 0.228, "C": 0.188, "D": 0.0}
"""Metres by which a scene's sliding door and the two shelves behind it stand to the right of those of scene D."""
SHELF_MIDDLE, SHELF_FRONT = -0.085, 0.03  # metres: x between the two shelves of scene D, y from which on the shelf is

TABLE_TOP = 0.43  # metres: between the centres of blocks in the drawer (0.36) and on table and shelf (0.46)

HEIGHT = (0.55, 0.2)  # centre and scale of the gripper's height
JOINTS = (0.28, 0.22, 0.088)  # sliding door (m), drawer (m), switch (rad): the far end of each

ROWS, COLUMNS = 6, 5


@dataclass(frozen=True)
class Frame:
    """One frame: gripper position [3] (world, metres), its opening (m), `scene_obs` [24], the letter of the scene."""

    gripper: Float[np.ndarray, "3"]
    opening: float
    scene: Float[np.ndarray, "24"]
    letter: str

    def block(self, colour: str) -> Float[np.ndarray, "3"]:
        start = 6 + 6 * BLOCK_ORDER[self.letter].index(colour)
        return self.scene[start : start + 3]

    def hidden(self, colour: str) -> bool:
        """Whether the sliding door stands before the block, or the closed drawer holds it."""
        x, y, z = self.block(colour)
        if z < TABLE_TOP and self.scene[1] < JOINTS[1] / 2:
            return True
        is_left = x - SHELF_SHIFT[self.letter] < SHELF_MIDDLE
        return bool(y > SHELF_FRONT and is_left == self.door_is_left)

    @property
    def door_is_left(self) -> bool:
        return bool(self.scene[0] > JOINTS[0] / 2)

    @property
    def visible(self) -> list[str]:
        return [colour for colour in COLOURS if not self.hidden(colour)]


def write_pairs(
    data: Path, out: Path, count: int, seed: int, image_size: int, chunk_length: int = 10, action_dim: int = 7
) -> int:
    """Write `count` pairs of frames drawn from the CALVIN split `data` into the new directory `out`; gives the count.

    `chunk_length`, `action_dim`: W and A of the layout that is to train on them. Raises ConfigError for a layout, a
    count or a picture that is too small, DataError for frames without `scene_obs` or a set of fewer than `count`.
    """
    if chunk_length < ROWS or action_dim < COLUMNS:
        raise ConfigError(f"chunk of {chunk_length} x {action_dim}: pointing needs {ROWS} x {COLUMNS} numbers at least")
    if count < 1 or image_size < 2:
        raise ConfigError(f"pairs {count}, image_size {image_size}: ask for at least 1 pair and 2 pixels a side")
    episodes = CalvinEpisodes(data, cameras=("rgb_static",))
    ends = np.cumsum([len(episodes.states(i)) for i in range(len(episodes))])
    frames = int(ends[-1]) if len(ends) else 0
    if count > frames:
        raise DataError(f"{data}: {frames} annotated frames, but {count} pairs were asked for; ask for fewer")
    rng = np.random.default_rng([seed, 5])
    metadata = {"source": str(data), "seed": seed, "pairs": count}
    with WebDatasetWriter(out, metadata=metadata) as writer, progress_bar("captioned frames", count) as bar:
        for index in np.sort(rng.choice(frames, count, replace=False)):
            episode = int(np.searchsorted(ends, index, side="right"))
            step = int(index - (ends[episode - 1] if episode else 0))
            picture = fit(episodes.frames(episode, [step])[0, 0], image_size)
            frame = read_frame(episodes, episode, step)
            question = pointing(frame, chunk_length, action_dim, rng)
            writer.add(ImageText(picture, caption(frame, rng)), {"pointing": question} if question else None)
            bar.advance()
    return count


def read_frame(episodes: CalvinEpisodes, episode: int, step: int) -> Frame:
    """What the frame says about the scene. Raises DataError where it holds no `scene_obs` of 24 numbers."""
    scene = episodes.array(episode, step, "scene_obs")
    if scene.shape != (24,) or not np.isfinite(scene).all():
        raise DataError(f"{episodes.name}: scene_obs {scene.shape}, expected 24 finite numbers; copy the frame again")
    state = episodes.states(episode)[step]
    letter = scene_of(episodes.path, episodes.first_frame(episode) + step)
    return Frame(state[:3].astype(np.float64), float(state[6]), scene.astype(np.float64), letter)


def scene_of(split: Path, frame: int) -> str:
    """The letter of the scene in which a frame was recorded, by scene_info.npy. Raises DataError if none covers it."""
    path = split / "scene_info.npy"
    try:
        spans = {str(name)[-1]: (int(first), int(last)) for name, (first, last) in load_npy_dict(path).items()}
    except (TypeError, ValueError):
        raise DataError(f"{path}: not a first and a last frame for each scene; copy the data set again") from None
    for letter, (first, last) in spans.items():
        if first <= frame <= last and letter in BLOCK_ORDER:
            return letter
    raise DataError(f"{path}: no scene covers frame {frame}; copy the data set again")


def pixel(point: Float[np.ndarray, "3"]) -> tuple[float, float]:
    """(column, row) of a world point in the static camera's picture, each from -1 (left, top) to 1."""
    backward = np.subtract(LOOK_FROM, LOOK_AT)
    backward /= np.linalg.norm(backward)
    right = np.cross(UP, backward)
    right /= np.linalg.norm(right)
    local = np.stack([right, np.cross(backward, right), backward]) @ (point - LOOK_FROM)
    scale = -1 / (local[2] * np.tan(np.radians(FIELD_OF_VIEW) / 2))
    return float(local[0] * scale), float(-local[1] * scale)


def pointing(frame: Frame, chunk_length: int, action_dim: int, rng: np.random.Generator) -> dict[str, object] | None:
    """A question for one of the visible blocks and its answer, see the top of this file; None if all are hidden."""
    if not frame.visible:
        return None
    asked = str(rng.choice(frame.visible))
    rows = [[] if frame.hidden(colour) else _place(frame, colour) for colour in (asked, *COLOURS)]
    rows.append([*pixel(frame.gripper), (frame.gripper[2] - HEIGHT[0]) / HEIGHT[1], frame.opening / 0.04 - 1])
    slider, drawer, _, switch, lightbulb, led = frame.scene[:6]
    joints = [2 * joint / end - 1 for joint, end in zip((slider, drawer, switch), JOINTS, strict=True)]
    rows.append([*joints, 2 * lightbulb - 1, 2 * led - 1])
    targets, mask = np.zeros((chunk_length, action_dim)), np.zeros((chunk_length, action_dim), bool)
    for row, numbers in enumerate(rows):
        targets[row, : len(numbers)], mask[row, : len(numbers)] = numbers, True
    question = f"the {asked} block"
    return {"question": question, "targets": np.clip(targets, -2, 2).round(4).tolist(), "mask": mask.tolist()}


def _place(frame: Frame, colour: str) -> list[float]:
    position = frame.block(colour)
    return [*pixel(position), *((position - frame.gripper) / METRES).tolist()]


def caption(frame: Frame, rng: np.random.Generator) -> str:
    """Two to four true sentences about what can be seen, in any order."""
    _, drawer, _, _, lightbulb, led = frame.scene[:6]
    sentences = [
        f"the sliding door is on the {'left' if frame.door_is_left else 'right'}",
        f"the drawer is {'open' if drawer > JOINTS[1] / 2 else 'closed'}",
        f"the light bulb is {'on' if lightbulb > 0.5 else 'off'}",
        f"the led light is {'on' if led > 0.5 else 'off'}",
        *(f"the {colour} block is {where(frame.block(colour) - frame.gripper)}" for colour in frame.visible),
    ]
    chosen = rng.permutation(len(sentences))[: int(rng.integers(2, 5))]
    return ", ".join(sentences[i] for i in chosen)
