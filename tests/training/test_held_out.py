"""Held-out episodes: which they are, that they are measured and not trained on, and that the best checkpoint stays."""

import json
import math
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polymath.config import from_dict, to_dict
from polymath.data.formats.opening import open_source
from polymath.data.interface import episode_name
from polymath.data.sequences.packing import collate
from polymath.errors import CheckpointError, ConfigError
from polymath.presets import PRESETS
from polymath.presets.demo import TINY
from polymath.training import held_out, job, losses
from polymath.training.checkpoint_choice import Measured, NewestAndBest, best, chosen_step, steps_in
from polymath.training.checkpoints import Checkpoints, load_params
from polymath.training.datasets import DataSets, TrainingData
from polymath.training.division import episode_hash, places
from polymath.training.job import train
from polymath.training.measurement import Measurement
from polymath.training.recipe import Recipe
from polymath.training.run import open_run
from polymath.training.start import Start
from polymath.training.step import init_params, init_state, params_of

ALONE = replace(TINY, allow_untrained=True, robot=replace(TINY.robot, pairs=0.0, steps=6, checkpoint_every=4))
DIVIDED = replace(ALONE, held_out=held_out.Config(share=0.2, every=2))


@pytest.mark.parametrize("field", ["share=1.0", "share=-0.1", "every=0", "windows=0"])
def test_settings_that_cannot_be(field: str) -> None:
    name, _, value = field.partition("=")
    with pytest.raises(ConfigError, match=name):
        held_out.Config(**{name: json.loads(value)})


def test_presets_whose_results_are_published_hold_nothing_out() -> None:
    shares = {name: recipe.held_out.share for name, recipe in PRESETS.items()}
    assert {shares[name] for name in ("demo", "tiny", "calvin", "libero", "bridge")} == {0.0}
    assert shares["polymath_v_200m"] == 0.05


def test_a_recipe_of_an_older_version_held_nothing_out() -> None:
    stored = to_dict(DIVIDED)
    assert from_dict(Recipe, stored).held_out.share == 0.2
    del stored["held_out"]
    assert from_dict(Recipe, stored).held_out.share == 0.0


