"""Resizing as the data set's reader does it, bit for bit: Pillow's BILINEAR, which is aware of areas, in numpy.

A policy must see in evaluation what it saw in training, and the simulator's interpreter need not have Pillow. Each
output pixel is the mean of the input under a triangle as wide as the reduction (source: `Resample.c` of Pillow).
"""

from typing import List, NamedTuple

import numpy as np

PRECISION = 32 - 8 - 2  # bits after the point of Pillow's weights


class _Filter(NamedTuple):
    """For output pixel i: the weights, int64 [w], of the input pixels from `first[i]` on."""

    first: List[int]
    weights: List[np.ndarray]


def fit(image: np.ndarray, size: int) -> np.ndarray:
    """uint8 [side, side, 3] -> uint8 [size, size, 3]; size 0, or its own size, leaves the picture as it is.

    Rows come first, then columns, as in Pillow for squares; of other pictures Pillow 13 may begin with the columns.
    """
    if size in (0, len(image)):
        return image
    rows = _along_width(image, size)
    return np.ascontiguousarray(_along_width(rows.transpose(1, 0, 2), size).transpose(1, 0, 2))


def _along_width(image: np.ndarray, size: int) -> np.ndarray:
    filters = _filter(image.shape[1], size)
    columns = [
        (image[:, first : first + len(weights)].astype(np.int64) * weights[:, None]).sum(1)
        for first, weights in zip(filters.first, filters.weights)
    ]
    rounded = (np.stack(columns, 1) + (1 << (PRECISION - 1))) >> PRECISION
    return np.clip(rounded, 0, 255).astype(np.uint8)


def _filter(width: int, size: int) -> _Filter:
    scale = width / size
    support = max(scale, 1.0)
    first, weights = [], []
    for i in range(size):
        centre = (i + 0.5) * scale
        low, high = max(int(centre - support + 0.5), 0), min(int(centre + support + 0.5), width)
        distance = np.abs((np.arange(low, high) - centre + 0.5) / support)
        triangle = np.maximum(1.0 - distance, 0.0)
        first.append(low)
        weights.append((triangle / triangle.sum() * (1 << PRECISION) + 0.5).astype(np.int64))
    return _Filter(first, weights)
