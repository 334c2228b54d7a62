"""Charts: marks stand where the numbers say, ticks are round, long series are averaged."""

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polymath.evaluation.report.charts import Series, _ticks, interval_mark, line_chart


def points(chart):
    lines = re.findall(r'points="([^"]*)"', chart.svg)
    return [[tuple(map(float, point.split(","))) for point in line.split()] for line in lines]


def test_the_dot_and_the_interval_stand_at_their_percentages():
    svg = interval_mark(0.75, 0.5, 0.9, colour=2)
    assert 'circle cx="75.00%"' in svg
    assert 'x1="50.00%" x2="90.00%"' in svg
    assert 'aria-label="75%, interval 50% to 90%"' in svg


def test_a_line_goes_through_its_values_between_the_ticks():
    chart = line_chart("loss", [Series("a", 0, [0, 50, 100], [4.0, 3.0, 2.0])])
    [line] = points(chart)
    assert [x for x, _ in line] == [0, 500, 1000]
    at = {tick.label: 1000 - 10 * tick.at for tick in chart.y}
    assert line[0][1] == pytest.approx(at["4"], abs=0.1)
    assert line[2][1] == pytest.approx(at["2"], abs=0.1)
    assert [t.label for t in chart.x][-1] == "100"
    assert chart.note == ""


def test_a_wide_range_is_logarithmic():
    chart = line_chart("mse", [Series("a", 0, [0, 1, 2], [1.0, 0.1, 0.01])])
    [line] = points(chart)
    assert line[1][1] == pytest.approx((line[0][1] + line[2][1]) / 2, abs=0.1)
    assert "logarithmic" in chart.note


def test_long_series_are_averaged_and_the_chart_says_so():
    values = [float(i % 2) + 1 for i in range(1000)]
    chart = line_chart("loss", [Series("a", 0, list(range(1000)), values)])
    [line] = points(chart)
    assert len(line) == 200
    assert chart.note == "mean of 5 records per point"


def test_values_that_are_not_finite_leave_a_gap_not_a_broken_chart():
    chart = line_chart("loss", [Series("a", 0, [0, 1, 2], [2.0, float("nan"), 1.0])])
    assert len(points(chart)[0]) == 2
    assert "nan" not in chart.svg


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_ticks_lie_inside_and_are_evenly_spaced(low, span):
    found = _ticks(low, low + span, log=False)
    slack = 1e-6 * max(abs(low), span)
    assert 2 <= len(found) <= 8
    assert all(low - slack <= t <= low + span + slack for t in found)
    steps = {round((b - a) / span, 6) for a, b in itertools.pairwise(found)}
    assert len(steps) <= 2
