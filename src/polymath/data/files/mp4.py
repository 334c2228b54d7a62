"""The boxes of an mp4 file, as far as they tell whether it is whole and when its frames are shown (ISO/IEC 14496-12).

    ftyp | mdat … | moov: mvhd, trak: edts: elst
                                      mdia: mdhd, hdlr ("vide"), minf: stbl: stts, ctts, stsz

Only headers are read, so that a data set of many videos opens quickly.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from jaxtyping import Float, Int

from polymath.errors import DataError


@dataclass(frozen=True)
class Box:
    """`start` is the first byte of its content, `stop` the byte after the last."""

    kind: bytes
    start: int
    stop: int


def frame_times(path: Path) -> Float[np.ndarray, " n"] | None:
    """When each frame is shown, in seconds and in order; None where the index does not say so (fragments, edits).

    A frame's time is the sum of the durations before it in decoding order (stts) plus its own offset (ctts), shifted
    by the edit list as players shift it. Raises DataError unless the boxes fill the file exactly and the index is
    there: a truncated copy fails.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            boxes = list(_boxes(file, 0, size))
            movie = next((box for box in boxes if box.kind == b"moov"), None)
            if movie is None or boxes[-1].stop != size:
                raise DataError(f"{path}: the video is truncated ({size} bytes); copy or record it again", "video")
            tracks = (box for box in _boxes(file, movie.start, movie.stop) if box.kind == b"trak")
            track = next((box for box in tracks if _is_video(file, box)), None)
            if track is None:
                raise DataError(f"{path}: holds no video; copy or record it again", "video")
            return _track_times(file, movie, track)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); copy the data set again", "video") from None
    except (struct.error, ValueError):
        raise DataError(f"{path}: the video's index is damaged; copy or record it again", "video") from None


def _is_video(file: BinaryIO, track: Box) -> bool:
    handler = _child(file, track, b"mdia", b"hdlr")
    return handler is not None and _read(file, handler.start + 8, 4) == b"vide"


def _track_times(file: BinaryIO, movie: Box, track: Box) -> Float[np.ndarray, " n"] | None:
    scale = _timescale(file, _child(file, track, b"mdia", b"mdhd"))
    durations = _table(file, _child(file, track, b"mdia", b"minf", b"stbl", b"stts"))
    if not scale or not len(durations):
        return None
    sizes = _child(file, track, b"mdia", b"minf", b"stbl", b"stsz")
    if sizes is None or durations[:, 0].sum() != struct.unpack(">I", _read(file, sizes.start + 8, 4))[0]:
        raise ValueError("stts and stsz count different numbers of frames")
    ticks = np.repeat(durations[:, 1], durations[:, 0])
    shown = np.concatenate([[0], np.cumsum(ticks)[:-1]])
    offsets = _table(file, _child(file, track, b"mdia", b"minf", b"stbl", b"ctts"))
    if len(offsets):
        if offsets[:, 0].sum() != len(shown):
            raise ValueError("stts and ctts count different numbers of frames")
        shown = shown + np.repeat(offsets[:, 1].astype(np.uint32).view(np.int32), offsets[:, 0])
    edits = _edits(file, _child(file, track, b"edts", b"elst"))
    movie_scale = _timescale(file, _child(file, movie, b"mvhd"))
    delay = 0
    if edits and edits[0][1] == -1:  # an empty edit: the track begins later
        delay, edits = round(edits[0][0] * scale / (movie_scale or 1)), edits[1:]
    if len(edits) > 1:
        return None
    shown = np.sort(shown)
    if edits:
        length, first = edits[0]
        shown = shown[shown >= first]
        if movie_scale and length:
            shown = shown[shown < first + length * scale / movie_scale + ticks.min() / 2]
        shown = shown - shown[:1]  # FFmpeg lets the first frame of the edit begin at 0, though it begins within one
    return (shown + delay) / scale


def _timescale(file: BinaryIO, header: Box | None) -> int:
    """Ticks a second, of a mvhd or a mdhd."""
    if header is None:
        return 0
    place = header.start + (20 if _read(file, header.start, 1) == b"\1" else 12)
    return int(struct.unpack(">I", _read(file, place, 4))[0])


def _table(file: BinaryIO, box: Box | None) -> Int[np.ndarray, "entries 2"]:
    """The (count, value) pairs of a stts or a ctts."""
    if box is None:
        return np.zeros((0, 2), np.int64)
    (entries,) = struct.unpack(">I", _read(file, box.start + 4, 4))
    room = (box.stop - box.start - 8) // 8
    data = _read(file, box.start + 8, 8 * min(entries, room))
    return np.frombuffer(data, ">u4").reshape(-1, 2).astype(np.int64)


def _edits(file: BinaryIO, box: Box | None) -> list[tuple[int, int]]:
    """(duration in the movie's ticks, first tick of the media) of each edit; a first tick of -1 is a pause."""
    if box is None:
        return []
    version, entries = struct.unpack(">B3xI", _read(file, box.start, 8))
    form = ">Qqi" if version == 1 else ">Iii"
    entries = min(entries, (box.stop - box.start - 8) // struct.calcsize(form))
    data = _read(file, box.start + 8, entries * struct.calcsize(form))
    return [(duration, first) for duration, first, _ in struct.iter_unpack(form, data)]


def _child(file: BinaryIO, box: Box, *path: bytes) -> Box | None:
    """The first box `path[-1]` in … in the first `path[0]` of a box."""
    inside: Box | None = box
    for name in path:
        if inside is None:
            return None
        inside = next((child for child in _boxes(file, inside.start, inside.stop) if child.kind == name), None)
    return inside


def _boxes(file: BinaryIO, position: int, end: int) -> Iterator[Box]:
    """Those that begin between `position` and `end`; the last may claim more than there is."""
    while position + 8 <= end:
        length, kind = struct.unpack(">I4s", _read(file, position, 8))
        header = 8
        if length == 1:
            length, header = struct.unpack(">Q", _read(file, position + 8, 8))[0], 16
        stop = position + length if length >= header else end  # 0: to the end of the file
        yield Box(kind, position + header, stop)
        position = stop


def _read(file: BinaryIO, position: int, size: int) -> bytes:
    file.seek(position)
    return file.read(size).ljust(size, b"\0")