@pytest.fixture(scope="module")
def finished(data: TrainingData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("held-out") / "run"
    train(DIVIDED, replace(data, pairs=()), out, ["robot"])
    return out


def lines(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_the_record_says_which_episodes_and_the_statistics_leave_them_out(data: TrainingData, finished: Path) -> None:
    episodes = open_source(data.robot, image_size=64)
    record = held_out.read(finished)
    assert record is not None
    (of_set,) = record.sets
    assert of_set.source == str(data.robot)
    assert record.complete
    names = [episode_name(episodes, place) for place in range(6)]
    assert {*of_set.trained, *of_set.held_out} == set(names)
    (name,) = of_set.held_out
    assert of_set.held_out[name] == episode_hash(episodes, names.index(name))
    trained = np.concatenate([episodes.actions(place) for place in range(6) if names[place] != name])
    statistics = open_run(finished).statistics
    assert statistics.action.count == len(trained) == 25
    np.testing.assert_allclose(statistics.action.mean, trained.mean(axis=0), rtol=1e-4, atol=1e-5)


def test_the_errors_stand_beside_the_trainings(finished: Path) -> None:
    measured = {line["step"]: line for line in lines(finished) if "held_out/mse" in line}
    assert sorted(measured) == [2, 4, 6]
    for line in measured.values():
        assert {"mse", "cross_entropy", "held_out/cross_entropy", "held_out/token_accuracy"} <= set(line)
        assert all(line[f"held_out/mae/{name}"] > 0 for name in ("dx", "dy", "dz", "gripper"))


def test_the_checkpoint_that_is_best_on_them_stays_and_can_be_loaded(finished: Path) -> None:
    directory = finished / "checkpoints" / "robot"
    errors = {
        line["step"]: line["held_out/action_error"] for line in lines(finished) if "held_out/action_error" in line
    }
    step = min(errors, key=lambda step: errors[step])
    measured = best(directory)
    assert measured is not None
    assert (measured.step, measured.error) == (step, errors[step])
    assert chosen_step(directory, "best") == step
    assert chosen_step(directory) == 6
    assert chosen_step(directory, str(step)) == step
    with pytest.raises(CheckpointError, match="holds no checkpoint '5'; choose newest, best or one of"):
        chosen_step(directory, "5")


def test_a_measurement_is_the_objective_of_the_held_out_windows(data: TrainingData, finished: Path) -> None:
    """Against the losses of the same state on a batch with every held-out window once, by the training's own path."""
    run = open_run(finished)
    layout = run.recipe.phase_layout("robot")
    sets = DataSets(replace(data, pairs=()), 64, held_out=0.2)
    windows = sets.held_out_windows(run, layout)
    whole = [windows[0].documents.document(place, np.random.default_rng(0)) for place in range(5)]
    batch = collate([[document] for document in whole], layout)
    state = init_state(run.recipe.model, run.recipe.robot.optimizer, init_params(run.recipe.model, jax.random.key(3)))
    _, parts = losses.objective(
        params_of(state, run.recipe.model), run.recipe.model, run.recipe.robot.loss, batch, run.recipe.execution
    )
    for micro_batches in (1, 2):
        execution = replace(run.recipe.execution, micro_batches=micro_batches)
        values = Measurement(replace(run.recipe, execution=execution), "robot", windows, None).measure(state)
        for name, value in parts.items():
            assert values[f"held_out/{name}"] == pytest.approx(float(value), rel=1e-4, abs=1e-6), name


def test_a_run_that_is_stopped_between_two_measurements_ends_the_same(
    data: TrainingData, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stop(Exception):
        pass

    def stop_before_step_3(loader: job.Loader, start: int = 0, **more: int):  # type: ignore[no-untyped-def]
        yield from (loader.batch(step) for step in range(start, 3))
        raise Stop

    alone = replace(data, pairs=())
    with monkeypatch.context() as patch:
        patch.setattr(job.Loader, "iterate", stop_before_step_3)
        with pytest.raises(Stop):
            train(DIVIDED, alone, tmp_path / "run", ["robot"])
    train(DIVIDED, alone, tmp_path / "run", ["robot"])
    again, expected = (
        [{key: value for key, value in line.items() if key != "seconds"} for line in lines(run)]
        for run in (tmp_path / "run", finished)
    )
    assert again == expected
    assert best(tmp_path / "run/checkpoints/robot") == best(finished / "checkpoints/robot")
    assert held_out.read(tmp_path / "run") == held_out.read(finished)
    recipe = open_run(finished).recipe
    weights = [
        jax.tree.leaves(load_params(run / "checkpoints/robot", recipe.model, recipe.robot.optimizer, None, checkpoint))
        for run in (finished, tmp_path / "run")
        for checkpoint in ("newest", "best")
    ]
    assert all(map(np.array_equal, weights[0], weights[2]))
    assert all(map(np.array_equal, weights[1], weights[3]))


def test_a_run_of_an_older_version_goes_on_with_all_its_episodes(data: TrainingData, tmp_path: Path) -> None:
    alone = replace(data, pairs=())
    train(ALONE, alone, tmp_path / "run", ["robot"])
    (tmp_path / "run" / held_out.FILE).unlink()
    path = tmp_path / "run" / "config.json"
    stored = json.loads(path.read_text())
    del stored["held_out"]
    path.write_text(json.dumps(stored))
    longer = replace(DIVIDED, robot=replace(DIVIDED.robot, steps=8))
    train(longer, alone, tmp_path / "run", ["robot"])
    assert open_run(tmp_path / "run").recipe.held_out.share == 0.0
    assert held_out.read(tmp_path / "run") is None


def test_what_a_run_starts_from_has_been_trained_on(data: TrainingData, finished: Path, tmp_path: Path) -> None:
    """With another seed other episodes are held out: the first run has trained on them."""
    alone, start = replace(data, pairs=()), Start(finished, "robot")
    other = replace(DIVIDED, seed=next(seed for seed in range(1, 9) if _first(data, seed) != _first(data, 0)))
    preview = job.preview(other, alone, tmp_path / "other", ["robot"], start)
    assert preview.episodes.complete
    assert set(preview.episodes.sets[0].held_out.values()) <= preview.episodes.trained()
    assert any("the run to start from was trained on" in note for note in preview.notes)
    same = job.preview(DIVIDED, alone, tmp_path / "same", ["robot"], start)
    assert not set(same.episodes.sets[0].held_out.values()) & same.episodes.trained()


def _first(data: TrainingData, seed: int) -> list[int]:
    return places(open_source(data.robot, image_size=64), 0.2, seed)


class Step:
    def __init__(self, step: int) -> None:
        self.step = step


@given(st.lists(st.one_of(st.none(), st.floats(0, 1), st.just(math.nan)), max_size=12), st.integers(1, 4))
def test_the_newest_and_the_best_stay(errors: list[float | None], keep: int) -> None:
    """Against keeping everything and choosing at the end."""
    rule, on_disk = NewestAndBest(keep, None), []
    for step, error in enumerate(errors):
        if rule.is_better(error):
            assert error is not None
            rule.best = Measured(step, error)
        on_disk.append(step)
        stay = rule.should_preserve([Step(each) for each in on_disk], context=None)
        on_disk = [each for each, stays in zip(on_disk, stay, strict=True) if stays]
    finite = {step: error for step, error in enumerate(errors) if error is not None and error == error}
    expected = set(range(len(errors))[-keep:]) | ({min(finite, key=lambda step: finite[step])} if finite else set())
    assert set(on_disk) == expected


def test_the_rotation_on_disk_spares_the_best(tmp_path: Path) -> None:
    recipe = TINY
    state = init_state(recipe.model, recipe.robot.optimizer, init_params(recipe.model, jax.random.key(0)))
    with Checkpoints(tmp_path, every=1, keep=1) as checkpoints:
        for step, error in enumerate([0.5, 0.2, 0.3, math.nan, 0.4], start=1):
            checkpoints.measured(step, error)
            checkpoints.save(state._replace(step=jax.numpy.asarray(step)))
            checkpoints.wait()
    assert steps_in(tmp_path) == [2, 5]
    with Checkpoints(tmp_path, every=10, keep=1) as checkpoints:  # a later process knows which one is the best
        for step, error in ((6, 0.25), (7, 0.1)):
            checkpoints.measured(step, error)
            checkpoints.save(state._replace(step=jax.numpy.asarray(step)))
    assert steps_in(tmp_path) == [7]
