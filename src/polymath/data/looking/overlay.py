"""The resampler's attention painted over its image."""

import math

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from polymath.errors import DataError


def attention_overlay(
    image: UInt8[np.ndarray, "height width 3"], weights: Float[np.ndarray, " patches"]
) -> UInt8[np.ndarray, "height width 3"]:
    """The image, dark where `weights` are small, with a warm tint where they are large (scaled to their maximum).

    The patches form a square grid, row by row. Raises DataError if their number is no square.
    """
    side = math.isqrt(len(weights))
    if side * side != len(weights):
        raise DataError(f"attention: {len(weights)} patches form no square grid")
    height, width = image.shape[:2]
    scaled = np.asarray(weights, np.float32).reshape(side, side) / max(float(np.max(weights)), 1e-12)
    heat = np.asarray(Image.fromarray(scaled).resize((width, height), Image.Resampling.BICUBIC)).clip(0, 1)[..., None]
    lit = image * (0.25 + 0.75 * heat)
    return (lit + 0.35 * heat * (np.array([255, 140, 0]) - lit)).round().astype(np.uint8)
