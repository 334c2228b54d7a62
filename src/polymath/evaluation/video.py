"""Pictures of an episode as an mp4 that any browser plays (H.264, yuv420p), written and read with PyAV."""

import contextlib
from pathlib import Path

import av
import numpy as np
from jaxtyping import UInt8

from polymath.data.files.video_writer import FOR_BROWSERS, VideoWriter
from polymath.errors import DataError
from polymath.files import atomic_write


def upscale(frames: UInt8[np.ndarray, "T height width 3"], to: int) -> UInt8[np.ndarray, "T height width 3"]:
    """Repeat each pixel the whole number of times (at least 1) that brings the height nearest to `to` pixels.

    Of pictures with an odd side the nearest even number of times, since mp4 files need even sides.
    """
    step = 2 if frames.shape[1] % 2 or frames.shape[2] % 2 else 1
    times = step * max(1, round(to / frames.shape[1] / step))
    return frames.repeat(times, axis=1).repeat(times, axis=2)


def write_mp4(
    path: Path, frames: UInt8[np.ndarray, "T height width 3"], fps: float, title: str = "", comment: str = ""
) -> None:
    """Encode RGB frames; `title` and `comment` are stored in the file. Height and width must be even."""
    if frames.ndim != 4 or not len(frames) or frames.shape[1] % 2 or frames.shape[2] % 2:
        raise DataError(f"{path}: frames of shape {list(frames.shape)}; expected [T > 0, even height, even width, 3]")
    with (
        atomic_write(path) as temporary,
        contextlib.closing(
            VideoWriter(temporary, FOR_BROWSERS, frames.shape[1:3], fps, {"title": title, "comment": comment})
        ) as writer,
    ):
        writer.write(frames)


def read_tags(path: Path) -> tuple[str, str]:
    """The `title` and `comment` of an mp4. Raises DataError if it cannot be opened or holds no pictures."""
    try:
        with av.open(str(path)) as container:
            container.streams.video[0]
            return container.metadata.get("title", ""), container.metadata.get("comment", "")
    except (OSError, IndexError, av.error.FFmpegError) as error:
        raise DataError(f"{path}: not a readable mp4 ({error}); remove it and evaluate again") from None
