"""A sequence of output files of bounded size, numbered by chunk and file as LeRobot data sets are."""

from collections.abc import Callable
from pathlib import Path
from typing import Any


class RollingFiles:
    """`opener(chunk, file)` opens a file and gives its path and writer; `current` gives the one to write to now."""

    def __init__(self, opener: Callable[[int, int], tuple[Path, Any]], megabytes: int, per_chunk: int) -> None:
        self._opener, self._bytes, self._number = opener, megabytes * 1_000_000, -1
        self._per_chunk = per_chunk
        self._path: Path | None = None
        self._writer: Any = None

    def current(self) -> tuple[int, int, Any]:
        """(chunk, file, writer); the file before it is closed once it has `megabytes`."""
        if self._path is not None and self._path.stat().st_size >= self._bytes:
            self.close()
        if self._path is None:
            self._number += 1
            self._path, self._writer = self._opener(*divmod(self._number, self._per_chunk))
        chunk, file = divmod(self._number, self._per_chunk)
        return chunk, file, self._writer

    def close(self) -> None:
        writer, self._path, self._writer = self._writer, None, None
        if writer is not None:
            writer.close()
