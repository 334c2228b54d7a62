"""The setting `robot.committed`: what a recipe refuses, where its weight comes from, equal batches after a resume."""

from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest

from polymath.config import apply_overrides, from_dict, to_dict
from polymath.errors import ConfigError
from polymath.model import lora, polymath_v
from polymath.presets.demo import TINY
from polymath.specs import named
from polymath.training import job
from polymath.training.adapters import with_adapters
from polymath.training.checkpoints import load_params
from polymath.training.datasets import DataSets, TrainingData
from polymath.training.job import phase_loader, train
from polymath.training.optimizer import learning_rate_factors
from polymath.training.recipe import Recipe
from polymath.training.run import load_example_batch, open_run
from polymath.training.start import Start

COMMITTED = apply_overrides(TINY, ["robot.committed=2"])


def weights(run: Path) -> dict[str, np.ndarray]:
    recipe = open_run(run).recipe
    params = load_params(run / "checkpoints" / "robot", recipe.model, recipe.robot.optimizer)
    return {name: np.asarray(weight) for name, weight in named(params)}


def test_the_setting_alone_gives_the_model_its_weight() -> None:
    assert COMMITTED.model.committed
    assert {name for name, _ in named(polymath_v.specs(COMMITTED.model))} - {
        name for name, _ in named(polymath_v.specs(TINY.model))
    } == {"committed"}
    assert from_dict(Recipe, to_dict(COMMITTED)) == COMMITTED
    old = to_dict(TINY)
    del old["model"]["committed"], old["robot"]["committed"], old["alignment"]["committed"]
    assert from_dict(Recipe, old) == TINY


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (["robot.committed=4"], r"robot.committed: 4 actions are given, but a chunk has 4"),
        (["robot.committed=-1"], r"robot.committed: -1"),
        (["alignment.committed=1"], "the phase has no robot rows"),
        (["robot.committed=3", "layout.window=2", "layout.stride=2"], "the next observation of the window is only 2"),
        (["model.committed=true"], r"no phase gives actions; set robot.committed above 0"),
        (["robot.committed=1.5"], "expected int"),
    ],
)
def test_what_a_recipe_refuses(changes: list[str], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        apply_overrides(TINY, changes)


def test_adapters_leave_it_learning() -> None:
    recipe = with_adapters(COMMITTED, lora.Config(r"decoder\.blocks\.query", rank=2))
    factors = learning_rate_factors(recipe.robot.optimizer, polymath_v.specs(recipe.model))
    learning = {name for name, factor in factors.items() if factor}
    assert learning == {"committed", "decoder.blocks.query.lora_down", "decoder.blocks.query.lora_up"}


class Stop(Exception):
    """Stands for a kill at a moment that the test chooses."""


def test_a_run_from_one_without_them_resumes_to_the_same_bits(
    data: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Starts from an alignment without the weight; what is drawn depends on (seed, step) alone."""
    train(TINY, data, tmp_path / "before", phases=["alignment"])
    begin = Start(tmp_path / "before")

    def stop_before_step_3(loader: job.Loader, start: int = 0, **more: int):  # type: ignore[no-untyped-def]
        yield from (loader.batch(step) for step in range(start, 3))
        raise Stop

    with monkeypatch.context() as patch:
        patch.setattr(job.Loader, "iterate", stop_before_step_3)
        with pytest.raises(Stop):
            train(COMMITTED, data, tmp_path / "stopped", phases=["robot"], start=begin)
    for place in ("stopped", "whole"):
        run = train(COMMITTED, data, tmp_path / place, phases=["robot"], start=begin)
    stopped, whole = weights(tmp_path / "stopped"), weights(tmp_path / "whole")
    assert all(np.array_equal(whole[name], stopped[name]) for name in whole)
    assert np.abs(whole["committed"]).max() > 0
    batch = load_example_batch(tmp_path / "whole" / "example_batch.safetensors")
    assert set(np.unique(batch.actions[..., -1])) == {0.0, 1.0}
    loader = phase_loader(run, "robot", DataSets(data, 64))
    jax.tree.map(
        np.testing.assert_array_equal, loader.batch(5, [1, 3]), jax.tree.map(lambda x: x[[1, 3]], loader.batch(5))
    )
    drawn = [loader.batch(step).actions[..., -1].sum(axis=2) for step in range(6)]
    assert {0.0, 1.0, 2.0} == set(np.unique(drawn)), "every number from 0 to robot.committed"
    plain = phase_loader(replace(run, recipe=TINY), "robot", DataSets(data, 64))
    assert plain.state().data != loader.state().data
