"""Reading videos through PyAV: when each frame is shown, which one belongs to a time, and the pictures of some frames.

A picture belongs to a time. `Timeline.nearest` is the one place that goes from times to frames, and `read_frames` the
one that decodes them, so a picture does not depend on how much of its video is read at once.
"""

import re
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from jaxtyping import Float, Int, UInt8

from polymath.data.files import mp4
from polymath.data.files.cache import ByteCache
from polymath.data.files.paths import is_local, readable
from polymath.errors import DataError

# A frame further on than this many is sought, a nearer one is decoded to.
NEAR = 4
OPEN_VIDEOS = 16  # a thread keeps that many open: opening costs as much as decoding a small frame
EVEN = 0.01  # gaps between frames that differ by less are a constant rate
_open = threading.local()
_timelines = ByteCache(128 << 20)


@dataclass(frozen=True)
class Timeline:
    """When each frame of a video is shown: seconds, in order.

    `gap` is the median time between two frames, None where there is one; `even` says whether all gaps are alike.
    """

    times: Float[np.ndarray, " n"]
    gap: float | None
    even: bool

    def nearest(self, moments: Float[np.ndarray, " T"], first: int, stop: int) -> Int[np.ndarray, " T"]:
        """Of the frames `first` to `stop` (exclusive) the nearest to each time; of two as near the earlier."""
        times = self.times[first:stop]
        if len(times) == 1:
            return np.full(len(moments), first)
        after = np.clip(np.searchsorted(times, moments), 1, len(times) - 1)
        # a microsecond, so that the rounding of float32 timestamps decides nothing
        return first + after - (moments - times[after - 1] <= times[after] - moments + 1e-6)


def timeline(path: Path) -> Timeline:
    """A video's timeline, out of its index or else of all its packets.

    Raises DataError for a video that is missing, truncated, damaged or empty.
    """
    changed = path.stat().st_mtime_ns if is_local(path) and path.exists() else 0
    return _timelines.get((str(path), changed), lambda: _read_timeline(path), lambda value: value.times.nbytes)


def _read_timeline(path: Path) -> Timeline:
    times = mp4.frame_times(path)
    if times is None:
        times = _packet_times(path)
    if not len(times):
        raise DataError(f"{path}: the video has no frame; copy or record it again", "video")
    times.setflags(write=False)
    gaps = np.diff(times)
    gap = float(np.median(gaps)) if len(gaps) else None
    return Timeline(times, gap, gap is not None and bool(np.abs(gaps - gap).max() <= EVEN * gap))


def _packet_times(path: Path) -> Float[np.ndarray, " n"]:
    try:
        with av.open(readable(path), "r") as container:
            stream = container.streams.video[0]
            packets = (packet for packet in container.demux(stream) if not packet.is_discard)
            shown = [packet.pts for packet in packets if packet.pts is not None]
            return np.sort(np.array(shown, np.float64)) * float(stream.time_base or 1)
    except (av.FFmpegError, IndexError, OSError) as error:
        raise DataError(f"{path}: cannot be read ({error}); copy or record the video again", "video") from None


def read_frames(path: Path, numbers: Sequence[int], where: str) -> UInt8[np.ndarray, "n h w 3"]:
    """The frames of those numbers (positions in the timeline), in any order, as RGB.

    Raises DataError naming `where` if one cannot be decoded, is not there, or is no colour picture of 8 bits and more.
    """
    times = timeline(path).times
    frames: dict[int, np.ndarray] = {}
    try:
        container = _opened(path)
        stream = container.streams.video[0]
        decoder, last = None, 0
        for number in sorted(set(map(int, numbers))):
            time, gaps = float(times[number]), np.diff(times[max(number - 1, 0) : number + 2])
            near = float(gaps.min()) / 4 if len(gaps) else 0.5
            if decoder is None or number - last > NEAR:
                container.seek(max(0, int((time - near) / (stream.time_base or 1))), stream=stream)
                decoder = container.decode(stream)
            frame = next((frame for frame in decoder if (frame.time or 0.0) > time - near), None)
            if frame is None or abs((frame.time or 0.0) - time) > near:
                raise DataError(
                    f"{path}: has no frame at {time:.3f} s of {where}; copy or record the video again", "video"
                )
            frames[number], last = _rgb(frame, path), number
    except (av.FFmpegError, IndexError, OSError) as error:
        raise DataError(f"{path}: cannot decode {where} ({error}); copy or record the video again", "video") from None
    if len({frame.shape for frame in frames.values()}) > 1:
        raise DataError(f"{path}: its frames change their size within {where}; record the video again", "video")
    return np.stack([frames[int(number)] for number in numbers])


def pixel_format(path: Path) -> str:
    """FFmpeg's name of how pixels are stored, as yuv420p. Raises DataError if the video cannot be opened."""
    try:
        with av.open(readable(path), "r") as container:
            pixels = container.streams.video[0].format
            return str(pixels.name) if pixels is not None else "unknown"
    except (av.FFmpegError, IndexError, OSError) as error:
        raise DataError(f"{path}: cannot be read ({error}); copy or record the video again", "video") from None


def is_measurement(pixels: str) -> bool:
    """Whether a pixel format holds one number a pixel of more than 8 bits, or floats: depth and the like, no colour."""
    return re.fullmatch(r"(gray|ya)(9|1\d)(le|be)|.*f(16|32)(le|be)?", pixels.lower()) is not None


def _rgb(frame: av.VideoFrame, path: Path) -> UInt8[np.ndarray, "h w 3"]:
    if is_measurement(frame.format.name):
        raise DataError(
            f"{path}: its pixels are {frame.format.name}, depth rather than colour; leave the camera out", "picture"
        )
    pixels: UInt8[np.ndarray, "h w 3"] = _converter().reformat(frame, format="rgb24").to_ndarray()
    return pixels


def _converter() -> VideoReformatter:
    """This thread's: a frame's own would be set up anew for each, which takes longer than to convert it."""
    converter: VideoReformatter | None = getattr(_open, "converter", None)
    if converter is None:
        converter = _open.converter = VideoReformatter()
    return converter


def _opened(path: Path) -> av.container.InputContainer:
    """An open video of this thread; the one not used for longest makes room."""
    videos: OrderedDict[str, av.container.InputContainer] | None = getattr(_open, "videos", None)
    if videos is None:
        videos = _open.videos = OrderedDict()
    key = f"{path} {path.stat().st_mtime_ns if is_local(path) else ''}"
    if key in videos:
        videos.move_to_end(key)
    else:
        videos[key] = container = av.open(readable(path), "r")
        for stream in container.streams.video:  # loaders have threads; a decoder's own cost more
            stream.codec_context.thread_count = 1
        while len(videos) > OPEN_VIDEOS:
            videos.popitem(last=False)[1].close()
    return videos[key]
