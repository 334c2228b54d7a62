"""Image augmentation that keeps captions and instructions true: no flips (left and right count), no change of hue.

The pictures of one camera within one document are shifted and cropped together, so that motion over a window stays
real.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601
AT_ONCE = 4096  # pixels


@dataclass(frozen=True)
class Augmentation:
    """`shift`: largest translation in pixels, borders repeated (DrQ, Kostrikov et al. 2020). The others: factors are
    drawn uniformly from [1 - x, 1 + x]; brightness adds up to x of the full range. `crop`: up to this share of each
    side is cut off, the rest is stretched to the whole; 0 cuts nothing.
    """

    shift: int = 4
    brightness: float = 0.1
    contrast: float = 0.15
    saturation: float = 0.15
    crop: float = 0.0


def augment(
    config: Augmentation, images: UInt8[np.ndarray, "n size size 3"], cameras: int, rng: np.random.Generator
) -> UInt8[np.ndarray, "n size size 3"]:
    """New pictures; picture i is of camera i % cameras. All randomness comes from `rng`."""
    shifts = rng.integers(-config.shift, config.shift + 1, size=(cameras, 2))
    brightness, contrast, saturation = rng.uniform(-1.0, 1.0, size=3).astype(np.float32)
    if config.shift:
        images = np.stack([shift(image, *shifts[i % cameras]) for i, image in enumerate(images)])
    if config.crop:
        sides, corners = 1.0 - config.crop * rng.uniform(size=(cameras, 2)), rng.uniform(size=(cameras, 2))
        images = np.stack([crop(image, sides[i % cameras], corners[i % cameras]) for i, image in enumerate(images)])
    return jitter(
        images,
        brightness=255.0 * config.brightness * brightness,
        contrast=1.0 + config.contrast * contrast,
        saturation=1.0 + config.saturation * saturation,
    )


def shift(image: UInt8[np.ndarray, "height width 3"], down: int, right: int) -> UInt8[np.ndarray, "height width 3"]:
    """Translate by whole pixels and repeat the border."""
    rows = np.clip(np.arange(image.shape[0]) - down, 0, image.shape[0] - 1)
    columns = np.clip(np.arange(image.shape[1]) - right, 0, image.shape[1] - 1)
    return image.take(rows, axis=0).take(columns, axis=1)


def crop(
    image: UInt8[np.ndarray, "height width 3"], sides: Float[np.ndarray, " 2"], corner: Float[np.ndarray, " 2"]
) -> UInt8[np.ndarray, "height width 3"]:
    """The window of `sides` (shares of height and width) as a picture of that size; corner 0, 0: the upper left."""
    height, width = image.shape[:2]
    (high, wide), (down, right) = sides * (height, width), (1.0 - sides) * corner * (height, width)
    box = (right, down, right + wide, down + high)
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR, box))


def jitter(
    images: UInt8[np.ndarray, "*n h w 3"], brightness: float, contrast: float, saturation: float
) -> UInt8[np.ndarray, "*n h w 3"]:
    """Scale colour about its grey value, contrast about mid-grey, add brightness (in units of 0..255), in one pass.

    Each is affine in the colour, so the three are one 3x3 matrix and an offset. Pixels go through it AT_ONCE at a time:
    a larger product is one that BLAS shares out among threads, which costs thirty times its arithmetic.
    """
    matrix = contrast * (saturation * np.eye(3, dtype=np.float32) + (1.0 - saturation) * LUMA[:, None])
    matrix, offset = matrix.astype(np.float32), 127.5 * (1.0 - contrast) + brightness + 0.5  # rounds, not truncates
    pixels = images.reshape(-1, 3)
    result = np.empty_like(pixels)
    for first in range(0, len(pixels), AT_ONCE):
        values = pixels[first : first + AT_ONCE].astype(np.float32) @ matrix
        values += offset
        result[first : first + AT_ONCE] = np.clip(values, 0.0, 255.0, out=values)
    return result.reshape(images.shape)
