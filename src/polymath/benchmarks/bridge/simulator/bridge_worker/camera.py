"""What a camera's matrices say about its pixels. The middle of the first pixel has the coordinate 0 (OpenCV)."""

from typing import Tuple

import numpy as np


def halved(width: int, height: int, intrinsic: np.ndarray) -> Tuple[int, int, np.ndarray]:
    """Width, height and intrinsic matrix [3, 3] of a camera that sees the same with half as many pixels a side."""
    scaled = np.array(intrinsic, np.float64) / 2
    scaled[:2, 2] -= 0.25
    scaled[2, 2] = 1.0
    return width // 2, height // 2, scaled


def projection(width: int, height: int, intrinsic: np.ndarray, extrinsic: np.ndarray) -> np.ndarray:
    """float64 [3, 4]: a point x, y, z, 1 -> w * (column, row, 1); the picture reaches from -1 (left, top) to 1.

    intrinsic [3, 3] in pixels; extrinsic [4, 4] takes the point to the camera's frame: right, down, forward.
    """
    scale, shift = np.array([2 / width, 2 / height]), np.array([1 / width, 1 / height]) - 1
    to_unit = np.array([[scale[0], 0, shift[0]], [0, scale[1], shift[1]], [0, 0, 1]])
    return to_unit @ np.asarray(intrinsic, np.float64) @ np.asarray(extrinsic, np.float64)[:3]
