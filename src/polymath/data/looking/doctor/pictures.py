"""What is measured of an episode's pictures: a sample of moments, every camera by itself, at its own size."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float, Int, UInt8
from PIL import Image

from polymath.data.interface import EpisodeSet, camera_frames
from polymath.data.looking.sample import spaced
from polymath.data.looking.thumbnails import within

CELLS = 64  # the longer side of the grid on which two moments are compared
SHARP = 256  # the longer side of the picture whose sharpness is measured
SIGNATURE = 8  # cells a side of the colours that tell cameras apart
SHOWN = 6  # moments of the page's film strip
LONGEST = 144  # pixels of a picture of it
LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601


@dataclass(frozen=True)
class Pictures:
    """Of n moments, `steps`, and C cameras.

    change      largest difference of a cell between neighbouring moments, in grey levels (of 255)
    bright      99 % of the pixels are darker, in grey levels
    contrast    standard deviation of the grey levels
    sharpness   log2 of the energy of the finest details over that of those twice as coarse
    signature   mean colours of a camera's picture on a small grid
    strip       a few pictures of each camera for the page, in their own aspect
    """

    steps: Int[np.ndarray, " n"]
    change: Float[np.ndarray, "n-1 C"]
    bright: Float[np.ndarray, "n C"]
    contrast: Float[np.ndarray, "n C"]
    sharpness: Float[np.ndarray, "n C"]
    signature: Float[np.ndarray, "C 8 8 3"]
    strip: tuple[tuple[UInt8[np.ndarray, "height width 3"], ...], ...]


def look(source: EpisodeSet, episode: int, length: int, moments: int) -> Pictures:
    """At most `moments` control steps of the `length`, evenly spaced. Raises DataError for one that does not decode."""
    steps = spaced(length, moments)
    cameras = range(len(source.embodiment.cameras))
    each = [_camera(camera_frames(source, episode, camera, steps)) for camera in cameras]
    return Pictures(
        steps=np.array(steps),
        change=np.stack([one[0] for one in each], axis=1),
        bright=np.stack([one[1] for one in each], axis=1),
        contrast=np.stack([one[2] for one in each], axis=1),
        sharpness=np.stack([one[3] for one in each], axis=1),
        signature=np.stack([one[4] for one in each]),
        strip=tuple(one[5] for one in each),
    )


def _camera(frames: UInt8[np.ndarray, "n height width 3"]) -> tuple:
    greys = [_grey(within(frame, CELLS)) for frame in frames]
    change = np.array([np.abs(b - a).max() for a, b in pairwise(greys)])
    bright = np.array([np.quantile(grey, 0.99) for grey in greys])
    contrast = np.array([grey.std() for grey in greys])
    small = [Image.fromarray(f).resize((SIGNATURE, SIGNATURE), Image.Resampling.BOX) for f in frames]
    colours = np.mean([np.asarray(picture, np.float32) for picture in small], axis=0)
    shown = tuple(within(frames[i], LONGEST) for i in spaced(len(frames), SHOWN))
    return change, bright, contrast, np.array([sharpness(frame) for frame in frames]), colours, shown


def sharpness(picture: UInt8[np.ndarray, "height width 3"]) -> float:
    """log2 of the Laplacian's variance over that of the same picture at half its size; NaN of a plain picture.

    The variance of the Laplacian is the usual measure of focus (J. Pech-Pacheco et al., ICPR 2000), but it grows with
    the scene's own detail; the ratio of two scales does not, and falls where the finest one is lost.
    """
    fine = within(picture, SHARP)
    coarse = within(fine, max(1, max(fine.shape[:2]) // 2))
    energies = [_laplacian_variance(_grey(each)) for each in (fine, coarse)]
    return float(np.log2(energies[0] / energies[1])) if min(energies) > 1e-3 else float("nan")


def _laplacian_variance(grey: Float[np.ndarray, "height width"]) -> float:
    if min(grey.shape) < 3:
        return 0.0
    inner = grey[1:-1, 1:-1]
    return float((grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * inner).var())


def _grey(picture: UInt8[np.ndarray, "height width 3"]) -> Float[np.ndarray, "height width"]:
    return picture.astype(np.float32) @ LUMA
