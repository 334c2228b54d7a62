"""A sample of a data set's pictures; those that cannot be decoded go to the quarantine."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8

from polymath.data.files.quarantine import Quarantine
from polymath.data.interface import EpisodeSet, PairSet, episode_name
from polymath.errors import DataError

EPISODES, PAIRS = 16, 256  # sizes of the sample


def spaced(count: int, most: int) -> list[int]:
    """At most `most` different indices below `count`, evenly spaced, the first and the last among them."""
    return sorted({round(i) for i in np.linspace(0, count - 1, min(count, most)).tolist()})


def first_pictures(
    source: EpisodeSet, episodes: Sequence[int], quarantine: Quarantine
) -> UInt8[np.ndarray, "n C height width 3"]:
    """The pictures of the first control step of some of `episodes`: of those whose last pictures decode too.

    Raises DataError if there is none.
    """
    pictures = []
    for episode in (episodes[i] for i in spaced(len(episodes), EPISODES)):
        try:
            pictures.append(source.frames(episode, [0, len(source.actions(episode)) - 1])[0])
        except DataError as error:
            quarantine.add(source.name, episode_name(source, episode), error)
    if not pictures:
        raise DataError(f"{source.name}: holds no usable episode\n{quarantine.table()}")
    return np.stack([picture for picture in pictures if picture.shape == pictures[0].shape])


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
