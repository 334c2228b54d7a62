"""Messages on standard error before the first step of a run."""

from collections.abc import Iterable

from rich.console import Console

from polymath.training.processes import is_first


def announce(lines: Iterable[str]) -> None:
    """One line each, by the first process alone; standard output is for the result."""
    if is_first():
        console = Console(stderr=True)
        for line in lines:
            console.print(line, markup=False, highlight=False, soft_wrap=True)
