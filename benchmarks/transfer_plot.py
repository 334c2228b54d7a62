"""The curves of benchmarks/transfer.py as one SVG: a panel a split, a line a start, whiskers for the intervals."""

import math
from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from polymath.svg import element

COLOURS = {"fresh": "#d68910", "aligned": "#1f6f8b", "public": "#8e44ad"}
WIDTH, HEIGHT, LEFT, GAP, TOP = 300, 220, 50, 50, 50
APART = 7  # pixels between the whiskers of two starts at the same number of demonstrations


def curves(points: Sequence[dict[str, Any]], splits: Sequence[str]) -> str:
    """An SVG document; points: rows of transfer.json."""
    width, height = LEFT + len(splits) * (WIDTH + GAP), TOP + HEIGHT + 60
    marks: list[Markup] = [element("rect", width=str(width), height=str(height), fill="#fff")]
    starts = list(dict.fromkeys(row["start"] for row in points))
    for number, start in enumerate(starts):
        marks.append(_text(LEFT + 90 * number, 18, start, fill=COLOURS[start], font_weight="bold"))
    for number, split in enumerate(splits):
        marks += _panel(points, starts, split, LEFT + number * (WIDTH + GAP))
    shape = {"xmlns": "http://www.w3.org/2000/svg", "viewBox": f"0 0 {width} {height}"}
    return str(element("svg", marks, **shape, font_family="sans-serif", font_size="12")) + "\n"


def _panel(points: Sequence[dict[str, Any]], starts: Sequence[str], split: str, left: float) -> list[Markup]:
    counts = sorted({row["demonstrations"] for row in points})
    marks = [_text(left, TOP - 10, split.replace("_", " "), fill="#333"), *_axes(counts, left)]
    for number, start in enumerate(starts):
        shift = APART * (number - (len(starts) - 1) / 2)
        rows = sorted((row for row in points if row["start"] == start), key=lambda row: row["demonstrations"])
        places = [(_place(row["demonstrations"], counts, left) + shift, row[split]) for row in rows]
        marks += _curve(places, COLOURS[start])
    return marks


def _axes(counts: Sequence[int], left: float) -> list[Markup]:
    marks, middle, below = [], left + WIDTH / 2, TOP + HEIGHT
    for quarter in range(5):
        y = _height(quarter / 4)
        marks.append(_line((left, left + WIDTH), (y, y), stroke="#ddd"))
        marks.append(_text(left - 6, y + 4, f"{25 * quarter} %", fill="#555", text_anchor="end"))
    for count in counts:
        marks.append(_text(_place(count, counts, left), below + 18, str(count), fill="#555", text_anchor="middle"))
    return [*marks, _text(middle, below + 38, "demonstrations a task", fill="#555", text_anchor="middle")]


def _curve(places: Sequence[tuple[float, dict[str, Any]]], colour: str) -> list[Markup]:
    """places: where a rate stands on the x axis, and the rate with its interval."""
    points = " ".join(f"{x:.1f},{_height(rate['rate']):.1f}" for x, rate in places)
    marks = [element("polyline", points=points, fill="none", stroke=colour, stroke_width="1.5")]
    for x, rate in places:
        low, high = (_height(end) for end in rate["interval"])
        marks.append(_line((x, x), (low, high), stroke=colour, stroke_width="1.5"))
        marks += [_line((x - 3, x + 3), (end, end), stroke=colour, stroke_width="1.5") for end in (low, high)]
        marks.append(element("circle", cx=f"{x:.1f}", cy=f"{_height(rate['rate']):.1f}", r="3.5", fill=colour))
    return marks


def _place(count: int, counts: Sequence[int], left: float) -> float:
    """Logarithmic, with a margin for the whiskers on both sides."""
    span = math.log(counts[-1] / counts[0]) or 1.0
    return left + 20 + (WIDTH - 40) * math.log(count / counts[0]) / span


def _height(rate: float) -> float:
    return TOP + HEIGHT * (1 - rate)


def _line(x: tuple[float, ...], y: tuple[float, ...], **style: str) -> Markup:
    ends = {"x1": x[0], "x2": x[1], "y1": y[0], "y2": y[1]}
    return element("line", **{name: f"{value:.1f}" for name, value in ends.items()}, **style)


def _text(x: float, y: float, text: str, **style: str) -> Markup:
    return element("text", [text], x=f"{x:.1f}", y=f"{y:.1f}", **style)
