"""The leaderboard as one HTML page: standings with intervals and groups, pair by pair, published results apart."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from polymath import pages
from polymath.evaluation.benchmark import Published
from polymath.evaluation.leaderboard import Board, Pair, Standing
from polymath.evaluation.log_files import Log
from polymath.evaluation.report import published as others
from polymath.evaluation.report.charts import Tick, interval_mark
from polymath.evaluation.report.sections import interval, percent

_HERE = Path(__file__).parent
Cells = dict[str, Any]


def render_leaderboard(
    logs: Sequence[Log],
    boards: Sequence[Board],
    command: str,
    levels: int = 1,
    titles: Mapping[str, tuple[str, str]] | None = None,
    published: Sequence[Published] = (),
) -> str:
    """The page as one string of HTML. `titles`: of each split, and its one-line description."""
    return (
        pages.environment(_HERE)
        .get_template("leaderboard.html.j2")
        .render(
            style=Markup((_HERE / "style.css").read_text(encoding="utf-8")),
            benchmark=logs[0].identity.benchmark,
            protocol=logs[0].identity.protocol_hash,
            policies=len(logs),
            boards=[_board(board, levels, titles or {}, () if i else published) for i, board in enumerate(boards)],
            published=others.table(published),
            command=command,
            logs=logs,
        )
    )


def _board(board: Board, levels: int, titles: Mapping[str, tuple[str, str]], published: Sequence[Published]) -> Cells:
    scored = any(standing.score is not None for standing in board.standings)
    title, description = titles.get(board.split, (board.split.replace("_", " "), ""))
    columns = ["Mean score" if scored else "Rate", "95 % interval", "Successes", "Episodes"]
    columns += [f"≥ {k}" for k in range(1, levels + 1)] if levels > 1 else []
    scores = f"Mean score, of 0 to {levels}; BCa bootstrap intervals."
    return {
        "title": title,
        "description": description,
        "measure": scores if scored else "Success rate; Wilson intervals.",
        "columns": columns,
        "rows": [_row(standing, levels, scored) for standing in board.standings],
        "published": others.average_lengths(published, levels) if scored and levels > 1 else [],
        "axis": _axis(levels if scored else 1, scored),
        "matrix": _matrix(board),
        "unit": ", mean score" if scored else ", in points of success rate",
        "notes": board.notes,
    }


def _axis(top: int, scored: bool) -> list[Tick]:
    if scored:
        return [Tick(100 * k / top, str(k)) for k in range(top + 1)]
    return [Tick(x, f"{x} %") for x in (0, 25, 50, 75, 100)]


def _row(standing: Standing, levels: int, scored: bool) -> Cells:
    rate, score, limits = standing.rate, standing.score, standing.score_interval
    if score is None or limits is None:
        score, limits = rate.rate, rate.interval
    if scored:
        value, spread = f"{score:.2f}", f"{limits[0]:.2f}–{limits[1]:.2f}"
        low, high = limits[0] / levels, limits[1] / levels
        mark = interval_mark(score / levels, low, high, 0, f"{value}, interval {spread}", parts=levels)
    else:
        value, spread = percent(rate.rate), interval(*rate.interval)
        mark = interval_mark(rate.rate, *rate.interval, 0)
    cells = [value, spread, f"{rate.successes:,}", f"{rate.episodes:,}"]
    cells += [percent(reached.rate) for reached in standing.reached]
    return {
        "name": standing.policy,
        "letters": standing.letters,
        "value": value,
        "interval": spread,
        "mark": mark,
        "cells": cells,
        "checkpoint": standing.checkpoint or "—",
        "hash": standing.hash,
    }


def _matrix(board: Board) -> list[Cells]:
    """Row minus column for every pair; empty of fewer than two policies."""
    by_numbers = {(pair.first, pair.second): pair for pair in board.pairs}
    count = range(len(board.standings)) if by_numbers else range(0)
    return [
        {"name": board.standings[row].policy, "cells": [_cell(by_numbers, row, column) for column in count]}
        for row in count
    ]


def _cell(pairs: Mapping[tuple[int, int], Pair], row: int, column: int) -> Cells:
    if row == column:
        return {"text": "", "style": "", "title": ""}
    pair, sign = pairs[min(row, column), max(row, column)], 1 if row < column else -1
    comparison = pair.comparison
    difference = sign * (comparison.difference if comparison.score is None else comparison.score.difference)
    text = f"{100 * difference:+.0f}" if comparison.score is None else f"{difference:+.2f}"
    style = ("better" if difference > 0 else "worse") if pair.separated else "open"
    return {"text": text, "style": style, "title": _test(pair)}


def _test(pair: Pair) -> str:
    comparison = pair.comparison
    if not comparison.pairs:
        return f"no common episode; Fisher's test p = {pair.p_value:.2g}, corrected {pair.p_holm:.2g}"
    text = (
        f"{comparison.pairs:,} common episodes, {comparison.only_a} and {comparison.only_b} solved by one alone; "
        f"p = {pair.p_value:.2g}, corrected {pair.p_holm:.2g}; e = {comparison.e_value:.3g}"
    )
    more = comparison.to_separate
    return text if pair.separated or more is None else f"{text}; about {more:,} episodes would separate them"
