"""Which weights a phase begins with, whatever start is named, and what nobody may leave random and frozen."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from polymath.cli import main
from polymath.config import apply_overrides
from polymath.errors import ConfigError
from polymath.model import lora
from polymath.presets import PRESETS
from polymath.presets.demo import TINY
from polymath.specs import named
from polymath.training import beginning
from polymath.training.adapters import with_adapters
from polymath.training.checkpoints import load_params
from polymath.training.datasets import TrainingData
from polymath.training.run import open_run
from polymath.training.step import init_params
from polymath.training.untrained import check_trained, drawn_and_frozen, trainable, with_untrained_learning

Train = Callable[..., int]
STEPS = ("--set", "alignment.steps=2", "robot.steps=1", "robot.optimizer.peak_learning_rate=0.0")
"""A robot phase at a learning rate of zero ends with exactly the weights that it began with."""


@pytest.fixture
def train(data: TrainingData, tmp_path: Path) -> Train:
    def run(*more: object) -> int:
        sources = ("--data", data.robot, data.pairs[0], "--tokenizer", data.tokenizer)
        return main([str(word) for word in ("train", "tiny", *sources, "--out", tmp_path / "run", *STEPS, *more)])

    return run


def weights(run: Path, phase: str) -> dict[str, np.ndarray]:
    recipe = open_run(run).recipe
    params = load_params(run / "checkpoints" / phase, recipe.model, recipe.phase(phase).optimizer)
    return {name: np.asarray(weight) for name, weight in named(params)}


def same(ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray]) -> bool:
    return all(np.array_equal(ours[name], theirs[name]) for name in theirs)


@pytest.mark.parametrize("again", [True, False], ids=["the same line", "without --published"])
def test_the_robot_phase_continues_the_alignment_whatever_start_is_named(
    again: bool, train: Train, language: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    published = ("--published", f"decoder={language}")
    assert train("--phases", "alignment", *published) == 0
    assert train("--phases", "robot", *(published if again else ())) == 0
    assert same(weights(tmp_path / "run", "robot"), weights(tmp_path / "run", "alignment"))
    began = json.loads((tmp_path / "run" / "start.json").read_text())
    assert began["published"]["decoder"]["path"] == str(language)

    other = shutil.copytree(language, tmp_path / "other")
    tensors = load_file(other / "model.safetensors")
    save_file({name: tensor + 1 for name, tensor in tensors.items()}, other / "model.safetensors")
    capsys.readouterr()
    assert train("--phases", "robot", "--published", f"decoder={other}") == 2
    message = capsys.readouterr().err
    assert f"the run began with decoder from {language} (SHA-256" in message
    assert f"now it is {other} (SHA-256" in message


def test_the_robot_phase_continues_the_adapters_of_the_alignment(train: Train, tmp_path: Path) -> None:
    assert train("--out", tmp_path / "base") == 0
    adapters = ("--adapters", r"decoder\.blocks\.(query|down)", "--rank", "2", "--start", tmp_path / "base")
    assert train("--phases", "alignment", *adapters) == 0
    assert train("--phases", "robot") == 0  # neither the adapters nor the start are named again
    robot = weights(tmp_path / "run", "robot")
    assert same(robot, weights(tmp_path / "run", "alignment"))
    assert robot["decoder.blocks.query.lora_up"].any()


def test_a_run_of_an_older_version_continues_without_a_start_and_with_none_named(
    train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train("--phases", "alignment") == 0
    (tmp_path / "run" / "start.json").unlink()
    assert train("--phases", "robot", "--start", tmp_path / "run") == 2
    assert "does not record what it began with" in capsys.readouterr().err
    assert train("--phases", "robot") == 0
    assert same(weights(tmp_path / "run", "robot"), weights(tmp_path / "run", "alignment"))


def test_a_folder_of_episodes_alone_gives_a_policy_that_sees(
    data: TrainingData, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The way of docs/sources.md: without pairs and without a start the vision transformer learns too."""
    command = ["train", "tiny", "--data", str(data.robot), "--tokenizer", str(data.tokenizer)]
    assert main([*command, "--out", str(tmp_path / "run")]) == 0
    assert "the vision transformer is drawn at random, so it learns in the robot phase too" in capsys.readouterr().err
    recipe = open_run(tmp_path / "run").recipe
    drawn = dict(named(init_params(recipe.model, jax.random.key(recipe.seed))))
    learned = weights(tmp_path / "run", "robot")
    assert not np.array_equal(learned["vit.patch"], drawn["vit.patch"])
    assert main([*command, "--out", str(tmp_path / "run")]) == 0  # once more: the same recipe, nothing left to do

    assert main([*command, "--out", str(tmp_path / "other"), "--phases", "robot", "--set", "robot.pairs=0.0"]) == 2
    message = capsys.readouterr().err
    assert "the robot phase of recipe 'tiny' freezes vit (5 weights, 'vit.patch' the first)" in message
    assert "nothing has trained; begin with trained weights (--published vit=PATH, --start RUN)" in message
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("recipe", PRESETS.values(), ids=PRESETS)
def test_no_preset_freezes_what_was_drawn_unless_something_trained_it(recipe: object) -> None:
    """The vision of small recipes learns in alignment, that of fine-tuned ones always; others want a published one."""
    small, fine_tuned = ("demo", "tiny", "calvin", "libero", "bridge"), ("polymath_v_600m", "polymath_v_2b")
    learns = recipe.name in (*small, *fine_tuned)  # type: ignore[attr-defined]
    names = drawn_and_frozen(recipe, "alignment", ())  # type: ignore[arg-type]
    assert bool(names) != learns
    assert all(name.startswith("vit.") for name in names)
    check_trained(recipe, ("alignment", "robot"), names)  # type: ignore[arg-type]
    alone = with_untrained_learning(recipe, "robot", ())  # type: ignore[arg-type]
    assert drawn_and_frozen(alone, "robot", ()) == []


