"""A run from a public vision tower of each family: what it holds after 20 steps, and after export and import.

The folders are toy models that transformers and timm wrote (tests/oracles/towers.py, tests/oracles/vision.py). Half a
minute of two cores each, so three of the families run with the other tests and all of them with ALL_TOWERS=1.
"""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from polymath import cli
from polymath.model.weights import load_vit, vit_config
from polymath.policy.exported import read
from polymath.specs import named
from polymath.training.checkpoints import load_params
from polymath.training.datasets import TrainingData
from polymath.training.run import open_run

FIXTURES = Path(__file__).parents[1] / "fixtures"
CLIP_PIXELS = {"image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711]}
# One layer of the decoder, one compiled program for the phase: the tower is what is looked at.
SMALL = ("model.decoder.depth=1", "model.decoder.mlp=64", "execution.unroll=1", "robot.steps=20", "robot.rows=1")
LEARNING = ('robot.optimizer.groups=[[".*", 1.0]]', "robot.optimizer.warmup_steps=1", "robot.pairs=0")
FROZEN = ("robot.pairs=0",)


def clip(place: Path) -> Path:
    folder = Path(shutil.copytree(FIXTURES / "vision" / "hf_clip_quick_gelu", place / "clip"))
    (folder / "preprocessor_config.json").write_text(json.dumps(CLIP_PIXELS))
    return folder


ALWAYS = [
    ("clip", LEARNING),
    ("dinov2_registers", FROZEN),
    ("vit_huge_plus_patch16_dinov3", LEARNING),
]
WITH_ALL_TOWERS = [
    ("paligemma", LEARNING),  # SigLIP's tower inside a whole model
    ("dinov2_swiglu", LEARNING),
    ("dinov3_gated", LEARNING),
    ("vit_base_patch16_siglip_224", LEARNING),
    ("vit_giant_patch14_dinov2", LEARNING),
]


@pytest.mark.parametrize(("name", "settings"), ALWAYS + (WITH_ALL_TOWERS if os.environ.get("ALL_TOWERS") else []))
def test_twenty_steps_export_and_back(
    name: str, settings: tuple[str, ...], data: TrainingData, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = clip(tmp_path) if name == "clip" else FIXTURES / "towers" / name
    words = ["train", "tiny", "--data", str(data.robot), "--tokenizer", str(data.tokenizer), "--phases", "robot"]
    words += ["--published", f"vit={folder}", "--out", str(tmp_path / "run"), "--set", *SMALL, *settings]
    assert cli.main(words) == 0, capsys.readouterr().err
    run = open_run(tmp_path / "run")
    assert run.recipe.model.vit == vit_config(folder)
    params = load_params(run.checkpoints("robot"), run.recipe.model, run.recipe.robot.optimizer)
    before = dict(named(load_vit(folder, run.recipe.model.vit)))
    kept = {part for part, weight in named(params.vit) if np.array_equal(weight, before[part])}
    assert kept == (set(before) if settings is FROZEN else set())
    assert all(np.isfinite(weight).all() for _, weight in named(params))

    assert cli.main(["export", str(run.path), "--out", str(tmp_path / "export")]) == 0
    _, exported = read(tmp_path / "export")
    for (part, ours), (_, weight) in zip(named(exported), named(params), strict=True):
        np.testing.assert_array_equal(np.asarray(ours), np.asarray(weight), err_msg=part)
