"""The pictures of a LeRobotDataset, out of data files or out of videos, decoded when asked for.

What is decoded stays in a cache of bounded size: a row group of encoded pictures, a picture, or a whole clip. Whether
a clip is decoded as a whole or frame by frame changes how long it takes, never which pictures come out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa
from jaxtyping import UInt8

from polymath.data.files import video
from polymath.data.files.cache import ByteCache
from polymath.data.files.images import Fit, decode, fit
from polymath.data.files.parquet import PictureFile, encoded_picture
from polymath.data.formats.lerobot.clips import ClipFrames
from polymath.data.formats.lerobot.episodes import Clip
from polymath.errors import DataError


@dataclass(frozen=True)
class EpisodePictures:
    """Where an episode's pictures are: `file` from row `first` on, or per column a clip and the frame of each row."""

    name: str
    file: PictureFile
    first: int
    clips: dict[str, tuple[Clip, ClipFrames]]


class Pictures:
    """Pictures of single columns, fitted to squares of `image_size` pixels unless that is None. Thread-safe."""

    def __init__(self, image_size: int | None, image_fit: Fit, cache_bytes: int, whole_clips: bool) -> None:
        self._image_size, self._image_fit, self._whole_clips = image_size, image_fit, whole_clips
        self._cache = ByteCache(cache_bytes)

    def read(self, episode: EpisodePictures, key: str, steps: Sequence[int]) -> UInt8[np.ndarray, "n height width 3"]:
        """Raises DataError naming file, episode, frame and column for a picture that cannot be decoded."""
        if key not in episode.clips:
            pictures = [self._picture(episode, key, int(step)) for step in steps]
            return _stack(pictures, f"{episode.file.path}: {episode.name}, {key}")
        if self._whole_clips:
            clip = self._cache.get((episode.name, key), partial(self._clip, episode, key, None), _size)
            return clip[list(steps)]
        return self._clip(episode, key, steps)

    def _clip(
        self, episode: EpisodePictures, key: str, steps: Sequence[int] | None
    ) -> UInt8[np.ndarray, "n height width 3"]:
        clip, frames = episode.clips[key]
        numbers = frames.numbers if steps is None else frames.numbers[list(steps)]
        pictures = video.read_frames(clip.path, numbers.tolist(), episode.name)
        return np.stack([self._fit(picture) for picture in pictures]) if self._image_size else pictures

    def _picture(self, episode: EpisodePictures, key: str, step: int) -> UInt8[np.ndarray, "height width 3"]:
        """Decoded once, then from the cache while there is room: a later epoch does not decode again."""
        return self._cache.get((episode.name, key, step), partial(self._decode, episode, key, step), _size)

    def _decode(self, episode: EpisodePictures, key: str, step: int) -> UInt8[np.ndarray, "height width 3"]:
        file = episode.file
        group, row = file.locate(episode.first + step)
        encoded = self._cache.get((file.path, group, key), partial(file.pictures, group, key), _size)
        where = f"{file.path}: {episode.name}, frame {step}, {key}"
        return self._fit(decode(encoded_picture(encoded[row].as_py(), where), where))

    def _fit(self, image: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "height width 3"]:
        return image if self._image_size is None else fit(image, self._image_size, self._image_fit)


def _stack(pictures: Sequence[np.ndarray], where: str) -> UInt8[np.ndarray, "n height width 3"]:
    if len({picture.shape for picture in pictures}) > 1:
        raise DataError(f"{where}: pictures of different sizes; open it with an image_size", "dimensions")
    return np.stack(pictures)


def _size(value: np.ndarray | pa.Array) -> int:
    return value.nbytes
