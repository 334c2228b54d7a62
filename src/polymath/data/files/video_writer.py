"""Writing mp4 videos through PyAV: RGB frames, appended as they come; for data sets and for evaluation's clips."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from jaxtyping import UInt8

from polymath.errors import ConfigError, DataError

# A key frame every other frame, as lerobot does it: a random frame costs at most two decodings.
GOP = 2


@dataclass(frozen=True)
class Encoding:
    """`codec` is the encoder's name, `name` what its streams are called; `options` are the encoder's own."""

    codec: str
    name: str
    options: Mapping[str, str]


# For data sets, in the order of preference; PyAV's wheels carry both.
RANDOM_ACCESS = (
    Encoding("libx264", "h264", {"crf": "18", "preset": "fast", "bf": "0", "g": str(GOP)}),
    Encoding("libsvtav1", "av1", {"crf": "24", "preset": "10", "g": str(GOP)}),
)
# For clips that people look at. One thread, so that the same frames give the same bytes.
FOR_BROWSERS = Encoding("libx264", "h264", {"crf": "20", "preset": "veryfast", "threads": "1"})


def choose_encoding() -> Encoding:
    """The first of RANDOM_ACCESS that this PyAV has; ConfigError if none."""
    for encoding in RANDOM_ACCESS:
        if encoding.codec in av.codecs_available:
            return encoding
    names = ", ".join(encoding.codec for encoding in RANDOM_ACCESS)
    raise ConfigError(f"PyAV has none of {names}; install the `av` wheel from PyPI, or record pictures")


def describe(encoding: Encoding, image_size: int, fps: int) -> dict[str, Any]:
    """The `info` of a video feature in a LeRobot info.json."""
    return {
        "video.height": image_size,
        "video.width": image_size,
        "video.codec": encoding.name,
        "video.pix_fmt": "yuv420p",
        "video.fps": fps,
        "video.channels": 3,
        "video.g": GOP,
        "video.crf": int(encoding.options["crf"]),
        "is_depth_map": False,
        "has_audio": False,
    }


class VideoWriter:
    """Appends RGB frames of one size to one mp4; `frames` counts them. Call `close`, or the file is incomplete.

    `tags` are stored in the file (title, comment). Raises DataError for an odd height or width: yuv420p has one colour
    sample for two by two pixels.
    """

    def __init__(
        self, path: Path, encoding: Encoding, size: tuple[int, int], fps: float, tags: Mapping[str, str] | None = None
    ) -> None:
        height, width = size
        if height % 2 or width % 2 or not height or not width:
            raise DataError(f"{path}: pictures of {height} x {width}; a video needs an even height and width")
        path.parent.mkdir(parents=True, exist_ok=True)
        self.frames = 0
        rate = Fraction(fps).limit_denominator(1001)
        self._container = av.open(str(path), "w", format="mp4", options={"movflags": "faststart"})
        self._container.metadata.update(tags or {})
        self._stream = cast(
            av.VideoStream, self._container.add_stream(encoding.codec, rate=rate, options=dict(encoding.options))
        )
        self._stream.height, self._stream.width, self._stream.pix_fmt = height, width, "yuv420p"
        self._stream.time_base = self._stream.codec_context.time_base = 1 / rate

    def write(self, images: UInt8[np.ndarray, "T height width 3"]) -> None:
        for image in images:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            frame.pts = self.frames
            with same_scheduling():
                self._container.mux(self._stream.encode(frame))
            self.frames += 1

    def close(self) -> None:
        self._container.mux(self._stream.encode())
        self._container.close()


@contextmanager
def same_scheduling() -> Iterator[None]:
    """SVT-AV1, where it runs as root, makes the calling thread a real-time one, and so all of its later children.

    Such a process can keep a core from everything else on it, so the thread gets back what it had.
    """
    if not hasattr(os, "sched_getscheduler"):  # macOS
        yield
        return
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        if os.sched_getscheduler(0) != policy:
            os.sched_setscheduler(0, policy, parameters)
