"""The boxes of an mp4 file, as far as they tell whether it is whole and how many frames it has (ISO/IEC 14496-12).

    ftyp | mdat … | moov: trak: mdia: hdlr ("vide"), minf: stbl: stsz (number of samples)

Only headers are read, so that a data set of many videos opens quickly.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from polymath.errors import DataError

Box = tuple[bytes, int, int]  # kind, first byte of the content, byte after the last


def check_complete(path: Path) -> int | None:
    """How many frames the video has; None where its index does not say so (fragments).

    Raises DataError unless the boxes fill the file exactly and the index is there: a truncated copy fails.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            boxes = list(_boxes(file, 0, size))
            moov = next((box for box in boxes if box[0] == b"moov"), None)
            if moov is None or boxes[-1][2] != size:
                raise DataError(f"{path}: the video is truncated ({size} bytes); copy or record it again", "video")
            counts = [_samples(file, trak) for trak in _boxes(file, *moov[1:]) if trak[0] == b"trak"]
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); copy the data set again", "video") from None
    return next((count for count in counts if count), None)


def _samples(file: BinaryIO, trak: Box) -> int:
    """Of a track of pictures; 0 for another one."""
    handler = next((start for kind, start, _ in _down(file, trak, b"mdia") if kind == b"hdlr"), None)
    if handler is None or _read(file, handler + 8, 4) != b"vide":
        return 0
    table = next((start for kind, start, _ in _down(file, trak, b"mdia", b"minf", b"stbl") if kind == b"stsz"), None)
    return 0 if table is None else int(struct.unpack(">I", _read(file, table + 8, 4))[0])


def _down(file: BinaryIO, box: Box, *path: bytes) -> list[Box]:
    """The boxes within the first `path[-1]` in … in the first `path[0]` of a box; [] if it is not there."""
    found = list(_boxes(file, *box[1:]))
    for name in path:
        inner = next((box for box in found if box[0] == name), None)
        found = list(_boxes(file, *inner[1:])) if inner else []
    return found


def _boxes(file: BinaryIO, position: int, end: int) -> Iterator[Box]:
    """Those that begin between `position` and `end`; the last may claim more than there is."""
    while position + 8 <= end:
        length, kind = struct.unpack(">I4s", _read(file, position, 8))
        header = 8
        if length == 1:
            length, header = struct.unpack(">Q", _read(file, position + 8, 8))[0], 16
        stop = position + length if length >= header else end  # 0: to the end of the file
        yield kind, position + header, stop
        position = stop


def _read(file: BinaryIO, position: int, size: int) -> bytes:
    file.seek(position)
    return file.read(size).ljust(size, b"\0")
