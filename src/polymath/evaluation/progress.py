"""The progress bar of an evaluation, on stderr."""

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


class EpisodeProgress:
    """Episodes done, success rate so far, time; for use in a `with` statement."""

    def __init__(self, title: str, episodes: int) -> None:
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("success {task.fields[rate]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._done = self._solved = 0
        self._task = self._bar.add_task(title, total=episodes, rate="–")

    def __enter__(self) -> "EpisodeProgress":
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._bar.stop()

    def add(self, success: bool) -> None:
        """Count one finished episode."""
        self._done, self._solved = self._done + 1, self._solved + success
        self._bar.update(self._task, advance=1, rate=f"{self._solved / self._done:.0%}")
