"""Pixels by a camera's matrices, with numbers that can be checked by hand."""

import numpy as np
from bridge_worker.camera import halved, projection

OFFICIAL = np.array([[623.588, 0, 319.501], [0, 623.588, 239.545], [0, 0, 1]])


def test_half_as_many_pixels_show_the_same_view() -> None:
    """Two pixels become one: their common border, at 0.5, 2.5, … becomes the middle, at 0, 1, …"""
    width, height, intrinsic = halved(640, 480, OFFICIAL)
    assert (width, height) == (320, 240)
    rays = np.array([[0.1, -0.2, 1.0], [0.0, 0.3, 1.0]])
    full, half = (OFFICIAL @ rays.T)[:2], (intrinsic @ rays.T)[:2]
    np.testing.assert_allclose(half, (full - 0.5) / 2)


def test_the_corners_of_the_picture_are_at_one() -> None:
    intrinsic = np.array([[100.0, 0, 49.5], [0, 100.0, 24.5], [0, 0, 1]])  # 100 x 50 pixels, the axis in the middle
    matrix = projection(100, 50, intrinsic, np.eye(4))
    for point, expected in (((0, 0, 2), (0, 0)), ((1.0, 0.5, 2), (1, 1)), ((-0.5, -0.25, 1), (-1, -1))):
        u, v, w = matrix @ np.array([*point, 1.0])
        np.testing.assert_allclose((u / w, v / w), expected, atol=1e-12)
