"""A run that begins with a public language model has that model's own tokenizer, through export and back."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.tokenizer.public_kinds import KINDS

from polymath import cli
from polymath.model.weights import decoder_config, load_decoder
from polymath.policy.policy import Policy
from polymath.specs import named
from polymath.tokenizer import Tokenizer
from polymath.training.checkpoints import load_params
from polymath.training.datasets import TrainingData
from polymath.training.language import load_language
from polymath.training.run import open_run

LANGUAGE = Path(__file__).parents[1] / "fixtures" / "language"
STEPS = ("robot.steps=1", "robot.rows=2", "model.decoder.context=128", "robot.optimizer.peak_learning_rate=0.0")
"""At a learning rate of zero the run ends with exactly the weights that it began with."""


@pytest.fixture
def public(tmp_path: Path) -> Path:
    """The toy Qwen 3, 96 embeddings, with a tokenizer of that kind, which has more entries."""
    folder = Path(shutil.copytree(LANGUAGE / "qwen3", tmp_path / "qwen3"))
    KINDS["qwen"]().save(str(folder / "tokenizer.json"))
    return folder


def trained(data: TrainingData, out: Path, *options: str) -> int:
    return cli.main(["train", "tiny", "--data", str(data.robot), "--out", str(out), "--set", *STEPS, *options])


def test_a_run_with_its_own_tokenizer(
    data: TrainingData, public: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    published = ("--published", f"decoder={public}")
    assert trained(data, tmp_path / "run", *published) == 0, capsys.readouterr().err
    run, folder = open_run(tmp_path / "run"), Tokenizer.from_public(public, 512)
    assert run.tokenizer.same_ids(folder)
    assert run.recipe.model.decoder.vocabulary == folder.vocab_size == folder.control.first + 512
    assert (run.path / "tokenizer.json").read_bytes() == (public / "tokenizer.json").read_bytes()

    params = load_params(run.checkpoints("robot"), run.recipe.model, run.recipe.robot.optimizer)
    theirs = load_decoder(public, decoder_config(public / "config.json"))
    np.testing.assert_array_equal(params.decoder.embedding[:96], theirs.embedding)
    assert np.std(params.decoder.embedding[96:]) == pytest.approx(float(np.std(theirs.embedding)), rel=0.1)
    for (name, ours), (_, weight) in zip(named(params.decoder.blocks), named(theirs.blocks), strict=True):
        np.testing.assert_array_equal(ours, weight, err_msg=name)

    assert cli.main(["export", str(run.path), "--out", str(tmp_path / "export")]) == 0
    assert cli.main(["import", str(tmp_path / "export"), "--out", str(tmp_path / "again")]) == 0
    again = Policy.load(tmp_path / "again")
    assert again.run.tokenizer.same_ids(folder)
    for (name, ours), (_, weight) in zip(named(again.params), named(params), strict=True):
        np.testing.assert_array_equal(np.asarray(ours), np.asarray(weight), err_msg=name)


def test_a_tokenizer_of_ours_by_choice(
    data: TrainingData, language: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The embeddings are then translated, and the model has as many as the file has entries."""
    published = ("--published", f"decoder={language}", "--tokenizer", str(data.tokenizer))
    assert trained(data, tmp_path / "run", *published) == 0, capsys.readouterr().err
    run = open_run(tmp_path / "run")
    assert not run.tokenizer.is_public
    assert run.recipe.model.decoder.vocabulary == run.tokenizer.vocab_size == 2048


def test_rows_that_are_translated_or_kept(public: Path) -> None:
    """The folder's tokenizer keeps the rows; another one gets means of them, text by text."""
    own = Tokenizer.from_public(public)
    config = decoder_config(public / "config.json")
    kept = load_language(public, replace(config, vocabulary=own.vocab_size), own)
    assert kept.embedding.shape == (own.vocab_size, config.width)
    other = shutil.copytree(public, public.parent / "other")
    KINDS["llama2"]().save(str(other / "tokenizer.json"))
    settings = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**settings, "eos_token_id": 2}))
    assert not own.same_ids(Tokenizer.from_public(other))


def test_a_tokenizer_that_cannot_spell_every_text(
    data: TrainingData, language: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Refused by name; with one of ours the model is taken."""
    published = ("--published", f"decoder={language}")
    assert trained(data, tmp_path / "run", *published) == 2
    message = capsys.readouterr().err
    assert f"{language / 'tokenizer.json'}: model.type is 'WordLevel', which has no tokens for some text" in message
    assert not (tmp_path / "run" / "config.json").exists()
