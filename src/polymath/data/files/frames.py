"""Pictures of some control steps into one array, each copied once."""

from collections.abc import Callable

import numpy as np
from jaxtyping import UInt8

from polymath.errors import DataError


def gather(
    steps: int, cameras: int, picture: Callable[[int, int], UInt8[np.ndarray, "h w 3"]], name: str
) -> UInt8[np.ndarray, "n C height width 3"]:
    """`picture(i, c)` for every i of n and c of C. Raises DataError naming the set if their sizes differ."""
    first = picture(0, 0)
    pictures = np.empty((steps, cameras, *first.shape), np.uint8)
    for i in range(steps):
        for c in range(cameras):
            image = first if i == c == 0 else picture(i, c)
            if image.shape != first.shape:
                raise DataError(f"{name}: cameras of different sizes; open it with an image_size")
            pictures[i, c] = image
    return pictures
