"""The progress bar: silent where stderr is no terminal, on a terminal the numbers and the status by hand."""

import io
import re

import pytest
from rich.console import Console

from polymath import progress


def test_nothing_is_drawn_where_stderr_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.progress_bar("episodes", 3) as bar:
        bar.advance(status="success 100%")
        bar.reach(3)
    with progress.watching("units", 3, lambda: 3):
        pass
    output = capsys.readouterr()
    assert (output.out, output.err) == ("", "")


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    text = io.StringIO()
    console = Console(file=text, force_terminal=True, width=120, color_system=None)
    monkeypatch.setattr(progress, "Console", lambda stderr: console)
    return text


def test_a_terminal_shows_count_and_status(terminal: io.StringIO) -> None:
    with progress.progress_bar("episodes", 20, done=1) as bar:
        bar.advance(2, status="success 50%")
        bar.advance()
    assert re.search("episodes .* 4/20 success 50% ", terminal.getvalue())


def test_work_elsewhere_is_counted_to_the_end(terminal: io.StringIO) -> None:
    counts = iter([0, 7])
    with progress.watching("units", 7, lambda: next(counts)):
        pass
    assert "7/7" in terminal.getvalue()


def test_the_watch_ends_when_the_work_fails() -> None:
    with pytest.raises(KeyError), progress.watching("units", 7, lambda: 1):
        raise KeyError
