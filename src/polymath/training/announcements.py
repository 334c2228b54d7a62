"""Messages on standard error before the first step of a run."""

from rich.console import Console

from polymath.data.robots.clipping import clipping_lines
from polymath.training.processes import is_first
from polymath.training.run import Run


def announce_clipping(run: Run) -> None:
    """The dimensions of which normalisation clips something; RUN/statistics.json holds the same numbers."""
    lines = clipping_lines(run.statistics, run.embodiment)
    if lines and is_first():
        console = Console(stderr=True)  # standard output is for the result
        for line in lines:
            console.print(line, markup=False, highlight=False, soft_wrap=True)
