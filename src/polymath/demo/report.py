"""The demonstration's page: results, curves, videos, attention, parameters, stages, commands."""

import datetime
import os
import platform
from importlib.metadata import version
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from polymath.benchmarks.metaworld.benchmark import BENCHMARK
from polymath.data.formats.lerobot.reader import LeRobotEpisodes
from polymath.demo.journal import Journal
from polymath.demo.processes import Usage
from polymath.demo.settings import BASELINES, POLICY, RANDOM
from polymath.demo.stages import stages
from polymath.evaluation.episode_log import read_episodes
from polymath.evaluation.report.data import AttentionPicture, ReportData, find_failures, find_videos, read_curves
from polymath.evaluation.report.data import Stage as ReportStage
from polymath.evaluation.report.page import write_report
from polymath.evaluation.results import load_results
from polymath.model import polymath_v
from polymath.planning.count import count_by_part
from polymath.policy.policy import Policy

PICTURES = 3
PACKAGES = ("polymath-v", "jax", "optax", "metaworld", "mujoco", "numpy")


def write_demo_report(out: Path, journal: Journal) -> None:
    """Write OUT/report.html from what the stages left in OUT."""
    settings, todo = journal.settings, stages(journal.settings, out)
    policy = Policy.load(out / POLICY)
    titles = {stage.name: stage.title for stage in todo}
    names = (POLICY, *BASELINES, RANDOM)
    episodes = {name: read_episodes(out / "episodes" / f"{name}.jsonl")[1] for name in names}
    data = ReportData(
        title="Polymath-V demo",
        policy=POLICY,
        results=load_results(out / "results.json"),
        splits=dict(BENCHMARK.splits),
        source="Scripted-expert demonstrations on Meta-World",
        success="Meta-World's own success measure held",
        episodes=episodes,
        failures=find_failures(out / "videos" / POLICY, episodes[POLICY]),
        curves=tuple(read_curves(out / name / "metrics.jsonl", name) for name in (POLICY, *BASELINES)),
        videos=find_videos(out / "videos" / POLICY),
        attention=_attention(policy, out / "demonstrations"),
        parameters={part: n for part, n in count_by_part(policy.run.recipe.model).items() if part != "total"},
        stages=tuple(
            ReportStage(titles[name], *_figures(usage)) for name, usage in journal.stages.items() if name in titles
        ),
        whole=ReportStage("whole run", *_figures(journal.whole)),
        commands=tuple("polymath " + " ".join(stage.command) for stage in todo),
        seeds={"demo": settings.seed},
        machine=f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, {jax.default_backend()}",
        versions={name: version(name) for name in PACKAGES},
        created=datetime.date.today().isoformat(),
    )
    write_report(data, out / "report.html")


def _figures(usage: Usage) -> tuple[float, float, int]:
    return usage.wall_seconds, usage.cpu_seconds, usage.peak_memory


def _attention(policy: Policy, episodes: Path) -> tuple[AttentionPicture, ...]:
    """Where the latents of the last resampler layer look in the first pictures of episodes of different tasks."""
    recorded = LeRobotEpisodes(episodes)
    chosen = np.linspace(0, len(recorded) - 1, PICTURES).astype(int)
    images = np.stack([recorded.frames(int(i), [0])[0, 0] for i in chosen])
    attention = np.asarray(polymath_v.latent_attention(policy.params, policy.run.recipe.model, jnp.asarray(images)))
    return tuple(
        AttentionPicture(image, weights, recorded.instruction(int(i)))
        for i, image, weights in zip(chosen, images, attention, strict=True)
    )
