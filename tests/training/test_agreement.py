"""When a checkpoint is due by the clock."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.training.toy_steps import phase, run

from polymath.errors import ConfigError
from polymath.presets import every_preset
from polymath.training.agreement import Agreement
from polymath.training.checkpoint_choice import steps_in


class Clock:
    """Goes on by `seconds` at each look at it."""

    def __init__(self, seconds: float) -> None:
        self.now, self.seconds = 0.0, seconds

    def __call__(self) -> float:
        self.now += self.seconds
        return self.now


def test_a_checkpoint_is_due_when_its_minutes_are_over_since_the_one_before() -> None:
    clock = Clock(0.0)
    agreement = Agreement(0, 10.0, lambda: False, clock)
    due = []
    for step in range(1, 31):
        clock.now += 90.0
        if agreement.after(step, None).save:
            due.append(step)
            agreement.saved()
    assert due == [7, 14, 21, 28]  # 630 s each: the first step after 600


def test_without_minutes_the_clock_says_nothing() -> None:
    agreement = Agreement(0, None, lambda: False, Clock(1e6))
    assert not agreement.after(1, None).save


def test_both_the_clock_and_the_interval_of_steps_save(tmp_path: Path) -> None:
    """The very first step is saved too; each look at the clock, one a step and one a checkpoint, takes 100 s."""
    settings = replace(phase(20, 8), checkpoint_minutes=10.0, checkpoint_keep=99)
    run(tmp_path, settings, [1.0] * 20, clock=Clock(100.0))
    assert steps_in(tmp_path / "checkpoints" / "robot") == [1, 7, 8, 14, 16, 20]


def test_the_large_presets_save_every_ten_minutes() -> None:
    for name in ("polymath_v_200m", "polymath_v_1b", "polymath_v_8b", "polymath_v_30b"):
        recipe = every_preset()[name]
        assert recipe.alignment.checkpoint_minutes == recipe.robot.checkpoint_minutes == 10.0


@pytest.mark.parametrize("minutes", [0.0, -1.0, float("inf"), float("nan")])
def test_impossible_minutes_are_refused(minutes: float) -> None:
    with pytest.raises(ConfigError, match=r"checkpoint_minutes: .* give minutes above 0, or null for none"):
        replace(phase(20, 8), checkpoint_minutes=minutes)
