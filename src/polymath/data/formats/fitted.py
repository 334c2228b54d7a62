"""A set of episodes with its pictures at the size that a model sees; readers do the same as they decode."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from polymath.data.files.images import Fit, fit
from polymath.data.formats.memory import check_vectors
from polymath.data.interface import EpisodeSet, episode_metadata, episode_name
from polymath.data.robots.embodiments import check
from polymath.errors import DataError
from polymath.types import Embodiment


@dataclass(frozen=True)
class FittedEpisodes:
    """`source`, an EpisodeSet of any origin, with square pictures of `image_size` pixels and its arrays checked.

    `image_fit` says how they become squares. Raises DataError naming set, episode and field for an empty set, and for
    vectors or pictures that are not what the embodiment says.
    """

    source: EpisodeSet
    image_size: int
    image_fit: Fit = "stretch"

    def __post_init__(self) -> None:
        check(self.source.embodiment)
        if not len(self.source):
            raise DataError(f"{self.name}: holds no episode")

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def embodiment(self) -> Embodiment:
        return self.source.embodiment

    @property
    def recording(self) -> dict[str, Any]:
        """What the set says of its recording; its renderer belongs to a run's identity."""
        return getattr(self.source, "recording", {})

    def __len__(self) -> int:
        return len(self.source)

    def episode_name(self, episode: int) -> str:
        return episode_name(self.source, episode)

    def instruction(self, episode: int) -> str:
        return self.source.instruction(episode)

    def task(self, episode: int) -> str:
        return self.source.task(episode)

    def metadata(self, episode: int) -> dict[str, Any]:
        return episode_metadata(self.source, episode)

    def states(self, episode: int) -> Float[np.ndarray, "T state_dim"]:
        where = f"{self.name}: {self.episode_name(episode)}, states"
        return self._vectors(self.source.states(episode), self.embodiment.state_dim, where)

    def actions(self, episode: int) -> Float[np.ndarray, "T A"]:
        where = f"{self.name}: {self.episode_name(episode)}, actions"
        actions = self._vectors(self.source.actions(episode), self.embodiment.action_dim, where)
        if not len(actions) or len(actions) != len(self.source.states(episode)):
            steps = len(self.source.states(episode))
            raise DataError(f"{where}: {len(actions)} steps, but {steps} of states; give both at every control step")
        return actions

    def frames(self, episode: int, steps: Sequence[int]) -> UInt8[np.ndarray, "n C size size 3"]:
        frames = np.asarray(self.source.frames(episode, steps))
        where = f"{self.name}: {self.episode_name(episode)}, pictures"
        shape = (len(steps), len(self.embodiment.cameras))
        if frames.dtype != np.uint8 or frames.ndim != 5 or frames.shape[:2] != shape or frames.shape[4] != 3:
            raise DataError(f"{where}: {frames.dtype} {frames.shape} is not uint8 {(*shape, 'height', 'width', 3)}")
        if frames.shape[2:4] == (self.image_size, self.image_size):
            return frames
        size, how = self.image_size, self.image_fit
        return np.stack([np.stack([fit(image, size, how, where) for image in step]) for step in frames])

    def _vectors(self, values: Any, width: int, where: str) -> Float[np.ndarray, "T D"]:
        values = np.asarray(values, np.float32)
        check_vectors(values, width, where, self.embodiment)
        return values
