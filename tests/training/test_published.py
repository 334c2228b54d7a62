"""The sizes of published parts come from their folders: what is applied, what may be set beside it, what is refused.

The folders are the toy models that transformers wrote (tests/oracles/vision.py), with a preprocessor_config.json.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from polymath.cli import main
from polymath.config import apply_overrides
from polymath.errors import CheckpointError, ConfigError
from polymath.model import lora
from polymath.model.weights import decoder_config, load_decoder
from polymath.presets.demo import TINY
from polymath.training.adapters import with_adapters, with_adapters_of, without_adapters
from polymath.training.checkpoints import load_params
from polymath.training.datasets import TrainingData
from polymath.training.run import open_run
from polymath.training.start import Start, as_published, check_published, taken
from polymath.training.step import init_params
from polymath.training.vision import with_vit_of

VISION = Path(__file__).parents[1] / "fixtures" / "vision"
HALF = [0.5, 0.5, 0.5]
ADAPTERS = lora.Config(r"decoder\.blocks\.(query|down)", 2, 2.0)

Tower = Callable[..., Path]


@pytest.fixture
def tower(tmp_path: Path) -> Tower:
    """A copy of a fixture's folder with these fields in its preprocessor_config.json."""

    def copy(name: str = "hf_siglip_remainder", **pixels: Any) -> Path:
        folder = Path(shutil.copytree(VISION / name, tmp_path / name))
        if pixels:
            (folder / "preprocessor_config.json").write_text(json.dumps(pixels))
        return folder

    return copy


def test_sizes_and_what_follows_from_them(tower: Tower) -> None:
    """The sizes are those of the folder's config.json; 35 pixels are two whole patches of 14."""
    folder = tower(image_mean=HALF, image_std=HALF)
    start = Start(published={"vit": folder})
    recipe = as_published(TINY, start)
    vit, resampler = recipe.model.vit, recipe.model.resampler
    assert (vit.width, vit.depth, vit.heads, vit.mlp, vit.patch, vit.patches) == (40, 2, 4, 96, 14, 4)
    assert (vit.activation, vit.epsilon, vit.class_token, vit.mean) == ("gelu_tanh", 1e-6, False, (0.5, 0.5, 0.5))
    assert (vit.image_size, recipe.layout.image_size) == (35, 35)
    assert (resampler.width, resampler.mlp) == (40, 120)  # as in the preset, three times the width
    assert (resampler.latents, resampler.heads) == (TINY.model.resampler.latents, TINY.model.resampler.heads)
    check_published(recipe, start)
    (line,) = taken(recipe, start)
    assert line.startswith(f"vit from {folder}: image_size 35, patch 14, width 40, depth 2, heads 4")


def test_the_last_norm_of_clip_is_left_out(tower: Tower) -> None:
    """Its last hidden state in transformers is taken before that norm."""
    mean, std = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
    recipe = with_vit_of(TINY, tower("hf_clip_quick_gelu", image_mean=mean, image_std=std))
    assert not recipe.model.vit.final_norm
    assert recipe.model.vit.activation == "quick_gelu"


def test_the_processor_of_transformers_5(tower: Tower) -> None:
    folder = tower()
    pixels = {"image_processor": {"image_mean": HALF, "image_std": [0.25, 0.25, 0.25], "do_normalize": True}}
    (folder / "processor_config.json").write_text(json.dumps(pixels))
    assert with_vit_of(TINY, folder).model.vit.std == (0.25, 0.25, 0.25)


def test_an_unknown_normalisation_is_an_error(tower: Tower) -> None:
    folder = tower()
    with pytest.raises(ConfigError, match=r"preprocessor_config\.json: no such file, so the mean and deviation"):
        with_vit_of(TINY, folder)
    (folder / "preprocessor_config.json").write_text(json.dumps({"image_mean": HALF}))
    with pytest.raises(ConfigError, match=r"preprocessor_config\.json: has no field 'image_mean' with its deviation"):
        with_vit_of(TINY, folder)


def test_a_folder_without_its_config_and_a_file_of_any_name(tower: Tower) -> None:
    folder = tower(image_mean=HALF, image_std=HALF)
    (folder / "config.json").unlink()
    with pytest.raises(ConfigError, match=r"config\.json: no such file, and the sizes .* stand there; fetch the whole"):
        with_vit_of(TINY, folder)
    assert with_vit_of(TINY, folder / "model.safetensors") == TINY
    assert with_vit_of(TINY, VISION / "big_vision.npz") == TINY
    assert with_vit_of(TINY, VISION / "timm.safetensors") == TINY


