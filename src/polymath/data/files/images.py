"""Decoding and fitting pictures: RGB uint8 [height, width, 3] everywhere."""

import io
import struct
from typing import Literal

import numpy as np
import simplejpeg
from jaxtyping import UInt8
from PIL import Image, UnidentifiedImageError

from polymath.errors import DataError

# A picture of more pixels than this is refused before it is decoded (a decompression bomb, or a wrong file).
MAX_PIXELS = 64_000_000
# What brings a picture upright, by the EXIF tag of its orientation; as `ImageOps.exif_transpose` of Pillow has it.
ORIENTATION = 0x0112
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
Fit = Literal["stretch", "pad"]
EXIF_WITHIN = 1 << 16  # bytes at the beginning of a JPEG; the segment comes before the pixels


def decode(data: bytes, where: str) -> UInt8[np.ndarray, "height width 3"]:
    """A JPEG or any format Pillow reads -> RGB. Of 16-bit pixels the upper byte is kept, as for 16-bit RGB.

    It is turned upright as its EXIF orientation says, as Hugging Face's `datasets` and every viewer do.
    Raises DataError naming the picture by `where` for damaged bytes, and for pixels of 32 bits or floats: nothing says
    which of their values is white, so these are measurements (depth) and no picture.
    """
    try:
        if simplejpeg.is_jpeg(data):
            height, width, *_ = simplejpeg.decode_jpeg_header(data)
            _check_pixels(height * width)
            pixels = simplejpeg.decode_jpeg(data, colorspace="RGB", fastdct=False, fastupsample=False)
            if b"Exif\0\0" not in data[:EXIF_WITHIN]:
                return pixels
            with Image.open(io.BytesIO(data)) as picture:
                return _upright(pixels, picture)
        with Image.open(io.BytesIO(data)) as picture:
            _check_pixels(picture.width * picture.height)
            return _upright(_to_rgb(picture, where), picture)
    except UnidentifiedImageError:  # its own message holds an address of memory
        message = f"{where}: cannot decode the picture (no known format); write it again or drop the sample"
        raise DataError(message, "picture") from None
    except (ValueError, OSError, SyntaxError, Image.DecompressionBombError) as error:
        kind = "dimensions" if isinstance(error, _TooManyPixels | Image.DecompressionBombError) else "picture"
        message = f"{where}: cannot decode the picture ({error}); write it again or drop the sample"
        raise DataError(message, kind) from None


def encode_jpeg(image: UInt8[np.ndarray, "height width 3"], quality: int = 95) -> bytes:
    """4:4:4 JPEG: small pictures keep the colours that captions name."""
    return simplejpeg.encode_jpeg(
        np.ascontiguousarray(image), quality=quality, colorspace="RGB", colorsubsampling="444"
    )


def encode_png(image: UInt8[np.ndarray, "height width 3"]) -> bytes:
    """Lossless; the fastest compression level, since these are read far more often than they are sent."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()


def fit(
    image: UInt8[np.ndarray, "height width 3"], size: int, how: Fit = "stretch", where: str = "image"
) -> UInt8[np.ndarray, "size size 3"]:
    """The whole picture on a square: `stretched`, or `padded`; one that has the size already is returned itself.

    Raises DataError, naming the picture by `where`, unless it is uint8 [height, width, 3].
    """
    if not hasattr(image, "dtype"):
        raise DataError(f"{where}: a {type(image).__name__}, not an array of uint8 (height, width, 3)")
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise DataError(f"{where}: {image.dtype} {image.shape} is not uint8 (height, width, 3); give RGB of 0 to 255")
    if image.shape[:2] == (size, size):
        return image
    return padded(image, size) if how == "pad" else stretched(image, size, size)


def stretched(image: UInt8[np.ndarray, "h w 3"], height: int, width: int) -> UInt8[np.ndarray, "height width 3"]:
    """Resized with an area-aware bilinear filter; the aspect ratio becomes that of the result."""
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))


def padded(image: UInt8[np.ndarray, "height width 3"], size: int) -> UInt8[np.ndarray, "size size 3"]:
    """Resized with its aspect ratio kept, in the middle of a black square; the larger half of an odd rest lies behind.

    ratio = max(width / size, height / size); a side of n pixels becomes int(n / ratio), as in openpi's client
    (`image_tools._resize_with_pad_pil`), rounding included. A side is at least 1 pixel.
    """
    height, width = image.shape[:2]
    ratio = max(width / size, height / size)
    rows, columns = max(int(height / ratio), 1), max(int(width / ratio), 1)
    top, left = (size - rows) // 2, (size - columns) // 2
    square = np.zeros((size, size, 3), np.uint8)
    square[top : top + rows, left : left + columns] = stretched(image, rows, columns)
    return square


def _to_rgb(picture: Image.Image, where: str) -> UInt8[np.ndarray, "height width 3"]:
    """Pillow's own conversion clips at 255 what has more than 8 bits a channel."""
    if picture.mode == "RGB":
        return np.asarray(picture)
    # Pillow reads 16-bit PGM as 32-bit numbers of the same range, and older versions 16-bit PNG too
    if picture.mode.startswith("I;16") or (picture.mode == "I" and picture.format in ("PNG", "PPM")):
        return np.repeat((np.asarray(picture) >> 8).astype(np.uint8)[..., None], 3, axis=2)
    if picture.mode in ("I", "F"):
        kind = "floats" if picture.mode == "F" else "32-bit numbers"
        raise DataError(f"{where}: its pixels are {kind}, a measurement such as depth; give 8-bit RGB", "picture")
    return np.asarray(picture.convert("RGB"))


def _upright(pixels: UInt8[np.ndarray, "h w 3"], picture: Image.Image) -> UInt8[np.ndarray, "height width 3"]:
    """The pixels of `picture` turned as its EXIF says; damaged EXIF says nothing."""
    try:
        turn = TURNS.get(picture.getexif().get(ORIENTATION, 1))
    except (SyntaxError, OSError, ValueError, KeyError, TypeError, struct.error):
        return pixels
    return pixels if turn is None else np.asarray(Image.fromarray(pixels).transpose(turn))


class _TooManyPixels(ValueError):
    pass


def _check_pixels(pixels: int) -> None:
    if pixels > MAX_PIXELS:
        raise _TooManyPixels(f"{pixels} pixels, more than {MAX_PIXELS}")
