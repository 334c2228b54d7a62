"""One run on absolute actions that learns deltas: in rows and statistics deltas, everywhere else the robot's own."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from polymath import config
from polymath.data.formats.lerobot.writer import LeRobotWriter
from polymath.data.formats.memory import MemoryEpisodes
from polymath.data.prepare.pipeline import prepare
from polymath.data.prepare.settings import Settings
from polymath.data.robots.relative import ActionForm
from polymath.data.robots.statistics import Statistics
from polymath.data.sequences.sequence import Document
from polymath.errors import ConfigError, DataError
from polymath.evaluation.openloop.errors import Predicted
from polymath.evaluation.openloop.evaluate import evaluate
from polymath.evaluation.openloop.probes import from_true_states
from polymath.policy import Policy
from polymath.policy.contract import Contract
from polymath.policy.exported import export_run
from polymath.presets.demo import TINY
from polymath.serving.adapters.binding import bind_named
from polymath.training import held_out
from polymath.training.datasets import DataSets, TrainingData
from polymath.training.fitting import without_pairs
from polymath.training.job import train
from polymath.training.run import Run, open_run
from polymath.types import Conventions, Embodiment, Episode, Observation

ARM = Embodiment(
    name="test-arm",
    slot=2,
    cameras=("front",),
    state_names=("elbow", "shoulder", "hand"),
    action_names=("shoulder", "elbow", "gripper"),
    gripper_dims=(2,),
    control_hz=20.0,
    conventions=Conventions(
        ("primary",), ("rad", "rad", "1"), ("rad", "rad", "1"), "joints", "none", "joints", "-1 closed 1 open"
    ),
)
RECIPE = replace(
    without_pairs(TINY),
    allow_untrained=True,
    action_representation="delta",
    action_normalization="min-max",
    held_out=held_out.Config(share=0.25, every=2),
    robot=replace(without_pairs(TINY).robot.with_steps(2), rows=2),
    augmentation=replace(TINY.augmentation, shift=0, brightness=0.0, contrast=0.0, saturation=0.0),
)


def drawn(seed: int, robot: Embodiment = ARM) -> Episode:
    """Two joints that swing far from zero; an action is where they are a step later."""
    rng = np.random.default_rng(seed)
    path = 5 + np.sin(np.arange(13)[:, None] / 3 + rng.uniform(0, 6, 3))
    actions = np.stack([path[1:, 1], path[1:, 0], rng.choice([-1, 1], 12)], axis=1)
    pictures = {"front": rng.integers(0, 256, (12, 64, 64, 3), np.uint8)}
    return Episode(pictures, path[:12].astype(np.float32), actions.astype(np.float32), "swing", "swing", robot.name)


def write(place: Path, robot: Embodiment = ARM) -> Path:
    with LeRobotWriter(place, robot, 20, 64) as writer:
        for seed in range(4):
            writer.add(drawn(seed, robot))
    return place


@pytest.fixture(scope="module")
def source(data: TrainingData, tmp_path_factory: pytest.TempPathFactory) -> TrainingData:
    return TrainingData(str(write(tmp_path_factory.mktemp("absolute") / "set")), data.tokenizer)


@pytest.fixture(scope="module")
def finished(source: TrainingData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(RECIPE, source, tmp_path_factory.mktemp("delta") / "run", ["robot"]).path


def test_it_is_recorded_and_may_not_change(finished: Path, source: TrainingData) -> None:
    run = open_run(finished)
    assert run.statistics.subtracted == (1, 0, None)
    assert run.recipe.action_representation == "delta"
    assert run.embodiment == ARM  # the robot's own conventions
    # joints swing by ±1 around 5; chunks of 20 steps, cut at the end of 3 episodes of 12 steps, have 12 + 11 + … + 1
    assert max(map(abs, (*run.statistics.action.min[:2], *run.statistics.action.max[:2]))) <= 2
    assert run.recipe.layout.chunk_length == 20
    assert run.statistics.action.count == 3 * 78
    with pytest.raises(ConfigError, match="action_representation is 'delta' there, but 'recorded' is asked for"):
        train(replace(RECIPE, action_representation="recorded"), source, finished, ["robot"])


def rows(sets: DataSets, run: Run) -> list[Document]:
    (stream,) = [source.stream for source in sets.sources(run, "robot", run.recipe.phase_layout("robot"))]
    return [document for k in range(len(stream)) for document in stream.row((0, 0), k)]


def opened(source: TrainingData) -> DataSets:
    form = ActionForm("delta", chunk_length=RECIPE.layout.chunk_length)
    return DataSets(source, 64, "min-max", 0.25, 0, form=form)


def test_rows_hold_deltas_that_are_the_recorded_actions_again(finished: Path, source: TrainingData) -> None:
    """The state of each row, taken back to its units, and the row's chunk give actions of the recording."""
    run = open_run(finished)
    recorded = np.concatenate([drawn(seed).actions for seed in range(4)])
    for document in rows(opened(source), run):
        scaling = run.statistics.state_scaling()
        state = document.states[0, :3] * scaling.scale + scaling.centre
        chunk = run.transform.chunk(document.actions[0], state).actions[document.action_mask[0, :, 0]]
        distances = np.abs(recorded[None] - chunk[:, None]).max(axis=2).min(axis=1)
        np.testing.assert_allclose(distances, 0, atol=1e-4)


