"""ArrayRecord files with random access, through the `array_record` library."""

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cachetools import LRUCache

from polymath.data.files.paths import is_local
from polymath.errors import DataError

OPEN_FILES = 32  # a thread; a process may have 1,024 open with the usual limit, and a set has thousands of shards
_open = threading.local()


class _Readers(LRUCache):
    """The least recently used reader is closed before it leaves."""

    def popitem(self) -> tuple[str, Any]:
        path, least_recent = super().popitem()
        least_recent.close()
        return path, least_recent


@dataclass(frozen=True)
class Record:
    """Record `number` of a file."""

    path: Path
    number: int

    @property
    def where(self) -> str:
        return f"{self.path}: record {self.number}"

    def read(self) -> bytes:
        """The payload. Raises DataError if its checksum does not fit."""
        try:
            return reader(self.path).read([self.number])[0]
        except (RuntimeError, ValueError, IndexError) as error:
            raise DataError(f"{self.where}: cannot be read ({error}); copy the file again", "checksum") from None


def reader(path: Path) -> Any:
    """An open reader of this thread, which keeps the last `OPEN_FILES` open: use it before asking for another one."""
    from array_record.python.array_record_module import ArrayRecordReader

    if not hasattr(_open, "readers"):
        _open.readers = _Readers(OPEN_FILES)
    readers: _Readers = _open.readers
    key = str(path)
    if key not in readers:
        readers[key] = ArrayRecordReader(key)
    return readers[key]


def index(path: Path) -> tuple[list[Record], DataError | None]:
    """The records of a file, and what is wrong with it, if anything is."""
    if not is_local(path) and not str(path).startswith("gs://"):
        return [], DataError(f"{path}: array_record reads local files and gs:// only; copy it there")
    try:
        return [Record(path, number) for number in range(reader(path).num_records())], None
    except (RuntimeError, ValueError) as error:
        return [], DataError(f"{path}: truncated or not an ArrayRecord file ({error}); copy it again", "truncated")
