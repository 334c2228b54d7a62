"""Results that others published, as rows of a page: marked, with their sources, never mixed with what was run here."""

from collections.abc import Sequence
from typing import Any

from polymath.evaluation.benchmark import Published
from polymath.evaluation.report.charts import point_mark

AVERAGE_LENGTH = "average length"


def table(published: Sequence[Published]) -> dict[str, Any] | None:
    """Columns are all numbers that some row has, in order of first occurrence; None if there are no rows."""
    columns = list(dict.fromkeys(name for row in published for name in row.numbers))
    rows = [
        {
            "method": row.method,
            "setting": row.setting,
            "source": row.source,
            "cells": [f"{row.numbers[name]:.4g}" if name in row.numbers else "—" for name in columns],
        }
        for row in published
    ]
    return {"columns": columns, "rows": rows} if rows else None


def average_lengths(published: Sequence[Published], levels: int) -> list[dict[str, Any]]:
    """Chart rows of those that give the average length of a chain of `levels` subtasks, the longest first."""
    rows = sorted((r for r in published if AVERAGE_LENGTH in r.numbers), key=lambda r: -r.numbers[AVERAGE_LENGTH])
    return [_average_length(row, levels) for row in rows]


def _average_length(row: Published, levels: int) -> dict[str, Any]:
    value = row.numbers[AVERAGE_LENGTH]
    mark = point_mark(value / levels, colour=3, spoken=f"{value:.2f}, published for {row.setting}", parts=levels)
    return {"name": row.method, "setting": row.setting, "value": f"{value:.2f}", "mark": mark}
