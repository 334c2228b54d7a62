"""Tables lose nothing: every character of every cell is printed, at any width, and nothing is taken for markup."""

import contextlib
import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polymath.commands.output import print_table

ROWS = [["reach-left [red]", 12, 0.25], ["a b", 1234567, 1e6]]
CELLS = st.one_of(st.text(st.characters(codec="ascii", categories=["L", "N", "P", "S"]), max_size=30), st.integers())


def printed(header: list[str], rows: list[list[object]], columns: int | None = None) -> str:
    """What is printed into a pipe, or on a terminal of so many columns, without the codes for bold."""
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()) as output:
        for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "COLUMNS"):
            patch.delenv(name, raising=False)
        patch.setenv("TERM", "xterm")
        if columns is not None:
            patch.setenv("FORCE_COLOR", "1")  # rich then takes any stream for a terminal
            patch.setenv("COLUMNS", str(columns))
        print_table(header, rows)
    return re.sub(r"\x1b\[\d+m", "", output.getvalue())


def test_a_pipe_gets_one_plain_line_a_row() -> None:
    assert printed(["task", "episodes", "rate"], ROWS).splitlines() == [
        "task               episodes       rate",
        "reach-left [red]         12       0.25",
        "a b               1,234,567  1,000,000",
    ]
    wide = printed(["task", "purpose"], [["a", "word " * 100 + "end"]])
    assert len(wide.splitlines()) == 2


def test_a_terminal_gets_cells_of_several_lines() -> None:
    lines = printed(["task", "purpose", "count"], [["reach", "the whole way on a laptop", 1234]], 30).splitlines()
    assert all(len(line) <= 30 for line in lines)
    assert lines[1].split() == ["reach", "the", "whole", "way", "on", "1,234"]
    assert len(lines) == 3


def test_a_table_too_wide_for_the_terminal_becomes_blocks() -> None:
    lines = printed([f"column{number}" for number in range(20)], [list(range(10**6, 10**6 + 20))] * 2, 80).splitlines()
    assert lines[0] == "column0   1,000,000"
    assert lines[20].strip() == ""
    assert lines[21] == lines[0]


def test_no_rows_are_a_header_alone() -> None:
    assert printed(["task", "episodes"], []) == "task  episodes\n"


@given(
    st.integers(1, 8).flatmap(
        lambda width: st.tuples(
            st.lists(st.sampled_from(["task", "95 % interval", "p", "[bold]x"]), min_size=width, max_size=width),
            st.lists(st.lists(CELLS, min_size=width, max_size=width), min_size=1, max_size=4),
        )
    ),
    st.sampled_from([None, 20, 40, 80, 200]),
)
def test_nothing_is_cut(table: tuple[list[str], list[list[object]]], columns: int | None) -> None:
    """Of the header and the cells every character that is no blank; a header in blocks stands at each row."""
    header, rows = table
    cells = [f"{cell:,}" if isinstance(cell, int) else cell for row in rows for cell in row]
    output = printed(header, rows, columns)
    expected = sorted("".join([*header, *cells]).replace(" ", ""))
    in_blocks = sorted("".join([*header * len(rows), *cells]).replace(" ", ""))
    assert sorted("".join(output.split())) in (expected, in_blocks)
