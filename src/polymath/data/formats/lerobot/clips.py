"""From an episode's rows to the frames of its videos: by time, within the episode's part of the file.

A row's picture is the frame shown at from_timestamp + timestamp. lerobot looks for the nearest frame and refuses one
further than 1e-4 s away; here it may be half the time between two frames away, because timestamps of real recordings
jitter, from_timestamp is a sum of rounded durations, and a nearer frame than that cannot exist.

Recorders that write one frame a row at a constant rate, but stamp rows with their own clock, leave times that the video
does not have (after a pause, say). Such an episode is read frame by frame, if it has exactly as many frames as rows and
the clock runs at the set's rate, and a note says so.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from polymath.data.files import video
from polymath.data.formats.lerobot.episodes import Clip
from polymath.data.formats.lerobot.info import Info
from polymath.data.formats.lerobot.rows import EpisodeRows
from polymath.errors import DataError

RATE_TOLERANCE = 5e-3  # NTSC's 29.97 is 30
PACE_TOLERANCE = 0.25


@dataclass(frozen=True)
class ClipFrames:
    """`numbers`: the frame of each row, as a position in the whole video. `by_time` is False if read frame by frame."""

    numbers: Int[np.ndarray, " T"]
    by_time: bool


def check_rate(info: Info, clip: Clip) -> None:
    """Raise DataError unless the video's rate is a whole multiple of the rows' rate (or varies, as cameras' do).

    At any other ratio the pictures lie between the rows, and one of the two rates is usually a wrong number.
    """
    line = video.timeline(clip.path)
    gap = line.gap
    if not gap or not line.even:
        return
    ratio = 1 / (gap * info.fps)
    if round(ratio) < 1 or abs(ratio - round(ratio)) > RATE_TOLERANCE * ratio:
        raise DataError(
            f"{info.file}, fps: {info.fps:g}, but {clip.path} has {1 / gap:.6g} frames a second, no whole multiple; "
            "correct fps and the timestamps, or take each row's nearest picture with pictures=nearest",
            "fps",
        )


def check_clip(clip: Clip, name: str) -> None:
    """Raise DataError if the episode's part reaches beyond the video."""
    line = video.timeline(clip.path)
    gap = line.gap or 0.0
    end, frames = float(line.times[-1]) + gap, len(line.times)
    if clip.stop is not None and clip.stop > end + gap / 2 + 1e-6 and frames > 1:
        raise DataError(
            f"{clip.path}: ends at {end:.3f} s ({frames} frames), but {name} is to be from {clip.start:.3f} to "
            f"{clip.stop:.3f} s; copy or record the video again",
            "video",
        )


def frames_of_rows(info: Info, clip: Clip, rows: EpisodeRows, name: str, nearest_only: bool = False) -> ClipFrames:
    """The frame of every row. Raises DataError naming the first row that has none."""
    line = video.timeline(clip.path)
    half = (line.gap or 1 / info.fps) / 2
    first = int(np.searchsorted(line.times, clip.start - half + 1e-6))
    stop = len(line.times) if clip.stop is None else int(np.searchsorted(line.times, clip.stop - half + 1e-6))
    moments, inside, row = clip.start + rows.times, line.times[first:stop], 0
    if len(inside):
        numbers = line.nearest(moments, first, stop)
        far = np.flatnonzero(np.abs(line.times[numbers] - moments) > half + 1e-6)
        if not len(far):
            return ClipFrames(numbers.astype(np.int32), by_time=True)
        if not nearest_only and _frame_a_row(rows, len(inside), info.fps):
            return ClipFrames(np.arange(first, stop, dtype=np.int32), by_time=False)
        row = int(far[0])
    span = f" ({inside[0]:.3f} to {inside[-1]:.3f} s)" if len(inside) else ""
    raise DataError(
        f"{clip.path}: has {len(inside)} frames{span} for {name} of {len(moments)} rows; none at {moments[row]:.3f} s, "
        f"where frame {row} is; copy the video again, or correct timestamp and meta/episodes",
        "video",
    )


def _frame_a_row(rows: EpisodeRows, frames: int, fps: float) -> bool:
    """Whether the rows are numbered through from the beginning at the set's rate, and there is one frame for each."""
    numbers = rows.numbers
    if numbers is None or frames != len(numbers) or (numbers != np.arange(frames)).any():
        return False
    pace = 1.0 if rows.pace is None else rows.pace * fps
    return abs(float(rows.times[0])) * fps <= 0.5 and abs(pace - 1) < PACE_TOLERANCE
