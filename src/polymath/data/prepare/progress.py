"""How far a preparation is, on stderr: finished units are counted by their files, wherever they are worked on."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

SECONDS = 0.5  # between two looks


@contextmanager
def counting(title: str, total: int, done: Callable[[], int]) -> Iterator[None]:
    """Show a bar of `done()` of `total` until the block ends."""
    columns = (TextColumn("{task.description:<10}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        task, over = bar.add_task(title, total=total, completed=done()), threading.Event()

        def look() -> None:
            while not over.wait(SECONDS):
                bar.update(task, completed=done())

        watcher = threading.Thread(target=look, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join()
            bar.update(task, completed=done())