@pytest.mark.parametrize(
    ("setting", "complaint"),
    [
        ("model.vit.heads=8", r"config\.json: num_attention_heads is 4, but model\.vit\.heads is 8"),
        ("model.vit.activation=gelu", r"hidden_act is 'gelu_pytorch_tanh', but model\.vit\.activation is 'gelu'"),
        ("model.vit.mean=[0, 0, 0]", r"preprocessor_config\.json: image_mean is \[0\.5, .*, but model\.vit\.mean is"),
    ],
)
def test_a_setting_that_contradicts_the_file(tower: Tower, setting: str, complaint: str) -> None:
    start = Start(published={"vit": tower(image_mean=HALF, image_std=HALF)})
    recipe = apply_overrides(as_published(TINY, start), [setting])
    with pytest.raises(CheckpointError, match=complaint):
        check_published(recipe, start)


def test_another_image_size_and_no_last_norm_are_a_choice(tower: Tower) -> None:
    start = Start(published={"vit": tower(image_mean=HALF, image_std=HALF)})
    settings = ["model.vit.image_size=56", "layout.image_size=56", "model.vit.final_norm=false"]
    check_published(apply_overrides(as_published(TINY, start), settings), start)


def test_a_decoder_that_contradicts_its_folder(language: Path) -> None:
    start = Start(published={"decoder": language})
    recipe = as_published(TINY, start)
    check_published(recipe, start)
    longer = replace(recipe.model.decoder, context=recipe.model.decoder.context * 2)
    check_published(replace(recipe, model=replace(recipe.model, decoder=longer)), start)
    other = replace(recipe, model=replace(recipe.model, decoder=replace(recipe.model.decoder, heads=8, kv_heads=8)))
    with pytest.raises(ConfigError, match=r"config\.json: states a decoder with heads \d+, but model\.decoder\.heads"):
        check_published(other, start)


def test_a_run_from_both_folders_and_its_continuation(
    data: TrainingData, tower: Tower, language: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tower(image_mean=HALF, image_std=HALF)
    words = ["train", "tiny", "--data", data.robot, "--tokenizer", data.tokenizer, "--out", tmp_path / "run"]
    words += ["--phases", "robot", "--set", "robot.steps=2", "robot.pairs=0", "robot.rows=2"]
    published = ["--published", f"vit={folder}", f"decoder={language}"]
    assert main([str(word) for word in (*words, *published)]) == 0
    assert f"vit from {folder}: image_size 35" in capsys.readouterr().err
    recipe = open_run(tmp_path / "run").recipe
    assert (recipe.model.vit.width, recipe.model.resampler.width, recipe.layout.image_size) == (40, 40, 35)
    assert main([str(word) for word in words]) == 0  # without the start, the recorded sizes stay


def test_adapters_on_published_parts_learn_beside_what_is_drawn(
    data: TrainingData, tower: Tower, language: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The published weights stay as they are; the resampler, the projections and the head are drawn, and learn."""
    folder, out = tower(image_mean=HALF, image_std=HALF), tmp_path / "run"
    words = ["train", "tiny", "--data", data.robot, "--tokenizer", data.tokenizer, "--out", out, "--phases", "robot"]
    words += ["--set", "robot.steps=2", "robot.pairs=0", "robot.rows=2", "robot.optimizer.warmup_steps=1"]
    started = ["--published", f"vit={folder}", f"decoder={language}"]
    adapters = ["--adapters", ADAPTERS.targets, "--rank", "2"]
    assert main([str(word) for word in (*words, *started, *adapters)]) == 0, capsys.readouterr().err
    run = open_run(out)
    params = load_params(run.checkpoints("robot"), run.recipe.model, run.recipe.robot.optimizer)
    query, published = params.decoder.blocks.query, load_decoder(language, decoder_config(language / "config.json"))
    np.testing.assert_array_equal(query.base, published.blocks.query)
    assert np.asarray(query.lora_up).any()
    drawn = init_params(replace(run.recipe.model, adapters=None), jax.random.key(run.recipe.seed))
    assert not np.array_equal(params.resampler.latents, drawn.resampler.latents)
    stored = run.recipe
    for named in (
        as_published(TINY, Start(published={"vit": folder, "decoder": language})),
        with_adapters(stored, ADAPTERS),
    ):
        again = with_adapters_of(named, stored)  # what is left out is as it was
        assert again.robot.optimizer.groups == stored.robot.optimizer.groups
        assert again.model.adapters == ADAPTERS
    merged = without_adapters(stored)
    assert merged.model.adapters is None
    assert merged.robot.optimizer.groups == ((".*", 1.0),)
