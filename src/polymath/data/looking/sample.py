"""A sample of a data set's pictures; those that cannot be decoded go to the quarantine."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8

from polymath.data.files.images import fit
from polymath.data.files.quarantine import Quarantine
from polymath.data.interface import EpisodeSet, PairSet, camera_frames, episode_name
from polymath.errors import DataError

EPISODES, PAIRS = 16, 256  # sizes of the sample
MIXED_SIZE = 160  # pixels to which pictures of cameras of different sizes are fitted


def spaced(count: int, most: int) -> list[int]:
    """At most `most` different indices below `count`, evenly spaced, the first and the last among them."""
    return sorted({round(i) for i in np.linspace(0, count - 1, min(count, most)).tolist()})


def first_pictures(
    source: EpisodeSet, episodes: Sequence[int], quarantine: Quarantine
) -> UInt8[np.ndarray, "n C height width 3"]:
    """The pictures of the first control step of some of `episodes`: of those whose last pictures decode too.

    Those of cameras of different sizes are fitted to squares of MIXED_SIZE pixels. Raises DataError if there is none.
    """
    pictures = []
    for episode in (episodes[i] for i in spaced(len(episodes), EPISODES)):
        try:
            pictures.append(_first(source, episode))
        except DataError as error:
            quarantine.add(source.name, episode_name(source, episode), error)
    if not pictures:
        raise DataError(f"{source.name}: holds no usable episode\n{quarantine.table()}")
    return np.stack([picture for picture in pictures if picture.shape == pictures[0].shape])


def _first(source: EpisodeSet, episode: int) -> UInt8[np.ndarray, "C height width 3"]:
    steps, cameras = [0, len(source.actions(episode)) - 1], range(len(source.embodiment.cameras))
    pictures = [camera_frames(source, episode, camera, steps)[0] for camera in cameras]
    if len({picture.shape for picture in pictures}) > 1:
        pictures = [fit(picture, MIXED_SIZE) for picture in pictures]
    return np.stack(pictures)


def picture_size(pairs: PairSet, chosen: Sequence[int], quarantine: Quarantine) -> tuple[int, int]:
    """Height and width of the first of the `chosen` that can be decoded. Raises DataError if there is none."""
    sizes = []
    for index in (chosen[i] for i in spaced(len(chosen), PAIRS)):
        try:
            sizes.append(pairs.image(index).shape)
        except DataError as error:
            quarantine.add(pairs.name, str(index), error)
    if not sizes:
        raise DataError(f"{pairs.name}: none of the pictures can be used\n{quarantine.table()}")
    return sizes[0][0], sizes[0][1]
