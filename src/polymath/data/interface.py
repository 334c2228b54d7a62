"""What every reader offers: pairs or episodes by index, the small fields at once and the pictures on demand."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from jaxtyping import Float, UInt8

from polymath.types import Embodiment, Interleaved, Pointing


class PairSet(Protocol):
    """Image-text pairs with random access. `name` is what errors call the set, usually its path."""

    name: str

    def __len__(self) -> int: ...

    def text(self, index: int) -> str: ...

    def image(self, index: int) -> UInt8[np.ndarray, "height width 3"]: ...


class PointingSet(PairSet, Protocol):
    """Pairs of which some carry a question with its answer in numbers."""

    def pointing(self, index: int) -> Pointing | None: ...


class InterleavedSet(Protocol):
    """Documents of text and pictures in reading order, with random access."""

    name: str

    def __len__(self) -> int: ...

    def document(self, index: int) -> Interleaved: ...


class EpisodeSet(Protocol):
    """Episodes of one embodiment with random access; states and actions in its own units."""

    @property
    def name(self) -> str: ...

    @property
    def embodiment(self) -> Embodiment: ...

    def __len__(self) -> int: ...

    def instruction(self, episode: int) -> str: ...

    def task(self, episode: int) -> str: ...

    def states(self, episode: int) -> Float[np.ndarray, "T state_dim"]: ...

    def actions(self, episode: int) -> Float[np.ndarray, "T A"]: ...

    def frames(self, episode: int, steps: Sequence[int]) -> UInt8[np.ndarray, "n C height width 3"]:
        """The pictures of the given control steps, cameras in the order of the embodiment."""
        ...


def episode_name(source: EpisodeSet, episode: int) -> str:
    """What the set itself calls that episode, for errors and quarantine: "episode 7" where its own number is 7.

    A reader whose own numbers are not list positions has a method `episode_name`; elsewhere the position is the number.
    """
    name = getattr(source, "episode_name", None)
    return name(episode) if name is not None else f"episode {episode}"


def episode_metadata(source: EpisodeSet, episode: int) -> dict[str, Any]:
    """What the recorder noted of the episode: task, split and seed of a simulator, noise, renderer.

    A reader of a format that keeps it has a method `metadata`; elsewhere it is empty.
    """
    metadata = getattr(source, "metadata", None)
    return dict(metadata(episode)) if metadata is not None else {}


def episode_times(source: EpisodeSet, episode: int) -> Float[np.ndarray, " T"] | None:
    """Seconds of each control step on the recorder's clock, increasing; None where the format keeps no clock.

    A reader of a format that keeps one has a method `times`.
    """
    times = getattr(source, "times", None)
    return times(episode) if times is not None else None


def camera_frames(
    source: EpisodeSet, episode: int, camera: int, steps: Sequence[int]
) -> UInt8[np.ndarray, "n height width 3"]:
    """The pictures of one camera (by its place among the robot's), at their own size where the reader can give it.

    A reader whose cameras may differ in size has a method `camera_frames` that takes the camera's name.
    """
    one = getattr(source, "camera_frames", None)
    if one is not None:
        return one(episode, source.embodiment.cameras[camera], steps)
    return source.frames(episode, steps)[:, camera]


def row_name(source: PairSet | InterleavedSet, row: int) -> str:
    """What the set itself calls a pair or a document, for the quarantine: file, and key or line in it.

    A reader whose rows have names has a method `row_name`; elsewhere it is the place among those that opened.
    """
    name = getattr(source, "row_name", None)
    return name(row) if name is not None else f"row {row}"
