"""Episodes that are already in memory, behind the interface of the readers; and the checks of an episode."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from polymath.errors import DataError
from polymath.types import Embodiment, Episode


@dataclass(frozen=True)
class MemoryEpisodes:
    """Raises DataError if an episode does not fit the embodiment (see `check_episode`)."""

    embodiment: Embodiment
    episodes: Sequence[Episode]
    name: str = "episodes in memory"

    def __post_init__(self) -> None:
        for index, episode in enumerate(self.episodes):
            check_episode(episode, self.embodiment, f"{self.name}[{index}]")

    def __len__(self) -> int:
        return len(self.episodes)

    def instruction(self, episode: int) -> str:
        return self.episodes[episode].instruction

    def task(self, episode: int) -> str:
        return self.episodes[episode].task

    def metadata(self, episode: int) -> dict[str, Any]:
        return dict(self.episodes[episode].metadata)

    def states(self, episode: int) -> Float[np.ndarray, "T state_dim"]:
        return self.episodes[episode].states

    def actions(self, episode: int) -> Float[np.ndarray, "T A"]:
        return self.episodes[episode].actions

    def frames(self, episode: int, steps: Sequence[int]) -> UInt8[np.ndarray, "n C height width 3"]:
        images = self.episodes[episode].images
        return np.stack([images[camera][list(steps)] for camera in self.embodiment.cameras], axis=1)


def check_episode(episode: Episode, embodiment: Embodiment, where: str) -> None:
    """Raise DataError naming the field, the control step and the remedy if the episode is not of this embodiment."""
    if episode.embodiment != embodiment.name:
        raise DataError(
            f"{where}: recorded with robot {episode.embodiment!r}, not {embodiment.name!r}; keep robots apart"
        )
    if not episode.instruction.strip():
        raise DataError(f"{where}.instruction: is empty; write down what the robot was told", "instruction")
    steps = len(episode.actions)
    if not steps:
        raise DataError(f"{where}: has no control step; drop the episode")
    check_vectors(episode.states, embodiment.state_dim, f"{where}.states", embodiment)
    check_vectors(episode.actions, embodiment.action_dim, f"{where}.actions", embodiment)
    if len(episode.states) != steps:
        raise DataError(f"{where}.states: {len(episode.states)} steps, but {steps} actions; record both at every step")
    if set(episode.images) != set(embodiment.cameras):
        raise DataError(
            f"{where}.images: cameras {sorted(episode.images)}, but robot {embodiment.name!r} has "
            f"{sorted(embodiment.cameras)}; record every camera, or describe the robot without it"
        )
    for camera, images in episode.images.items():
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[0] != steps or images.shape[3] != 3:
            raise DataError(
                f"{where}.images[{camera!r}]: {images.dtype} {images.shape} is not uint8 ({steps}, h, w, 3)"
            )


def check_vectors(values: Float[np.ndarray, "T D"], width: int, where: str, embodiment: Embodiment) -> None:
    """Raise DataError unless `values` is [T, width] and finite."""
    if values.ndim != 2 or values.shape[1] != width:
        there = f"width {values.shape[1]}" if values.ndim == 2 else f"shape {values.shape}"
        raise DataError(
            f"{where}: {there}, but robot {embodiment.name!r} has {width}; "
            "convert the data or choose the embodiment that recorded it",
            "width",
        )
    bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if len(bad):
        raise DataError(f"{where}: NaN or infinity at control step {bad[0]}; repair or drop the episode", "nan")
