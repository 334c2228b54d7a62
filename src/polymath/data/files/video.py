"""Videos through PyAV: one growing mp4 of many episodes; the frames of one episode out of it, all or a few of them."""

import os
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from jaxtyping import UInt8

from polymath.data.files.paths import is_local, readable
from polymath.errors import ConfigError, DataError

CODECS = ("libx264", "libsvtav1")  # in the order of preference; PyAV's wheels carry both
# A key frame every other frame, as lerobot does it: a random frame costs at most two decodings.
GOP = 2
QUALITY = {"libx264": {"crf": "18", "preset": "fast", "bf": "0"}, "libsvtav1": {"crf": "24", "preset": "10"}}
NAMES = {"libx264": "h264", "libsvtav1": "av1"}


def choose_codec() -> str:
    """The first codec of CODECS that this PyAV has; ConfigError if none."""
    for codec in CODECS:
        if codec in av.codecs_available:
            return codec
    raise ConfigError(f"PyAV has none of {', '.join(CODECS)}; install the `av` wheel from PyPI, or record pictures")


def describe(codec: str, image_size: int, fps: int) -> dict[str, Any]:
    """The `info` of a video feature in a LeRobot info.json."""
    return {
        "video.height": image_size,
        "video.width": image_size,
        "video.codec": NAMES[codec],
        "video.pix_fmt": "yuv420p",
        "video.fps": fps,
        "video.channels": 3,
        "video.g": GOP,
        "video.crf": int(QUALITY[codec]["crf"]),
        "is_depth_map": False,
        "has_audio": False,
    }


class VideoWriter:
    """Appends RGB frames to one mp4; `frames` counts them. Call `close`, or the file is incomplete."""

    def __init__(self, path: Path, codec: str, image_size: int, fps: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.frames = 0
        self._container = av.open(str(path), "w", options={"movflags": "faststart"})
        options = {**QUALITY[codec], "g": str(GOP)}
        self._stream = cast(av.VideoStream, self._container.add_stream(codec, rate=fps, options=options))
        self._stream.width = self._stream.height = image_size
        self._stream.pix_fmt = "yuv420p"
        self._stream.time_base = self._stream.codec_context.time_base = Fraction(1, fps)

    def write(self, images: UInt8[np.ndarray, "T size size 3"]) -> None:
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


def read_frames(path: Path, start: float, count: int, where: str) -> UInt8[np.ndarray, "count h w 3"]:
    """`count` consecutive frames from time `start` (seconds). DataError naming `where` if they are not all there."""
    frames = []
    try:
        with av.open(readable(path), "r") as container:
            stream = container.streams.video[0]
            earliest = start - 0.5 / float(stream.average_rate or 1)
            container.seek(max(0, int(earliest / (stream.time_base or 1))), stream=stream)
            for frame in container.decode(stream):
                if (frame.time or 0.0) >= earliest:
                    frames.append(frame.to_ndarray(format="rgb24"))
                if len(frames) == count:
                    return np.stack(frames)
    except (av.FFmpegError, IndexError) as error:
        raise DataError(f"{path}: cannot decode {where} ({error}); copy or record the video again", "video") from None
    raise DataError(
        f"{path}: ends after {len(frames)} of {count} frames of {where}; copy or record the video again", "video"
    )


# A step further than this many frames is sought, a nearer one is decoded to.
NEAR = 4
OPEN_VIDEOS = 16  # a thread keeps that many open: opening costs as much as decoding a small frame
_open = threading.local()


def read_at(path: Path, times: Sequence[float], where: str) -> UInt8[np.ndarray, "n h w 3"]:
    """The frames at `times` (seconds, to half a frame), by seeking. DataError naming `where` if one is not there."""
    found: dict[float, np.ndarray] = {}
    try:
        container = _opened(path)
        stream = container.streams.video[0]
        period = 1 / float(stream.average_rate or 1)
        decoder, position = None, 0.0
        for time in sorted(set(times)):
            if decoder is None or time - position > NEAR * period:
                container.seek(max(0, int((time - period / 2) / (stream.time_base or 1))), stream=stream)
                decoder = container.decode(stream)
            for frame in decoder:
                position = frame.time or 0.0
                if position >= time - period / 2:
                    break
            if abs(position - time) > period / 2:
                raise DataError(
                    f"{path}: has no frame at {time:.3f} s of {where}; copy or record the video again", "video"
                )
            found[time] = frame.to_ndarray(format="rgb24")
    except (av.FFmpegError, IndexError) as error:
        raise DataError(f"{path}: cannot decode {where} ({error}); copy or record the video again", "video") from None
    return np.stack([found[time] for time in times])


def _opened(path: Path) -> av.container.InputContainer:
    """An open video of this thread; the one not used for longest makes room."""
    videos: OrderedDict[str, av.container.InputContainer] | None = getattr(_open, "videos", None)
    if videos is None:
        videos = _open.videos = OrderedDict()
    key = f"{path} {path.stat().st_mtime_ns if is_local(path) else ''}"
    if key in videos:
        videos.move_to_end(key)
    else:
        videos[key] = av.open(readable(path), "r")
        while len(videos) > OPEN_VIDEOS:
            videos.popitem(last=False)[1].close()
    return videos[key]
