"""Pictures and videos as data URIs."""

import base64
import io
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from polymath.errors import DataError


def png_uri(image: UInt8[np.ndarray, "height width 3"]) -> str:
    """The image as `data:image/png;base64,…`."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "png", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def mp4_uri(path: Path) -> str:
    """The file as `data:video/mp4;base64,…`. Raises DataError if it is missing."""
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError:
        raise DataError(f"{path}: no such video; evaluate again to record it") from None
    return f"data:video/mp4;base64,{base64.b64encode(data).decode()}"
