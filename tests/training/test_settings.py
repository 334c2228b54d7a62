"""What follows from a `--set`: shares of the schedule, fields that a recipe holds twice."""

import pytest

from polymath.errors import ConfigError
from polymath.presets.demo import RECIPE
from polymath.presets.polymath_v import POLYMATH_V_200M
from polymath.training.overview import schedule_note
from polymath.training.recipe import scaled
from polymath.training.settings import with_settings


def test_the_schedule_keeps_its_shares() -> None:
    """The demo's robot phase: 100 of 2,300 steps warm up, 1,150 cool down."""
    phase = with_settings(RECIPE, ["robot.steps=230"]).robot
    assert (phase.optimizer.warmup_steps, phase.optimizer.cooldown_steps) == (10, 115)
    chosen = with_settings(RECIPE, ["robot.steps=230", "robot.optimizer.warmup_steps=7"]).robot.optimizer
    assert (chosen.warmup_steps, chosen.cooldown_steps) == (7, 115)
    assert with_settings(RECIPE, []) == RECIPE
    assert RECIPE.robot.with_steps(230) == phase
    assert scaled(100, 1500, 1500) == 100


def test_a_schedule_that_does_not_fit_is_told_with_its_numbers() -> None:
    """50 steps, 100 of warm-up, 600 of cool-down: t/100 * (51 - t)/600 is largest near t = 25, 0.0108 of 2e-3."""
    fields = ["robot.steps=50", "robot.optimizer.warmup_steps=100", "robot.optimizer.cooldown_steps=600"]
    note = schedule_note(with_settings(RECIPE, fields), "robot")
    assert note is not None
    assert "reaches 2.2e-05 of its peak of 0.002" in note
    assert schedule_note(with_settings(RECIPE, ["robot.steps=50"]), "robot") is None
    assert schedule_note(RECIPE, "alignment") is None


def test_fields_that_are_held_twice_are_set_once() -> None:
    recipe = with_settings(RECIPE, ["layout.image_size=96", "layout.chunk_length=10"])
    assert recipe.model.vit.image_size == 96
    assert (recipe.model.localizer, recipe.chunk_seconds) == (40, None)
    assert with_settings(POLYMATH_V_200M, ["model.vit.image_size=256"]).layout.image_size == 256
    with pytest.raises(ConfigError, match="96, but the rest of recipe 'demo' needs 64"):
        with_settings(RECIPE, ["layout.image_size=96", "model.vit.image_size=64"])
