"""Charts as inline SVG that fit any width: marks in percent, lines in a stretched view box, labels in HTML around them.

Colours are CSS classes `series-0` … of the page's style sheet, so they follow light and dark.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from polymath.svg import element, line, percent, picture

_BINS = 240


@dataclass(frozen=True)
class Series:
    """One line of a chart; `colour` is the index of its colour class."""

    name: str
    colour: int
    steps: list[int]
    values: list[float]


@dataclass(frozen=True)
class Tick:
    """A label at `at` percent along an axis."""

    at: float
    label: str


@dataclass(frozen=True)
class LineChart:
    """A finished chart: the lines as SVG and the ticks for the template to set around it; `note` says what was done."""

    title: str
    svg: Markup
    x: list[Tick]
    y: list[Tick]
    note: str


def interval_mark(rate: float, low: float, high: float, colour: int, spoken: str = "", parts: int = 4) -> Markup:
    """A dot at `rate` with its interval [low, high] on a track from 0 to 1, divided by grid lines into `parts`.

    `spoken` is what a screen reader says if it is no rate in per cent.
    """
    ends = (percent(low), percent(high))
    marks = [*_grid(parts), line("interval", ends, ("50%", "50%"))]
    marks += [line("interval", (end, end), ("30%", "70%")) for end in ends]
    marks.append(element("circle", cx=percent(rate), cy="50%", r="5"))
    return picture(f"track series-{colour}", spoken or f"{rate:.0%}, interval {low:.0%} to {high:.0%}", marks)


def point_mark(share: float, colour: int, spoken: str, parts: int = 4) -> Markup:
    """A ring at `share` of a track from 0 to 1: a number whose interval is not known."""
    marks = [*_grid(parts), element("circle", class_="ring", cx=percent(share), cy="50%", r="5")]
    return picture(f"track series-{colour}", spoken, marks)


def difference_mark(value: float, low: float, high: float, colour: int, spoken: str) -> Markup:
    """A dot at `value` with its interval [low, high] on a track from -1 to 1, with a line at 0."""
    at, start, end = (percent((1 + x) / 2) for x in (value, max(-1.0, low), min(1.0, high)))
    marks = [*_grid(), line("zero", ("50%", "50%"), ("0", "100%")), line("interval", (start, end), ("50%", "50%"))]
    marks += [line("interval", (x, x), ("30%", "70%")) for x in (start, end)]
    marks.append(element("circle", cx=at, cy="50%", r="5"))
    return picture(f"track series-{colour}", spoken, marks)


def _grid(parts: int = 4) -> list[Markup]:
    return [line("grid", (at, at), ("0", "100%")) for at in (percent(i / parts) for i in range(parts + 1))]


def line_chart(title: str, series: Sequence[Series]) -> LineChart:
    """Values over steps, logarithmic where they span more than a factor of 8; long series are averaged in bins."""
    lines = [(s.colour, *_binned(s.steps, s.values)) for s in series]
    values = [v for _, _, ys in lines for v in ys]
    last = max(1, *(max(s.steps) for s in series))
    log = min(values) > 0 and max(values) / min(values) > 8
    scale = math.log10 if log else float
    low, high = _padded(scale(min(values)), scale(max(values)))

    def height(value: float) -> float:
        return 100 * (scale(value) - low) / (high - low)

    y = [Tick(height(v), _number(v)) for v in _ticks(low, high, log)]
    marks = [line("grid", ("0", "1000"), (f"{1000 - 10 * t.at:.1f}", f"{1000 - 10 * t.at:.1f}")) for t in y]
    for colour, xs, ys in lines:
        points = " ".join(f"{1000 * x / last:.1f},{1000 - 10 * height(v):.1f}" for x, v in zip(xs, ys, strict=True))
        marks.append(element("polyline", class_=f"series-{colour}", points=points))
    svg = element("svg", marks, viewBox="0 0 1000 1000", preserveAspectRatio="none", aria_hidden="true")
    x = [Tick(100 * v / last, f"{v:,.0f}") for v in _ticks(0, last, log=False)]
    longest = math.ceil(max(len(s.steps) for s in series) / _BINS)
    notes = ["logarithmic"] * log + [f"mean of {longest} records per point"] * (longest > 1)
    return LineChart(title, svg, x, y, ", ".join(notes))


def _binned(steps: list[int], values: list[float]) -> tuple[list[float], list[float]]:
    """Means over consecutive runs, at most `_BINS` of them; values that are not finite are left out."""
    points = [(s, v) for s, v in zip(steps, values, strict=True) if math.isfinite(v)]
    width = math.ceil(len(points) / _BINS)
    bins = [points[i : i + width] for i in range(0, len(points), width)] if points else []
    return [sum(s for s, _ in b) / len(b) for b in bins], [sum(v for _, v in b) / len(b) for b in bins]


def _padded(low: float, high: float) -> tuple[float, float]:
    pad = 0.05 * (high - low) or 0.5
    return low - pad, high + pad


def _ticks(low: float, high: float, log: bool) -> list[float]:
    """Round numbers in [low, high] (of the logarithm if `log`): 1, 2, 5 times powers of ten; 3 to 7 of them."""
    if log:
        decades = [10.0**d for d in range(math.floor(low), math.ceil(high) + 1)]
        fine = [m * d for d in decades for m in (1, 2, 5)]
        inside = [v for v in fine if low <= math.log10(v) <= high]
        return inside if len(inside) <= 7 else [v for v in inside if v in decades]
    step = 10.0 ** math.floor(math.log10((high - low) / 3))
    step = next(step * m for m in (10, 5, 2, 1) if (high - low) / (step * m) >= 3 or m == 1)
    return [i * step for i in range(math.ceil(low / step), math.floor(high / step + 1e-9) + 1)]


def _number(value: float) -> str:
    return f"{value:.3g}" if value == 0 or 1e-3 <= abs(value) < 1e4 else f"{value:.0e}"
