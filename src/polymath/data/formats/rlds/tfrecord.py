"""TFRecord files with random access, without TensorFlow: an index by hopping from header to header, checksums on
reading.

    record    u64 length | u32 masked crc32c(length) | length bytes | u32 masked crc32c(bytes)        little-endian

mask(c) = ((c >> 15 | c << 17) + 0xa282ead8) mod 2^32 (tensorflow/core/lib/hash/crc32c.h).
"""

import struct
from dataclasses import dataclass
from pathlib import Path

import google_crc32c

from polymath.data.files.paths import read_range
from polymath.errors import DataError

_HEADER = struct.Struct("<QI")
_FOOTER = struct.Struct("<I")


@dataclass(frozen=True)
class Record:
    """One record of a file: `size` bytes of payload at `offset`."""

    path: Path
    offset: int
    size: int

    @property
    def where(self) -> str:
        return f"{self.path}: record at byte {self.offset - _HEADER.size}"

    def read(self) -> bytes:
        """The payload. Raises DataError if its checksum does not fit."""
        data = read_range(self.path, self.offset, self.size + _FOOTER.size)
        payload = data[: self.size]
        if len(data) != self.size + _FOOTER.size or masked(payload) != _FOOTER.unpack(data[self.size :])[0]:
            raise DataError(f"{self.where}: the checksum does not fit; copy the file again", "checksum")
        return payload


def masked(data: bytes) -> int:
    """The checksum as it stands in the file."""
    crc = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def index(path: Path) -> tuple[list[Record], DataError | None]:
    """The whole records of a file, and what is wrong with the rest of it, if anything is."""
    records: list[Record] = []
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            position = 0
            while position < size:
                file.seek(position)
                header = file.read(_HEADER.size)
                if len(header) < _HEADER.size or masked(header[:8]) != _HEADER.unpack(header)[1]:
                    return records, _broken(path, position, "no record begins there")
                length = _HEADER.unpack(header)[0]
                record = Record(path, position + _HEADER.size, length)
                position += _HEADER.size + length + _FOOTER.size
                if position > size:
                    return records, _broken(path, record.offset - _HEADER.size, "the file ends within the record")
                records.append(record)
    except OSError as error:
        return records, DataError(f"{path}: cannot be read ({error}); copy the data set again", "truncated")
    return records, None


def _broken(path: Path, position: int, reason: str) -> DataError:
    return DataError(f"{path}: truncated or damaged at byte {position}: {reason}; copy the file again", "truncated")
