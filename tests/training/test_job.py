"""Both phases on a small data set: bit-exact resume, one recipe a run directory, no harm from bad numbers."""

import json
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from polymath.config import apply_overrides
from polymath.errors import CheckpointError, ConfigError
from polymath.policy import Policy
from polymath.presets.demo import TINY
from polymath.specs import named
from polymath.training import job
from polymath.training.checkpoints import load_params
from polymath.training.datasets import TrainingData
from polymath.training.job import train
from polymath.training.recipe import Recipe
from polymath.training.run import Run, load_example_batch, open_run
from polymath.training.start import Start
from polymath.training.step import init_params, init_state, make_step


def weights(run: Path, phase: str) -> dict[str, np.ndarray]:
    recipe = open_run(run).recipe
    params = load_params(run / "checkpoints" / phase, recipe.model, recipe.phase(phase).optimizer)
    return {name: np.asarray(weight) for name, weight in named(params)}


def with_robot_steps(steps: int) -> Recipe:
    return replace(TINY, robot=replace(TINY.robot, steps=steps))


@pytest.fixture(scope="module")
def finished(data: TrainingData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "finished"
    train(TINY, data, out)
    return out


class Stop(Exception):
    """Stands for a kill at a moment that the test chooses."""


def test_a_run_stopped_in_the_middle_ends_with_the_same_weights_bit_for_bit(
    data: TrainingData, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop_before_step_3(loader: job.Loader, start: int = 0, **more: int):  # type: ignore[no-untyped-def]
        yield from (loader.batch(step) for step in range(start, 3))
        raise Stop

    calls: list[str] = []
    first_weights = job.first_weights

    def noted(run: Run, start: Start, phase: str) -> object:
        calls.append(phase)
        return first_weights(run, start, phase)

    monkeypatch.setattr(job, "first_weights", noted)
    with monkeypatch.context() as patch:
        patch.setattr(job.Loader, "iterate", stop_before_step_3)
        with pytest.raises(Stop):
            train(TINY, data, tmp_path / "run", phases=["alignment"])
    train(TINY, data, tmp_path / "run")
    assert calls == ["alignment", "robot"]  # each once: a phase that continues from its own checkpoint has no start
    for phase in ("alignment", "robot"):
        expected, got = weights(finished, phase), weights(tmp_path / "run", phase)
        assert all(np.array_equal(expected[name], got[name]) for name in expected), phase
    steps = [json.loads(line)["step"] for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert steps == [1, 2, 3, 4, 1, 2, 3, 4]


def test_phases_that_are_trained_by_two_calls_are_one_run(data: TrainingData, finished: Path, tmp_path: Path) -> None:
    train(TINY, data, tmp_path / "run", phases=["alignment"])
    train(TINY, data, tmp_path / "run", phases=["robot"])
    expected, got = weights(finished, "robot"), weights(tmp_path / "run", "robot")
    assert all(np.array_equal(expected[name], got[name]) for name in expected)


def test_the_vit_learns_in_alignment_and_is_frozen_in_robot_fine_tuning(data: TrainingData, finished: Path) -> None:
    fresh = {name: np.asarray(w) for name, w in named(init_params(TINY.model, jax.random.key(TINY.seed)))}
    aligned, tuned = weights(finished, "alignment"), weights(finished, "robot")
    assert not np.array_equal(fresh["vit.patch"], aligned["vit.patch"])
    assert all(np.array_equal(aligned[name], tuned[name]) for name in aligned if name.startswith("vit."))
    assert not np.array_equal(aligned["action_head.out"], tuned["action_head.out"])


def test_a_run_directory_holds_all_that_a_policy_needs(finished: Path) -> None:
    batch = load_example_batch(finished / "example_batch.safetensors")
    assert batch.tokens.shape == (TINY.robot.rows, TINY.layout.length)
    assert Policy.load(finished).run.embodiment.name == "test-arm"
    assert list((finished / "tensorboard" / "robot").iterdir())


def test_a_training_keeps_its_compiled_programs(
    data: TrainingData, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[None] = []
    monkeypatch.setattr(job, "keep_programs", lambda: calls.append(None))
    train(TINY, data, finished)
    assert calls


def test_a_run_directory_of_another_recipe_is_refused(data: TrainingData, finished: Path) -> None:
    with pytest.raises(ConfigError, match=r"robot\.rows is 4 there, but 9 is asked for"):
        train(replace(TINY, robot=replace(TINY.robot, rows=9)), data, finished)
    with pytest.raises(ConfigError, match=r"robot: is at step 4, beyond robot\.steps = 3"):
        train(with_robot_steps(3), data, finished)
    with pytest.raises(ConfigError, match=r"its robot phase began from the alignment phase at step 4"):
        train(replace(TINY, alignment=replace(TINY.alignment, steps=9)), data, finished)


def test_a_tokenizer_of_another_size_is_refused(data: TrainingData, tmp_path: Path) -> None:
    model = replace(TINY.model, decoder=replace(TINY.model.decoder, vocabulary=4096))
    with pytest.raises(ConfigError, match=r"2048 entries, but model\.decoder\.vocabulary of recipe 'tiny' is 4096"):
        train(replace(TINY, model=model), data, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("mesh.data=99", r"\[1, 99, 1\] needs 99 devices"),
        ("execution.micro_batches=3", r"alignment\.rows: 4 rows do not divide .* make alignment\.rows a multiple of 3"),
        ('robot.optimizer.groups=[["decoder.*", 1]]', "matches no group; every weight needs exactly one"),
        ('robot.optimizer.groups=[[".*", 1], ["vit.*", 0]]', r"matches the groups '\.\*', 'vit\.\*'"),
        ('robot.optimizer.groups=[["(", 1]]', r"'\(' is no regular expression"),
    ],
)
def test_a_mistake_in_the_recipe_leaves_no_run_directory(
    field: str, message: str, data: TrainingData, tmp_path: Path
) -> None:
    """So that the corrected command may use the same place."""
    with pytest.raises(ConfigError, match=message):
        train(apply_overrides(TINY, [field]), data, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_starting_from_a_run_without_checkpoints_is_refused(data: TrainingData, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="nothing/checkpoints/alignment: no such directory; train that phase"):
        train(TINY, data, tmp_path / "run", phases=["robot"], start=Start(tmp_path / "nothing"))
    assert not (tmp_path / "run").exists()
    with pytest.raises(CheckpointError, match="train that phase first"):
        load_params(tmp_path / "none", TINY.model, TINY.robot.optimizer)


def test_a_step_with_a_number_that_is_not_finite_changes_nothing_but_the_count(data: TrainingData) -> None:
    phase = TINY.robot
    state = init_state(TINY.model, phase.optimizer, init_params(TINY.model, jax.random.key(0)))
    before = jax.tree.map(np.asarray, (state.trainable, state.optimizer))
    batch = load_batch(data)
    batch = batch._replace(states=np.full_like(batch.states, np.nan))
    step = make_step(TINY.model, phase.optimizer, phase.loss, TINY.execution, phase.steps)
    after, metrics = step(state, batch)
    assert not np.isfinite(metrics["loss"])
    assert (int(after.step), int(after.skipped)) == (1, 1)
    for old, new in zip(jax.tree.leaves(before), jax.tree.leaves((after.trainable, after.optimizer)), strict=True):
        np.testing.assert_array_equal(old, new)


def test_the_loss_falls(data: TrainingData) -> None:
    """Twenty steps on one batch must learn it in part: the plainest check that the gradient points downhill."""
    phase = replace(TINY.robot, steps=20, optimizer=replace(TINY.robot.optimizer, warmup_steps=2, cooldown_steps=0))
    state = init_state(TINY.model, phase.optimizer, init_params(TINY.model, jax.random.key(0)))
    batch = jax.tree.map(jnp.asarray, load_batch(data))
    step = make_step(TINY.model, phase.optimizer, phase.loss, TINY.execution, phase.steps)
    history = []
    for _ in range(20):
        state, metrics = step(state, batch)
        history.append(float(metrics["loss"]))
    assert history[-1] < 0.8 * history[0]


def load_batch(data: TrainingData):  # type: ignore[no-untyped-def]
    from polymath.data.formats.lerobot.reader import LeRobotEpisodes
    from polymath.data.loading.loader import Loader, Source
    from polymath.data.loading.on_the_fly import OnTheFly
    from polymath.data.robots.statistics import of_episodes
    from polymath.data.sequences.documents import WindowDocuments
    from polymath.data.sequences.transforms import RobotTransform
    from polymath.tokenizer import Tokenizer

    episodes = LeRobotEpisodes(data.robot)
    transform = RobotTransform(
        TINY.layout, Tokenizer.load(data.tokenizer), episodes.embodiment, of_episodes(episodes), TINY.ablation
    )
    return Loader([Source(OnTheFly(WindowDocuments(episodes, transform), TINY.layout))], TINY.layout, 4, seed=0).batch(
        0
    )
