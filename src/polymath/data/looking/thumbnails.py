"""Small pictures in their own aspect, inside pages and on sheets."""

import base64

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from polymath.data.files.images import encode_jpeg

QUALITY = 80  # of a JPEG on a page


def within(picture: UInt8[np.ndarray, "height width 3"], longest: int) -> UInt8[np.ndarray, "h w 3"]:
    """Averaged down to `longest` pixels on its longer side; never enlarged."""
    return picture if longest >= max(picture.shape[:2]) else _resized(picture, longest, Image.Resampling.BOX)


def filling(picture: UInt8[np.ndarray, "height width 3"], longest: int) -> UInt8[np.ndarray, "h w 3"]:
    """`longest` pixels on its longer side, be it made smaller or larger."""
    return _resized(picture, longest, Image.Resampling.BICUBIC)


def _resized(picture: UInt8[np.ndarray, "height width 3"], longest: int, filter: Image.Resampling) -> np.ndarray:
    share = longest / max(picture.shape[:2])
    height, width = (max(1, round(side * share)) for side in picture.shape[:2])
    return np.asarray(Image.fromarray(picture).resize((width, height), filter))


def jpeg_uri(picture: UInt8[np.ndarray, "height width 3"], quality: int = QUALITY) -> str:
    """The picture as `data:image/jpeg;base64,…`."""
    return f"data:image/jpeg;base64,{base64.b64encode(encode_jpeg(picture, quality)).decode('ascii')}"
