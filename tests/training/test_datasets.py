"""Robots that a run or a preparation must refuse, before anything is trained; what a run says it clips."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from polymath.cli import main
from polymath.data.formats.lerobot.writer import LeRobotWriter
from polymath.data.prepare.pipeline import prepare
from polymath.data.prepare.settings import Settings
from polymath.data.robots.clipping import clipping_lines
from polymath.data.robots.statistics import Statistics
from polymath.data.sequences.sequence import Layout
from polymath.errors import ConfigError, DataError
from polymath.presets.demo import TINY
from polymath.tokenizer import ControlTokens, Tokenizer, corpus
from polymath.tokenizer import train as train_tokenizer
from polymath.training.announcements import announce
from polymath.training.datasets import DataSets, TrainingData, in_slot
from polymath.training.run import DataRecord, Run
from polymath.types import Embodiment, Episode

ROBOT = Embodiment("arm", 4, ("front",), ("x", "opening"), ("dx", "grip"), (1,), 10.0)
LAYOUT = Layout(length=96, latents_per_image=4, image_size=16, action_dim=2, state_dim=2)
STEPS = 300


def write(place: Path, robot: Embodiment = ROBOT, gripper: float = 1.0, outlier: float = 0.5) -> Path:
    """One episode: dx within ±1 but for 5 values of `outlier`, the gripper at 0 or `gripper`."""
    dx = np.linspace(-1, 1, STEPS)
    dx[::60] = outlier
    actions = np.stack([dx, np.where(np.arange(STEPS) > 200, gripper, 0)], axis=1).astype(np.float32)
    images = {"front": np.full((STEPS, 16, 16, 3), 90, np.uint8)}
    with LeRobotWriter(place, robot, 10, 16) as writer:
        writer.add(Episode(images, np.zeros((STEPS, 2), np.float32), actions, "go on", "go", robot.name))
    return place


@pytest.fixture(scope="module")
def tokenizer_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    train_tokenizer(corpus.shipped(), TINY.model.decoder.vocabulary, ControlTokens(TINY.control_tokens)).save(path)
    return path


def test_a_gripper_in_percent_is_refused_by_train_and_prepare(tmp_path: Path, tokenizer_file: Path) -> None:
    place = write(tmp_path / "percent", gripper=100.0)
    message = r"percent: action 'grip' \(dimension 1\) is a gripper of robot 'arm' in 0 to 100.*gripper_dims"
    with pytest.raises(DataError, match=message):
        _ = DataSets(TrainingData(place), 16).robots
    with pytest.raises(DataError, match=message):
        prepare([str(place)], tokenizer_file, LAYOUT, tmp_path / "out", Settings())


def test_a_gripper_in_percent_can_be_scaled_like_the_rest(tmp_path: Path) -> None:
    robot = replace(ROBOT, gripper_dims=())
    statistics = DataSets(TrainingData(write(tmp_path / "percent", robot, gripper=100.0)), 16).robots[0].statistics
    normalised = statistics.normalise_action(np.array([[0.0, 0.0], [0.0, 100.0]]), ())
    np.testing.assert_allclose(normalised[:, 1], [-1, 1], atol=2e-3)


def test_two_robots_in_one_slot_are_refused(tmp_path: Path, tokenizer_file: Path) -> None:
    one, other = write(tmp_path / "one"), write(tmp_path / "two", replace(ROBOT, name="leg"))
    message = r"one and .*two: robots 'arm' and 'leg' share slot 4 .*\?slot="
    with pytest.raises(DataError, match=message):
        prepare([str(one), str(other)], tokenizer_file, LAYOUT, tmp_path / "out", Settings())
    prepare([str(other)], tokenizer_file, LAYOUT, tmp_path / "prepared", Settings())
    with pytest.raises(DataError, match=r"one and .*00-two: robots 'arm' and 'leg' share slot 4"):
        _ = DataSets(TrainingData(one, prepared=(tmp_path / "prepared",)), 16).robots


def test_the_remedy_for_two_robots_in_one_slot_works(tmp_path: Path, tokenizer_file: Path) -> None:
    one, other = write(tmp_path / "one"), write(tmp_path / "two", replace(ROBOT, name="leg"))
    prepare([str(other)], tokenizer_file, LAYOUT, tmp_path / "prepared", Settings())
    data = in_slot(TrainingData(f"{one}?weight=2", prepared=(tmp_path / "prepared",)), 7)
    assert DataSets(data, 16).robots[0].embodiment.slot == 7
    with pytest.raises(ConfigError, match=r"--slot 7: --data names no raw set of episodes"):
        in_slot(TrainingData(prepared=(tmp_path / "prepared",)), 7)
    with pytest.raises(ConfigError, match="99' is none of 0 to 31"):
        _ = DataSets(in_slot(TrainingData(one), 99), 16).robots


def test_a_set_prepared_with_another_normalisation(tmp_path: Path, tokenizer_file: Path) -> None:
    settings = Settings(action_normalization="min-max")
    out = tmp_path / "out"
    prepare([str(write(tmp_path / "one", outlier=9.0))], tokenizer_file, LAYOUT, out, settings)
    data = TrainingData(prepared=(out,))
    with pytest.raises(ConfigError, match=r"00-one: .*action_normalization=min-max, but the recipe has quantiles"):
        _ = DataSets(data, 16).robots
    statistics = DataSets(data, 16, "min-max").robots[0].statistics
    assert statistics.normalization == "min-max"
    assert statistics.normalise_action(np.array([9.0, 0.0]), (1,))[0] == 1
    card = (out / "card.html").read_text()
    assert "Clipped by normalisation" in card
    assert "<td>min, max</td>" in card


def test_what_is_clipped_is_said_when_a_run_begins(
    tmp_path: Path, tokenizer_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """5 of 300 values at 5, mean + 4.5 std at 3.95: 1.67 % are clipped; the inspection reports the same."""
    place = write(tmp_path / "one", outlier=5.0)
    (robot,) = DataSets(TrainingData(place), 16, "mean-std").robots
    statistics, tokenizer = robot.statistics, Tokenizer.load(tokenizer_file)
    run = Run(tmp_path, TINY, tokenizer, robot.embodiment, statistics, DataRecord((), ()))
    announce(clipping_lines(run.statistics, run.embodiment))
    assert capsys.readouterr().err.startswith("action 'dx': 1.67% of the values are clipped, by at most 1.05")
    assert main(["data", "inspect", str(place), "--normalization", "mean-std", "--json"]) == 0
    rows = {row["dimension"]: row for row in json.loads(capsys.readouterr().out)["clipping"]}
    assert statistics.action_clipping is not None
    assert rows["dx"]["largest_error"] == pytest.approx(statistics.action_clipping.largest[0])
    assert rows["dx"]["scaled_by"] == "mean, std"
    assert main(["data", "inspect", str(place)]) == 0
    assert "scaled by  clipped  largest error" in capsys.readouterr().out


def test_the_recipe_chooses_the_normalisation(tmp_path: Path) -> None:
    place = write(tmp_path / "one", outlier=9.0)
    for choice in ("quantiles", "mean-std", "min-max"):
        statistics = DataSets(TrainingData(place), 16, choice).robots[0].statistics
        assert isinstance(statistics, Statistics)
        assert statistics.normalization == choice


def test_settings_that_would_not_be_applied(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A tokenizer that is not there is not replaced by one that is trained; raw episodes need no choice of a robot."""
    data = str(write(tmp_path / "a"))
    for option, message in (
        (["--tokenizer", str(tmp_path / "gone.json")], "gone.json: no such file"),
        (["--controls", "01-b"], "--controls 01-b: chooses among prepared sets"),
    ):
        assert main(["train", "tiny", "--data", data, "--out", str(tmp_path / "run"), *option]) == 2
        assert message in capsys.readouterr().err
        assert not (tmp_path / "run").exists()