def test_adapters_on_a_model_that_nothing_has_trained_are_refused() -> None:
    recipe = with_adapters(TINY, lora.Config(r"decoder\.blocks\.query", rank=2))
    assert with_untrained_learning(recipe, "robot", ()) == recipe
    with pytest.raises(ConfigError, match="the robot phase of recipe 'tiny' freezes vit"):
        check_trained(recipe, ["robot"], ())
    check_trained(recipe, ["robot"], trainable(TINY, "alignment"))
    check_trained(apply_overrides(recipe, ["allow_untrained=true"]), ["robot"], ())


def test_the_hash_of_a_folder_is_that_of_its_weights_and_settings(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    (tmp_path / "config.json").write_text("{}")
    before = beginning.files(tmp_path, beginning.WEIGHT_FILES)
    (tmp_path / "README.md").write_text("words")
    assert beginning.files(tmp_path, beginning.WEIGHT_FILES) == before
    (tmp_path / "model.safetensors").write_bytes(b"weightz")
    assert beginning.files(tmp_path, beginning.WEIGHT_FILES).sha256 != before.sha256
    with pytest.raises(ConfigError, match=r"no such file, or a folder without \.safetensors or"):
        beginning.files(tmp_path / "nothing", beginning.WEIGHT_FILES)


def test_phases_out_of_order_and_a_phase_after_half_of_the_one_before_it_are_refused(
    train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train("--phases", "robot", "alignment") == 2
    assert "name each phase once, in the order alignment robot" in capsys.readouterr().err
    assert train("--phases", "alignment") == 0
    shutil.rmtree(tmp_path / "run" / "checkpoints" / "alignment" / "2")  # as if it had been stopped after step 1
    assert train("--phases", "robot") == 2
    assert "its alignment phase is at step 1 of 2; finish it first with --phases alignment robot" in (
        capsys.readouterr().err
    )


def test_the_alignment_cannot_come_before_a_robot_phase_that_has_begun(
    train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train("--phases", "robot", "--set", "allow_untrained=true") == 0
    assert train("--set", "allow_untrained=true") == 2
    assert "its robot phase began without the alignment phase" in capsys.readouterr().err
