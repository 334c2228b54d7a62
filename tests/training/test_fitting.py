"""Fine-tuning on a folder that the real lerobot wrote, with no other step; recipes that make room for a robot."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from polymath.cli import main
from polymath.data.robots.embodiments import ALOHA, WIDOWX
from polymath.presets.demo import TINY
from polymath.presets.polymath_v import POLYMATH_V_1B, POLYMATH_V_200M
from polymath.training.fitting import find_tokenizer, for_instructions, for_rate, for_robot, for_tokenizer
from polymath.training.recipe import Recipe
from polymath.training.run import load_example_batch, open_run

FIXTURES = Path(__file__).parents[1] / "fixtures" / "data"


@pytest.mark.parametrize("name", ["lerobot_v21_image", "lerobot_v21_video", "lerobot_v3_image", "lerobot_v3_video"])
def test_a_lerobot_folder_is_all_it_takes(name: str, tmp_path: Path) -> None:
    out = tmp_path / "run"
    train = ["train", "tiny", "--data", f"lerobot:{FIXTURES / name}", "--out", str(out), "--set", "robot.steps=2"]
    assert main([*train]) == 0
    run = open_run(out)
    assert run.embodiment.name == "test-arm"
    assert run.data.robot == (f"lerobot:{FIXTURES / name}",)
    batch = load_example_batch(out / "example_batch.safetensors")
    assert (batch.tokens != 0).any()
    assert np.isfinite([json.loads(line)["loss"] for line in (out / "metrics.jsonl").read_text().splitlines()]).all()
    assert main(train) == 0, "run again, nothing is left to do"


def test_recipes_make_room() -> None:
    model = for_robot(TINY, WIDOWX).model
    assert (model.action_head.action_dim, model.localizer) == (7, 4 * 7)
    wide = for_robot(TINY, ALOHA)
    assert (wide.layout.action_dim, wide.layout.state_dim, wide.layout.max_images) == (14, 14, 4)
    assert for_robot(wide, WIDOWX) == wide


def test_pairs_are_asked_for_when_their_phase_is(tmp_path: Path) -> None:
    train = ["train", "tiny", "--data", str(FIXTURES / "lerobot_v21_image"), "--out", str(tmp_path / "run")]
    assert main([*train, "--phases", "alignment"]) == 2


def test_the_chunk_lasts_a_second_at_the_robots_rate() -> None:
    robot = replace(WIDOWX, control_hz=30.0)
    assert for_rate(TINY, robot).layout.chunk_length == 30
    assert for_rate(for_robot(TINY, robot), robot).model.localizer == 30 * 7
    assert for_rate(TINY, replace(WIDOWX, control_hz=200.0)).layout.chunk_length == 64, "there are 64 readout tokens"
    assert for_rate(replace(TINY, chunk_seconds=None), robot) == replace(TINY, chunk_seconds=None)


def test_rows_are_as_long_as_the_longest_window() -> None:
    robot = replace(WIDOWX, control_hz=30.0)
    recipe = for_rate(for_robot(TINY, robot), robot)
    tokenizer = find_tokenizer(recipe, [], [])
    texts = ["lift it", "put the red cube into the box on the left"]
    longest = len(tokenizer.encode(texts[1]))
    # <bos> <robot> <eos>, the words, 8 latents, <state>, 30 readouts, 30 x 7 action tokens
    needed = 3 + longest + 8 + 1 + 30 + 30 * 7
    length = for_instructions(recipe, robot, tokenizer, texts).layout.length
    assert needed <= length < needed + 32


@pytest.mark.parametrize("recipe", [POLYMATH_V_200M, POLYMATH_V_1B], ids=lambda recipe: recipe.name)
def test_a_preset_with_a_large_vocabulary_takes_the_tokenizer_that_the_text_gives(recipe: Recipe) -> None:
    """As `learn` refuses to give more entries than there are pairs, the model takes as many rows."""
    tokenizer = find_tokenizer(recipe, [], ["put the red cube into the box"])
    assert tokenizer.vocab_size % 128 == 0
    assert tokenizer.vocab_size < recipe.model.decoder.vocabulary
    smaller = for_tokenizer(recipe, tokenizer)
    assert smaller.model.decoder.vocabulary == tokenizer.vocab_size
    assert smaller.control_tokens == tokenizer.control.size == recipe.control_tokens
    assert tokenizer.decode(tokenizer.encode("größer 量 🤖")) == "größer 量 🤖"
