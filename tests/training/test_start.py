"""Where a run begins: another run's phase, published parts, adapters; and what does not fit."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tests.compilation import QUICK

from polymath import config as configs
from polymath import specs as weights
from polymath.data.formats.lerobot.reader import LeRobotEpisodes
from polymath.data.robots.statistics import of_episodes
from polymath.errors import CheckpointError, ConfigError
from polymath.model import lora, polymath_v, resampler
from polymath.model.weights import load_decoder, load_resampler
from polymath.presets.demo import TINY
from polymath.specs import named
from polymath.tokenizer import Tokenizer
from polymath.training.adapters import with_adapters, without_adapters
from polymath.training.checkpoints import Checkpoints, load_params
from polymath.training.datasets import TrainingData
from polymath.training.fitting import for_tokenizer
from polymath.training.job import train
from polymath.training.language import load_language, pieces_of, translate, with_decoder_of
from polymath.training.recipe import Recipe
from polymath.training.run import DataRecord, create, find_run
from polymath.training.start import Start, starting_weights
from polymath.training.step import init_params, init_state

FIXTURES = Path(__file__).parents[1] / "fixtures"
ADAPTERS = lora.Config(r"decoder\.blocks\.(query|down)", rank=2)


def stored(data: TrainingData, out: Path, recipe: Recipe, seed: int, phase: str = "alignment") -> polymath_v.Params:
    """A run directory whose phase stands at step 0 of drawn weights, which are returned."""
    episodes = LeRobotEpisodes(data.robot, image_size=64)
    tokenizer, statistics = Tokenizer.load(data.tokenizer), of_episodes(episodes)
    run = create(find_run(out, recipe, tokenizer, episodes.embodiment, statistics, DataRecord((), ())))
    params = init_params(recipe.model, jax.random.key(seed))
    with Checkpoints(run.checkpoints(phase), every=1) as checkpoints:
        checkpoints.save(init_state(recipe.model, recipe.phase(phase).optimizer, params), now=True)
    return params


def same(ours: object, theirs: object) -> None:
    for (name, a), (_, b) in zip(named(ours), named(theirs), strict=True):
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b), err_msg=name)


@pytest.fixture(scope="module")
def tokenizer(data: TrainingData) -> Tokenizer:
    return Tokenizer.load(data.tokenizer)


def test_nothing_to_start_from_is_a_fresh_draw(tokenizer: Tokenizer) -> None:
    assert starting_weights(TINY, Start(), tokenizer) is None


def test_the_phase_of_another_run(data: TrainingData, tokenizer: Tokenizer, tmp_path: Path) -> None:
    expected = stored(data, tmp_path / "run", TINY, seed=5, phase="robot")
    params = starting_weights(TINY, Start(tmp_path / "run", "robot"), tokenizer)
    same(params, expected)
    with pytest.raises(CheckpointError, match="alignment: no such directory; train that phase first"):
        starting_weights(TINY, Start(tmp_path / "run"), tokenizer)
    other = replace(TINY, model=replace(TINY.model, decoder=replace(TINY.model.decoder, depth=1)))
    with pytest.raises(ConfigError, match="holds another model than recipe 'tiny'"):
        starting_weights(other, Start(tmp_path / "run", "robot"), tokenizer)


def test_fresh_adapters_on_another_runs_weights_and_merged_ones_below_new_ones(
    data: TrainingData, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    recipe = with_adapters(TINY, ADAPTERS)
    plain = stored(data, tmp_path / "plain", TINY, seed=5)
    adapted = starting_weights(recipe, Start(tmp_path / "plain"), tokenizer)
    assert adapted is not None
    np.testing.assert_array_equal(adapted.decoder.blocks.query.base, plain.decoder.blocks.query)
    assert not np.asarray(adapted.decoder.blocks.query.lora_up).any()
    same(adapted.vit, plain.vit)

    trained = stored(data, tmp_path / "adapted", recipe, seed=6)
    same(starting_weights(recipe, Start(tmp_path / "adapted"), tokenizer), trained)  # the same adapters go on
    merged = starting_weights(TINY, Start(tmp_path / "adapted"), tokenizer)
    same(merged, jax.jit(lora.merge)(trained))


def test_training_adapters_moves_them_and_nothing_else(data: TrainingData, tmp_path: Path) -> None:
    plain = stored(data, tmp_path / "plain", TINY, seed=5)
    recipe = with_adapters(replace(TINY, robot=replace(TINY.robot, steps=2)), ADAPTERS)
    train(recipe, data, tmp_path / "run", ["robot"], Start(tmp_path / "plain"))
    after = dict(named(load_params(tmp_path / "run/checkpoints/robot", recipe.model, recipe.robot.optimizer)))
    before = dict(named(plain))
    for name, weight in after.items():
        if name.endswith(".lora_up"):
            assert np.asarray(weight).any(), name
        elif not name.endswith(".lora_down"):
            np.testing.assert_array_equal(weight, before[name.removesuffix(".base")], err_msg=name)


def test_a_recipe_with_adapters_and_back() -> None:
    recipe = with_adapters(TINY, ADAPTERS)
    assert recipe.alignment.optimizer.groups == recipe.robot.optimizer.groups
    assert without_adapters(recipe).model == TINY.model
    assert without_adapters(recipe).robot.optimizer.groups == ((".*", 1.0),)
    assert without_adapters(TINY) == TINY
    with pytest.raises(ConfigError, match="matches no weight"):
        with_adapters(TINY, lora.Config("nothing"))


def test_published_parts_and_a_draw_of_the_rest(tokenizer: Tokenizer) -> None:
    config = configs.load(resampler.Config, FIXTURES / "flamingo" / "picture.json")
    model = replace(TINY.model, resampler=config, vit=replace(TINY.model.vit, width=24, heads=2))
    recipe = replace(TINY, model=model, layout=replace(TINY.layout, latents_per_image=config.latents))
    path = FIXTURES / "flamingo" / "picture.safetensors"
    params = starting_weights(recipe, Start(published={"resampler": path}), tokenizer)
    assert params is not None
    same(params.resampler, load_resampler(path, config))
    drawn = weights.init(polymath_v.specs(model), jax.random.key(recipe.seed))
    same(params.decoder, drawn.decoder)
    with pytest.raises(ConfigError, match="--published head: no such part; choose from vit, resampler, decoder"):
        Start(published={"head": path})


def test_a_public_language_model_under_our_vocabulary(language: Path, tokenizer: Tokenizer) -> None:
    recipe = with_decoder_of(TINY, language)
    assert (recipe.model.decoder.vocabulary, recipe.model.decoder.width) == (96 + 512, 32)
    recipe = for_tokenizer(recipe, tokenizer)
    assert recipe.model.decoder.vocabulary == 2048
    assert recipe.model.action_head.width == 32
    ours = load_language(language, recipe.model.decoder, tokenizer)
    theirs = load_decoder(language, replace(recipe.model.decoder, vocabulary=96))
    same(ours.blocks, theirs.blocks)
    assert weights.count(polymath_v.specs(recipe.model).decoder) == sum(w.size for w in jax.tree.leaves(ours))
    (token,) = tokenizer.encode(" the")
    pieces = [1, 10 + 19, 10 + 7, 10 + 4]  # space, t, h, e
    assert pieces_of(tokenizer, language / "tokenizer.json")[token] == pieces
    for embedding, published in ((ours.embedding, theirs.embedding), (ours.output, theirs.output)):
        np.testing.assert_allclose(
            embedding[token], jnp.mean(published[jnp.asarray(pieces)], axis=0), rtol=1e-5, atol=1e-6
        )


def test_on_a_mesh_every_weight_is_put_in_its_place(language: Path, data: TrainingData) -> None:
    """Published, translated and drawn weights are those of a single device, cut as the sharding table says."""
    program, flamingo = Path(__file__).with_name("start_on_mesh.py"), FIXTURES / "flamingo"
    arguments = [data.tokenizer, language, flamingo / "picture.json", flamingo / "picture.safetensors"]
    environment = {
        **os.environ,
        "XLA_FLAGS": f"--xla_force_host_platform_device_count=2 {QUICK}",
        "JAX_PLATFORMS": "cpu",
    }
    command = [sys.executable, str(program), *map(str, arguments)]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    report = json.loads(ran.stdout)
    assert (report["devices"], report["different"], report["misplaced"]) == (2, [], [])
    assert report["cut"] > 10


def test_rows_without_a_text_are_drawn_alike() -> None:
    matrix = np.random.default_rng(0).normal(3.0, 2.0, (500, 8)).astype(np.float32)
    drawn = translate(matrix, [[]] * 2000, seed=1)
    np.testing.assert_allclose(drawn.mean(axis=0), matrix.mean(axis=0), atol=0.2)
    np.testing.assert_allclose(drawn.std(axis=0), matrix.std(axis=0), rtol=0.1)
    np.testing.assert_array_equal(translate(matrix, [[4], [4, 6]], 1), [matrix[4], (matrix[4] + matrix[6]) / 2])


def test_a_language_model_without_its_files(language: Path, tokenizer: Tokenizer) -> None:
    config = for_tokenizer(with_decoder_of(TINY, language), tokenizer).model.decoder
    (language / "tokenizer.json").unlink()
    with pytest.raises(CheckpointError, match=r"tokenizer\.json: no such file, or not readable"):
        load_language(language, config, tokenizer)
    (language / "tokenizer.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"tokenizer\.json: not a tokenizer file"):
        load_language(language, config, tokenizer)
    settings = json.loads((language / "config.json").read_text())
    del settings["hidden_size"]
    (language / "config.json").write_text(json.dumps(settings))
    with pytest.raises(ConfigError, match="has no field 'hidden_size'"):
        with_decoder_of(TINY, language)
    (language / "config.json").write_text("{")
    with pytest.raises(ConfigError, match="not valid JSON"):
        with_decoder_of(TINY, language)
    (language / "config.json").unlink()
    with pytest.raises(ConfigError, match="no such file; fetch the model with its"):
        with_decoder_of(TINY, language)
