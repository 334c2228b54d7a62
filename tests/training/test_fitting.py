"""Fine-tuning on a folder that the real lerobot wrote, with no other step; recipes that make room for a robot."""

import json
from pathlib import Path

import numpy as np
import pytest

from polymath.cli import main
from polymath.data.robots.embodiments import ALOHA, WIDOWX
from polymath.presets.demo import TINY
from polymath.training.fitting import for_robot
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
