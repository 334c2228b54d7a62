"""What one call of `train` runs: the same plan for the command and for `polymath.train`."""

from pathlib import Path

import pytest

from polymath.presets import preset
from polymath.training.phases import VISION_LEARNS, plan_phases
from polymath.training.start import Start
from polymath.training.untrained import EVERYTHING_LEARNS

TINY = preset("tiny")


def test_with_pairs_both_phases_run_with_the_recipe_as_it_is(tmp_path: Path) -> None:
    plan = plan_phases(TINY, tmp_path / "run", Start(), None, has_pairs=True)
    assert (plan.recipe, plan.phases, plan.note) == (TINY, ("alignment", "robot"), "")


@pytest.mark.parametrize("has_pairs", [True, False])
def test_named_phases_are_taken_as_they_are(tmp_path: Path, has_pairs: bool) -> None:
    plan = plan_phases(TINY, tmp_path / "run", Start(), ["robot"], has_pairs=has_pairs)
    assert (plan.recipe, plan.phases, plan.note) == (TINY, ("robot",), "")


def test_on_episodes_alone_what_nothing_trained_learns_and_the_user_is_told(tmp_path: Path) -> None:
    plan = plan_phases(TINY, tmp_path / "run", Start(), None, has_pairs=False)
    assert plan.phases == ("robot",)
    assert (plan.recipe.robot.pairs, plan.recipe.robot.pointing) == (0.0, 0.0)
    assert plan.recipe.robot.optimizer.groups == EVERYTHING_LEARNS
    assert plan.note == VISION_LEARNS


def test_on_episodes_alone_published_vision_stays_as_it_is(tmp_path: Path) -> None:
    weights = tmp_path / "vit.safetensors"
    weights.write_bytes(b"not read for the plan, only its hash is taken")
    plan = plan_phases(TINY, tmp_path / "run", Start(published={"vit": weights}), None, has_pairs=False)
    assert plan.recipe.robot.optimizer == TINY.robot.optimizer
    assert plan.note == ""
