"""One progress bar for every long command, on stderr where that is a terminal; standard output is for results."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

SECONDS = 0.5  # between two looks of `watching`


class ProgressBar:
    """What a `with progress_bar(…)` block reports to."""

    def __init__(self, progress: Progress, title: str, total: int, done: int, status: str) -> None:
        self._progress = progress
        self._task = progress.add_task(title, total=total, completed=done, status=status)

    def advance(self, count: int = 1, status: str | None = None) -> None:
        """`count` more are done; `status`, if given, replaces the text behind the numbers."""
        self._update(status, advance=count)

    def reach(self, done: int, status: str | None = None) -> None:
        """`done` are done in all."""
        self._update(status, completed=done)

    def _update(self, status: str | None, **change: float) -> None:
        if status is None:
            self._progress.update(self._task, **change)  # type: ignore[arg-type]
        else:
            self._progress.update(self._task, status=status, **change)  # type: ignore[arg-type]


@contextmanager
def progress_bar(title: str, total: int, done: int = 0, status: str = "") -> Iterator[ProgressBar]:
    """A bar of `done` of `total`, a free text `status`, the time so far and the time to come, until the block ends."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[status]}"))
    times = (TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, *times, console=console, disable=not console.is_terminal) as progress:
        yield ProgressBar(progress, title, total, done, status)


@contextmanager
def watching(title: str, total: int, count: Callable[[], int]) -> Iterator[None]:
    """A bar of `count()` of `total` for work that other processes do; `count` is called every half second."""
    with progress_bar(title, total, count()) as bar:
        over = threading.Event()

        def watch() -> None:
            while not over.wait(SECONDS):
                bar.reach(count())

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join()
            bar.reach(count())
