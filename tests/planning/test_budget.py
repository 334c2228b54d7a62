"""The days of a run against hand counts."""

from dataclasses import replace

import pytest

from polymath.planning.budget import DAY, by_day, checkpoint_seconds, goodput, working_seconds
from polymath.presets import preset


def test_what_a_day_loses() -> None:
    """600 s of restart, half of a 600 s interval, 144 checkpoints that stall 0.1 s each; two hours at either end."""
    middle = DAY - 600 - 300 - 14.4
    assert working_seconds(2, 28, 0.1, 600.0) == pytest.approx(middle)
    assert working_seconds(1, 28, 0.1, 600.0) == working_seconds(28, 28, 0.1, 600.0) == pytest.approx(middle - 7200)
    assert working_seconds(2, 28, 0.1, 600.0) / DAY == pytest.approx(0.989, abs=1e-3)


def test_steps_go_to_the_phases_in_turn() -> None:
    """At 100 s a step: 783 steps on the first and last day, 855 between them; 1,000 of one phase, 500 of the next."""
    days = by_day(100.0, 10, 0.0, 600.0, {"alignment": 1000, "robot": 500}, 3)
    assert [day["steps"] for day in days] == [{"alignment": 783}, {"alignment": 217, "robot": 500}, {}]
    assert [day["steps_so_far"] for day in days] == [783, 1500, 1500]
    assert days[-1]["tokens_so_far"] == 15_000


def test_no_time_is_lost_between_days() -> None:
    """Fractions of a step are carried over midnight."""
    days = by_day(70_000.0, 1, 0.0, 600.0, {"robot": 100}, 28)
    total = sum(working_seconds(day, 28, 0.0, 600.0) for day in range(1, 29))
    assert days[-1]["steps_so_far"] == int(total / 70_000.0)


def test_the_interval_is_the_recipes() -> None:
    """The reference at 18.4 s a step: 10 minutes, or 1,000 steps in 5.1 hours where the clock is left out."""
    phase = preset("polymath_v_30b").alignment
    assert checkpoint_seconds(phase, 18.4) == 600.0
    assert checkpoint_seconds(phase, 0.1) == pytest.approx(100.0)
    assert checkpoint_seconds(replace(phase, checkpoint_minutes=None), 18.4) == pytest.approx(18_400.0)
    assert goodput(0.1, 600.0) > 0.97 > goodput(0.1, 18_400.0) > 0.88
