"""Report data for the tests of this folder."""

import json
from dataclasses import replace

import numpy as np
import pytest

from polymath.evaluation.episode_log import Identity
from polymath.evaluation.episode_result import EpisodeResult
from polymath.evaluation.report import AttentionPicture, ReportData, Stage
from polymath.evaluation.report.data import find_videos, read_curves
from polymath.evaluation.results import summarise
from polymath.evaluation.rollout import EpisodeKey
from polymath.evaluation.video import upscale, write_mp4

TASKS = ("reach-left", "faucet-open")
SPLITS = {"seen": ("Seen tasks", "layouts never recorded"), "novel_objects": ("Novel objects", "never trained on")}
IDENTITY = Identity("metaworld", "polymath-v", "demo, robot phase, step 400", "mujoco-3.3.0/ray", 64, ("front",), 2, 55)
SUCCESSES = {"polymath-v": 7, "no-language": 4, "random": 0}


@pytest.fixture(scope="session")
def report_data(tmp_path_factory) -> ReportData:
    """All sections filled; 10 episodes a task, of which each policy solves as many as SUCCESSES says."""
    directory = tmp_path_factory.mktemp("report")
    results: dict = {}
    for policy, solved in SUCCESSES.items():
        episodes = [
            EpisodeResult(EpisodeKey(task, split, seed), seed < solved, 20, 1.0, "do it")
            for split in SPLITS
            for task in TASKS
            for seed in range(10)
        ]
        for split, entry in summarise(replace(IDENTITY, policy=policy), episodes).items():
            results.setdefault(split, {})[policy] = entry
    rng = np.random.Generator(np.random.PCG64(0))
    for task in TASKS:
        frames = rng.integers(0, 255, (12, 64, 64, 3), dtype=np.uint8)
        path = directory / "videos" / f"{task}.mp4"
        write_mp4(
            path, upscale(frames, 256), 10, title=f"instruction of {task}", comment="success after 9 control steps"
        )
    metrics = directory / "metrics.jsonl"
    rows = [
        {"phase": phase, "step": step, "loss": 5 / step, "cross_entropy": 4 / step, "mse": (phase == "robot") / step}
        for phase in ("alignment", "robot")
        for step in range(1, 40)
    ]
    metrics.write_text("".join(json.dumps(row) + "\n" for row in rows))
    image = rng.integers(0, 255, (64, 64, 3), dtype=np.uint8)
    attention = rng.dirichlet(np.ones(64), size=8).astype(np.float32)
    return ReportData(
        title="Demo <run>",
        policy="polymath-v",
        results=results,
        splits=SPLITS,
        source="Scripted-expert demonstrations on Meta-World",
        success="Meta-World's own success measure held",
        curves=(read_curves(metrics, "polymath-v"),),
        videos=find_videos(directory / "videos"),
        attention=(AttentionPicture(image, attention, "reach-left"),),
        parameters={"decoder": 300_000, "vision": 100_000},
        stages=(Stage("record", 60, 110, 2**30), Stage("train", 120, 230, 3 * 2**30)),
        whole=Stage("whole run", 150, 340, 4 * 2**30),
        commands=("polymath eval metaworld --policy runs/demo",),
        seeds={"training": 7},
        machine="2 cores",
        versions={"jax": "0.10.2"},
        created="2026-11-23",
    )