def test_measured_and_open_loop_errors_are_those_of_the_robots_units(finished: Path, tmp_path: Path) -> None:
    """The same held-out steps once by the training's own measurement and once by the policy's answers."""
    lines = [line for line in metrics(finished) if "held_out/mae/elbow" in line]
    result = evaluate(finished, None, tmp_path / "open", plots=0, probes=0)  # one episode, too few for probes
    for error in result.dimensions:
        assert error.mae == pytest.approx(lines[-1][f"held_out/mae/{error.name}"], rel=2e-3), error.name


def metrics(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_a_blank_state_is_judged_by_the_deltas_alone(finished: Path) -> None:
    """Deltas of zero from a blank state of 5 everywhere, where the joints truly were elsewhere; the gripper stays."""
    episode, steps = drawn(7), np.array([0, 3])
    answers = Predicted("episode", "swing", episode.actions, steps, np.full((2, 4, 3), 5.0, np.float32))
    policy: Any = SimpleNamespace(run=open_run(finished))
    (moved,) = from_true_states(policy, MemoryEpisodes(ARM, [episode]), [0], [answers], np.full(3, 5.0, np.float32))
    for place, step in enumerate(steps):
        expected = [episode.states[step, 1], episode.states[step, 0], 5.0]
        np.testing.assert_allclose(moved.chunks[place], [expected] * 4, rtol=1e-6)


def test_a_served_and_an_exported_policy_answer_absolute_joints(finished: Path, tmp_path: Path) -> None:
    """A state that is 100 rad further gives a chunk that is 100 rad further, but for what the model makes of it."""
    policy, episode = Policy.load(finished), drawn(9)
    seen = Observation({"front": episode.images["front"][0]}, episode.states[0], "swing", ARM.name)
    chunk = policy.open().act(seen)
    low, high = (np.array(each) for each in (policy.run.statistics.action.min, policy.run.statistics.action.max))
    offset = chunk.actions - np.array([episode.states[0, 1], episode.states[0, 0], 0])
    assert (np.abs(offset - (low + high) / 2) <= 3 * np.maximum(1, high - low)).all()
    np.testing.assert_allclose(policy.act([seen])[0].actions, chunk.actions, atol=1e-5)
    contract = Contract.of(policy.run)
    assert (contract.action.motion, contract.action.units) == ("joints", ("rad", "rad", "1"))
    np.testing.assert_allclose(bind_named("polymath", contract).actions(chunk.actions, seen), chunk.actions, rtol=1e-6)
    export_run(finished, tmp_path / "exported")
    np.testing.assert_array_equal(Policy.load(tmp_path / "exported").open().act(seen).actions, chunk.actions)


def test_prepared_sets_carry_it_or_are_refused(finished: Path, source: TrainingData, tmp_path: Path) -> None:
    assert isinstance(source.robot, str)
    run = open_run(finished)
    layout = replace(run.recipe.layout, max_images=4, max_control_steps=4)
    assert source.tokenizer is not None
    settings = Settings(action_normalization="min-max", action_representation="delta")
    prepare([source.robot], source.tokenizer, layout, tmp_path / "delta", settings)
    (folder,) = [each for each in (tmp_path / "delta").iterdir() if (each / "statistics.json").is_file()]
    assert config.load(Statistics, folder / "statistics.json").subtracted == (1, 0, None)
    prepared = TrainingData(prepared=(tmp_path / "delta",))
    form = ActionForm("delta", chunk_length=layout.chunk_length)
    (robot,) = DataSets(prepared, 64, "min-max", form=form).robots
    whole = DataSets(TrainingData(source.robot), 64, "min-max", form=form)
    assert robot.statistics == whole.robots[0].statistics
    run = replace(run, statistics=robot.statistics, recipe=replace(run.recipe, layout=layout))
    ours, theirs = rows(DataSets(prepared, 64, "min-max", form=form), run), rows(whole, run)
    assert sorted(each.actions.tobytes() for each in ours) == sorted(each.actions.tobytes() for each in theirs)
    with pytest.raises(ConfigError, match=r"prepared with action_representation=delta, but the recipe has recorded"):
        _ = DataSets(prepared, 64, "min-max").robots
    kept = replace(form, absolute=("elbow",))
    with pytest.raises(ConfigError, match=r"with other absolute_actions than the recipe's: gripper stay absolute"):
        _ = DataSets(prepared, 64, "min-max", form=kept).robots
    prepare([source.robot], source.tokenizer, layout, tmp_path / "plain", Settings(action_normalization="min-max"))
    with pytest.raises(ConfigError, match=r"prepared with action_representation=recorded, but the recipe has delta"):
        _ = DataSets(TrainingData(prepared=(tmp_path / "plain",)), 64, "min-max", form=form).robots


def test_sets_that_are_deltas_or_disagree_are_refused_by_name(source: TrainingData, tmp_path: Path) -> None:
    assert ARM.conventions is not None
    moving = replace(ARM, conventions=replace(ARM.conventions, motion="joint delta"))
    place = str(write(tmp_path / "moves", moving))
    form = ActionForm("delta", chunk_length=4)
    with pytest.raises(DataError, match=r"moves: the actions of robot 'test-arm' are deltas already .*double delta"):
        _ = DataSets(TrainingData(place), 64, form=form).robots
    with pytest.raises(DataError, match=r"conventions.motion: 'joints' and 'joint delta'"):
        _ = DataSets(TrainingData((str(source.robot), place)), 64, form=form).embodiments
