"""The embedded benchmark: Meta-World tasks on held-out layouts, with known and never-seen objects and surroundings.

split               layouts             objects, colours    table, light, cameras, distractors
seen                never recorded      as in training      as in training
novel_objects       never recorded      never in training   as in training
novel_environments  never recorded      as in training      never in training

OUT/results.json                  split -> policy -> rate and interval (see `results.py`)
OUT/episodes/POLICY.jsonl         every episode (see `episode_log.py`)
OUT/videos/POLICY/TASK.mp4        the first seen episode of each task
"""

import re
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from polymath.benchmarks.metaworld import seeds
from polymath.benchmarks.metaworld.scene.tasks import TASKS, task
from polymath.errors import ConfigError
from polymath.evaluation.episode_log import EpisodeLog, Identity
from polymath.evaluation.progress import EpisodeProgress
from polymath.evaluation.results import Results, summarise, update_results
from polymath.evaluation.rollout import EpisodeKey, EpisodeResult, Policy, run_episodes
from polymath.evaluation.video import upscale, write_mp4
from polymath.workers.pool import WorkerCommand, WorkerPool

NAME = "metaworld"
WORKER = "polymath.benchmarks.metaworld.worker"

SPLITS: dict[str, tuple[str, str]] = {
    "seen": ("Seen tasks", "layouts never recorded"),
    "novel_objects": ("Novel objects", "colours, sizes and shapes never trained on"),
    "novel_environments": ("Novel environments", "table, light, camera pose and distractors never trained on"),
}
"""split -> title and description, in the order of every table."""

_SEEDS_PER_BLOCK = 1000
_VIDEO_PIXELS = 256


@dataclass(frozen=True)
class MetaWorldConfig:
    """What is evaluated; `workers` and `slots` (simulators per worker process) change the speed, never the results.

    episodes  per task and split        execute  actions executed of each chunk before the policy is asked again
    seed      chooses a block of 1000 held-out layouts; `python` the interpreter that has the simulator
    """

    tasks: tuple[str, ...] = tuple(TASKS)
    splits: tuple[str, ...] = tuple(SPLITS)
    episodes: int = 10
    execute: int = 2
    seed: int = 0
    renderer: str = "ray"
    image_size: int = 64
    cameras: tuple[str, ...] = ("front",)
    workers: int = 2
    slots: int = 8
    python: str = sys.executable


def episode_keys(config: MetaWorldConfig) -> list[EpisodeKey]:
    """All episodes of the evaluation. Raises ConfigError naming the field that is out of range."""
    for name in config.tasks:
        task(name)
    for split in config.splits:
        if split not in SPLITS:
            raise ConfigError(f"split {split!r}: choose from {', '.join(SPLITS)}")
    blocks = len(seeds.EVALUATION) // _SEEDS_PER_BLOCK
    if not 1 <= config.episodes <= _SEEDS_PER_BLOCK or not 0 <= config.seed < blocks:
        raise ConfigError(
            f"episodes {config.episodes}, seed {config.seed}: choose 1 to {_SEEDS_PER_BLOCK} episodes per task and "
            f"split, and a seed from 0 to {blocks - 1}"
        )
    first = seeds.EVALUATION.start + config.seed * _SEEDS_PER_BLOCK
    layouts = range(first, first + config.episodes)
    return [EpisodeKey(name, split, seed) for split in config.splits for name in config.tasks for seed in layouts]


def evaluate_metaworld(
    policy: Policy,
    out: Path,
    config: MetaWorldConfig,
    checkpoint: str = "",
    trained_on: str | None = None,
    allow_mixed_renderers: bool = False,
) -> Results:
    """Run `policy` on the benchmark and return all results in OUT, this policy's included.

    Episodes already in OUT/episodes are not run again, so an interrupted evaluation goes on where it stopped.
    `checkpoint` says which weights the policy has; `trained_on` is the renderer identity of its training data.
    Raises ConfigError if pictures of another renderer would be mixed in (unless `allow_mixed_renderers`), or if OUT
    holds episodes of this policy under another configuration; WorkerError if a simulator fails.
    """
    if not re.fullmatch(r"[\w.-]+", policy.name):
        raise ConfigError(f"policy name {policy.name!r}: it names files, so use letters, digits, '.', '_' and '-' only")
    keys = episode_keys(config)
    with WorkerPool(worker_command(config), config.workers) as pool:
        renderer = pool.hello.renderer
        if trained_on not in (None, renderer) and not allow_mixed_renderers:
            raise ConfigError(
                f"policy {policy.name}: trained on pictures of {trained_on!r}, but this evaluation renders with "
                f"{renderer!r}; choose the training renderer, or allow mixing explicitly"
            )
        identity = Identity(
            benchmark=NAME,
            policy=policy.name,
            checkpoint=checkpoint,
            renderer=renderer,
            image_size=config.image_size,
            cameras=config.cameras,
            execute=config.execute,
            max_steps=pool.hello.max_steps,
        )
        log = EpisodeLog(Path(out) / "episodes" / f"{policy.name}.jsonl", identity)
        videos = Path(out) / "videos" / policy.name
        _run(policy, pool, [key for key in keys if key not in log.results], config, log, videos)
    entries = summarise(identity, [log.results[key] for key in keys])
    return update_results(Path(out) / "results.json", entries, allow_mixed_renderers)


def worker_command(config: MetaWorldConfig) -> WorkerCommand:
    """How a worker of this evaluation is started."""
    options = ("--renderer", config.renderer, "--image-size", str(config.image_size), "--slots", str(config.slots))
    return WorkerCommand(WORKER, (*options, "--cameras", *config.cameras), config.python)


def _run(
    policy: Policy, pool: WorkerPool, keys: list[EpisodeKey], config: MetaWorldConfig, log: EpisodeLog, videos: Path
) -> None:
    first = episode_keys(config)[0].seed
    with EpisodeProgress(f"{NAME} · {policy.name}", len(keys)) as progress:

        def keep(result: EpisodeResult, frames: np.ndarray) -> None:
            if len(frames):
                _write_video(videos / f"{result.key.task}.mp4", result, frames, fps=pool.hello.control_hz / 2)
            log.append(result)
            progress.add(result.success)

        run_episodes(policy, pool, keys, config.execute, keep, lambda key: key.split == "seen" and key.seed == first)


def _write_video(path: Path, result: EpisodeResult, frames: np.ndarray, fps: float) -> None:
    outcome = f"{'success' if result.success else 'no success'} after {result.steps} control steps"
    write_mp4(path, upscale(frames, _VIDEO_PIXELS), fps, title=result.instruction, comment=outcome)
