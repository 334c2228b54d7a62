"""From a row of a source to documents: one of a pair, a question or an interleaved document, one a control step."""

import dataclasses
import functools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from polymath import config
from polymath.data.files.images import Fit, decode
from polymath.data.formats.memory import check_episode
from polymath.data.formats.opening import open_source
from polymath.data.interface import episode_name, row_name
from polymath.data.prepare import filters
from polymath.data.prepare.plan import Plan, PlannedSource
from polymath.data.prepare.reading import vectors
from polymath.data.robots.statistics import Statistics
from polymath.data.sequences.rows import (
    check_places,
    check_pointing,
    interleaved_document,
    pair_document,
    pointing_document,
    window_document,
    window_steps,
)
from polymath.data.sequences.sequence import Document, Layout
from polymath.data.sequences.transforms import RobotTransform
from polymath.errors import ConfigError, DataError
from polymath.tokenizer import Tokenizer
from polymath.types import Embodiment, Episode


class Dropped(Exception):
    """A filter leaves the row out; the message is the reason."""


@dataclasses.dataclass(frozen=True)
class Made:
    """What a row became; `documents` can be iterated once, and may raise Dropped for one that is too large.

    Hashes are 0 where there is no picture or text to compare.
    """

    documents: Iterable[Document]
    cameras: int
    characters: int
    picture_hash: int = 0
    text_hash: int = 0


class Maker:
    """Makes the documents of one source's rows. Raises ConfigError if the source has other rows than were planned."""

    def __init__(self, plan: Plan, source: PlannedSource, tokenizer: Tokenizer, out: Path) -> None:
        self._layout, self._bounds, self._tokenizer = plan.layout, plan.settings.filter, tokenizer
        self._rows = opened(source.name, plan.layout.image_size, plan.layout.image_fit)
        if len(self._rows) != source.rows:
            raise ConfigError(
                f"{source.name}: has {len(self._rows)} rows, {source.rows} when this preparation began; remove {out} "
                "and prepare it from the beginning"
            )
        self._kind = source.kind
        self._make = {
            "pairs": self._pair,
            "pointing": self._pointing,
            "documents": self._interleaved,
            "episodes": self._episode,
        }[source.kind]
        if source.kind == "episodes":
            robot = config.load(Embodiment, out / source.folder / "embodiment.json")
            statistics = config.load(Statistics, out / source.folder / "statistics.json")
            self._transform = RobotTransform(plan.layout, tokenizer, robot, statistics)

    def make(self, row: int) -> Made:
        """Raises DataError for a bad row, Dropped for a filtered one; `one_row` handles what else a library raises."""
        made = self._make(row)
        return dataclasses.replace(made, documents=map(self._checked, made.documents))

    @property
    def name(self) -> str:
        """Of the set."""
        return self._rows.name

    def record_name(self, row: int) -> str:
        """What the set itself calls a row: an episode's own number, a sample's key, a line."""
        return episode_name(self._rows, row) if self._kind == "episodes" else row_name(self._rows, row)

    def where(self, row: int) -> str:
        """Set and row, for an error."""
        return f"{self._rows.name}: {self.record_name(row)}"

    def _pair(self, row: int) -> Made:
        text = self._rows.text(row)
        self._drop(filters.text_reason(text, self._bounds))
        image = self._picture(row)
        document = pair_document(self._layout, self._tokenizer.control, image, self._tokenizer.encode(text))
        return Made([document], 1, len(text), filters.picture_hash(image), filters.text_hash(text))

    def _pointing(self, row: int) -> Made:
        pointing = self._rows.pointing(row)
        if pointing is None:
            raise Dropped("no pointing question")
        check_pointing(pointing, self._layout, f"{self._rows.name}[{row}]")
        text = pointing.question
        self._drop(filters.text_reason(text, self._bounds))
        image, question = self._picture(row), self._tokenizer.encode(text)
        check_places(image, self._layout, f"{self._rows.name}[{row}]")
        document = pointing_document(self._layout, self._tokenizer.control, image, question, pointing)
        return Made([document], 1, len(text), filters.picture_hash(image), filters.text_hash(text))

    def _picture(self, row: int) -> np.ndarray:
        image = self._rows.image(row)
        self._drop(filters.picture_reason(image.shape[0], image.shape[1], self._bounds))
        return image

    def _interleaved(self, row: int) -> Made:
        parts = self._rows.document(row).parts
        text = " ".join(part for part in parts if isinstance(part, str))
        self._drop(filters.text_reason(text, self._bounds))
        contents: list[str | np.ndarray] = []
        for number, part in enumerate(parts):
            if not isinstance(part, str):
                part = decode(part, f"{self._rows.name}: document {row}, part {number}")
                self._drop(filters.picture_reason(part.shape[0], part.shape[1], self._bounds))
            contents.append(part)
        document = interleaved_document(self._layout, self._tokenizer, contents)
        return Made([document], 1, len(text), 0, filters.text_hash(text))

    def _episode(self, row: int) -> Made:
        """Decoded once as a whole, then a window for every control step, one after the other."""
        states, actions = vectors(self._rows, row)
        self._drop(filters.episode_reason(len(actions), self._bounds))
        robot, instruction = self._transform.embodiment, self._rows.instruction(row)
        self._drop(filters.text_reason(instruction, self._bounds))
        frames = self._rows.frames(row, range(len(actions)))
        images = {camera: frames[:, c] for c, camera in enumerate(robot.cameras)}
        episode = Episode(images, states, actions, instruction, self._rows.task(row), robot.name)
        check_episode(episode, robot, f"{self._rows.name}: {episode_name(self._rows, row)}")
        return Made(self._windows(instruction, frames, states, actions), len(robot.cameras), len(instruction))

    def _windows(
        self, instruction: str, frames: np.ndarray, states: np.ndarray, actions: np.ndarray
    ) -> Iterator[Document]:
        tokens = self._transform.instruction_ids(instruction)
        for step in range(len(actions)):
            seen = frames[window_steps(self._layout, step)]
            yield window_document(self._transform, tokens, step, seen, states, actions)

    def _drop(self, reason: str | None) -> None:
        if reason:
            raise Dropped(reason)

    def _checked(self, document: Document) -> Document:
        for name, size, limit in (
            ("length", len(document.tokens), self._layout.length),
            ("max_images", len(document.images), self._layout.max_images),
            ("max_control_steps", len(document.states), self._layout.max_control_steps),
        ):
            if size > limit:
                raise Dropped(f"longer than layout.{name}")
        return document


@functools.lru_cache(maxsize=8)
def opened(name: str, image_size: int, image_fit: Fit) -> Any:
    """The source with its bad rows left out: the same rows in the same order in every process. Kept open."""
    return open_source(name, image_size, _noted_before, image_fit=image_fit)


def _noted_before(file: str, row: str, error: DataError) -> None:
    """What cannot be opened was written down when the plan was made."""


def layout_room(layout: Layout, robot: Embodiment) -> str | None:
    """What the layout lacks for a robot."""
    for name, have, needed in (
        ("action_dim", layout.action_dim, robot.action_dim),
        ("state_dim", layout.state_dim, robot.state_dim),
        ("max_images", layout.max_images, len(robot.cameras) * layout.window),
    ):
        if have < needed:
            return f"layout.{name} of {needed}, but it has {have}"
    return None
