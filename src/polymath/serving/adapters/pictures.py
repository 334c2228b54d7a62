"""A client's pictures as the checkpoint's: uint8 [height, width, 3], RGB, the whole view and nothing around it.

CHW -> HWC · float32 0..1 -> uint8 · BGR -> RGB · turned by 180 degrees · black bars of a padded square cut off
"""

import re
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import UInt8

from polymath.errors import ConfigError, DataError
from polymath.policy.contract import Colour, Layout, Values

PAD = re.compile(r"pad (\d{1,6}):(\d{1,6})")
BLACK = 16  # of 255: what JPEG leaves of a black bar
ASPECT_TOLERANCE = 0.02


@dataclass(frozen=True)
class Images:
    """How a client writes its pictures.

    fit: "stretch", the camera's whole view and nothing else; "pad W:H", a view of that ratio between black bars in a
    square, as openpi's `resize_with_pad` makes it; None: as the checkpoint was trained.
    turned: degrees by which the client's pictures stand on their head.
    """

    layout: Layout = "HWC"
    colour: Colour = "RGB"
    values: Values = "uint8"
    fit: str | None = None
    turned: Literal[0, 180] = 0

    def __post_init__(self) -> None:
        """Raises ConfigError for a ratio that is none."""
        if self.fit not in (None, "stretch"):
            aspect(self.fit or "")

    def picture(self, value: Any, key: str) -> UInt8[np.ndarray, "height width 3"]:
        """Raises DataError naming the key, with both sides, for a picture that is written in another way."""
        if not isinstance(value, np.ndarray):
            raise DataError(f"{key}: a {type(value).__name__}, not an array; {self._wish()}", "image")
        self._check_layout(value, key)
        image = np.moveaxis(value, 0, -1) if self.layout == "CHW" else value
        image = self._bytes(image, key)
        if self.turned:
            image = image[::-1, ::-1]
        if self.fit and self.fit != "stretch":
            image = without_bars(image, aspect(self.fit), key)
        return np.ascontiguousarray(image[..., ::-1] if self.colour == "BGR" else image)

    def conversions(self) -> tuple[str, ...]:
        """In words, in their order."""
        steps: list[tuple[bool, str]] = [
            (self.layout == "CHW", "CHW -> HWC"),
            (self.values != "uint8", f"{self.values} -> uint8"),
            (self.turned != 0, f"turned by {self.turned} degrees"),
            (self.fit not in (None, "stretch"), f"{self.fit}: bars cut off"),
            (self.colour == "BGR", "BGR -> RGB"),
        ]
        return tuple(name for holds, name in steps if holds)

    def _check_layout(self, value: np.ndarray, key: str) -> None:
        channels = {"HWC": 2, "CHW": 0}[self.layout]
        if value.ndim != 3 or value.shape[channels] != 3 or not value.size:
            other = value.ndim == 3 and value.shape[2 - channels] == 3
            hint = f"; that is {'CHW' if self.layout == 'HWC' else 'HWC'}, another image layout" if other else ""
            raise DataError(f"{key}: {value.dtype} {list(value.shape)}{hint}; {self._wish()}", "layout")

    def _bytes(self, image: np.ndarray, key: str) -> UInt8[np.ndarray, "height width 3"]:
        if self.values == "uint8":
            if image.dtype != np.uint8:
                raise DataError(f"{key}: {image.dtype} {list(image.shape)}; {self._wish()}", "values")
            return image
        if image.dtype.kind != "f":
            raise DataError(f"{key}: {image.dtype} {list(image.shape)}; {self._wish()}", "values")
        if not (np.isfinite(image).all() and image.min() >= 0 and image.max() <= 1):
            raise DataError(f"{key}: values of {image.min():.4g} to {image.max():.4g}; {self._wish()}", "values")
        return as_bytes(image)

    def _wish(self) -> str:
        shape = "[height, width, 3]" if self.layout == "HWC" else "[3, height, width]"
        return f"send {self.colour}, {self.values}, {self.layout} {shape}, or choose an adapter that says otherwise"


def as_bytes(image: np.ndarray) -> UInt8[np.ndarray, "*shape"]:
    """Values of 0 to 1 as the nearest of 256 levels, the inverse of dividing by 255."""
    return np.rint(image.astype(np.float64) * 255).astype(np.uint8)


def aspect(fit: str) -> float:
    """Width over height of `pad W:H`. Raises ConfigError for another text."""
    match = PAD.fullmatch(fit)
    if not match or not int(match[1]) * int(match[2]):
        raise ConfigError(f"fit: {fit!r}; write stretch, or pad and the camera's ratio, as in pad 16:9")
    return int(match[1]) / int(match[2])


def padded(width: int, height: int, ratio: float) -> tuple[int, int, int, int]:
    """(top, bottom, left, right) of a view of `ratio` in the middle of a picture of that size, as openpi's client
    places it (`image_tools._resize_with_pad_pil`): the larger half of an odd rest lies behind.
    """
    scale = max(ratio / width, 1 / height)
    rows, columns = max(int(1 / scale), 1), max(int(ratio / scale), 1)
    top, left = max((height - rows) // 2, 0), max((width - columns) // 2, 0)
    return top, top + rows, left, left + columns


def without_bars(
    image: UInt8[np.ndarray, "height width 3"], ratio: float, key: str
) -> UInt8[np.ndarray, "rows columns 3"]:
    """The view between the bars; a picture that has the ratio already is whole.

    Raises DataError where something is seen in the bars: then the picture was not padded, or from another ratio.
    """
    height, width = image.shape[:2]
    if abs(width / height / ratio - 1) < ASPECT_TOLERANCE:
        return image
    top, bottom, left, right = padded(width, height, ratio)
    bars = (image[: top - 1], image[bottom + 1 :], image[:, : left - 1], image[:, right + 1 :])  # 1: rounding
    brightest = max(int(bar.max(initial=0)) for bar, wide in zip(bars, (top, top, left, left), strict=True) if wide)
    if brightest > BLACK:
        raise DataError(
            f"{key}: a picture of {width} x {height} with {brightest} of 255 where a view of {ratio:.3g}:1 padded to "
            "it has black bars; pad it (openpi's resize_with_pad), send the camera's own picture, or choose an adapter "
            "with another fit",
            "fit",
        )
    return image[top:bottom, left:right]
