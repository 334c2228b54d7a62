"""The closing of writers whose directory appears whole at the end of a `with` block, or not at all."""

from abc import ABC, abstractmethod
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from polymath.files import atomic_directory


class WholeDirectoryWriter(ABC):
    """Files are written to `_root`; `_stack` holds what is to be closed, the directory first of all.

    The end of a `with` block calls `close`; an exception in the block removes everything written.
    """

    def __init__(self, out: Path) -> None:
        self._stack = ExitStack()
        self._root = self._stack.enter_context(atomic_directory(Path(out)))

    @abstractmethod
    def close(self) -> None:
        """Finish the files, then close `_stack`, which gives the directory its name."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self._stack.__exit__(kind, error, trace)
