"""How verbs print: a table for a person, one JSON value for a script."""

import json
import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

_ANY_WIDTH = 100_000


def print_json(value: Any) -> None:
    """One value, for scripts; NaN and infinity are refused, because JSON has none."""
    json.dump(value, sys.stdout, indent=2, allow_nan=False, ensure_ascii=False)
    sys.stdout.write("\n")


def print_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Numbers to the right, words to the left, every cell printed as it is (no markup).

    A pipe or a file gets one line a row, however long. On a terminal, cells take several lines where the table is wider
    than it; where even that is not narrow enough, each row becomes a block with one line for each of its cells.
    """
    console = Console(markup=False, highlight=False, emoji=False)
    table = _table(header, rows)
    needed = Measurement.get(console, console.options.update(max_width=_ANY_WIDTH), table)
    if not console.is_terminal:
        console.width = needed.maximum
    elif console.width < needed.minimum:
        table = _blocks(header, rows)
    with console.capture() as capture:
        console.print(table, crop=False)
    lines = capture.get().removesuffix("\n").split("\n")
    sys.stdout.writelines(f"{line.rstrip()}\n" for line in lines)


def _table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for column, name in enumerate(header):
        is_numeric = bool(rows) and all(isinstance(row[column], int | float) for row in rows)
        table.add_column(
            Text(name),
            justify="right" if is_numeric else "left",
            overflow="fold",
            min_width=max(_longest_word(text) for text in (name, *(_cell(row[column]) for row in rows))),
        )
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row))
    return table


def _blocks(header: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    """Two columns, the header's names and the cells, with an empty line between rows."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=False)
    table.add_column(style="bold", overflow="fold")
    table.add_column(overflow="fold")
    for number, row in enumerate(rows):
        if number:
            table.add_row()
        for name, value in zip(header, row, strict=True):
            table.add_row(Text(name), Text(_cell(value)))
    return table


def _longest_word(text: str) -> int:
    return max((Text(word).cell_len for word in text.split()), default=1)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def percent(rate: float) -> str:
    """A share of the whole without decimals."""
    return f"{100 * rate:.0f} %"


def percent_range(interval: tuple[float, float]) -> str:
    """An interval of shares of the whole."""
    return f"{100 * interval[0]:.0f} to {100 * interval[1]:.0f} %"
