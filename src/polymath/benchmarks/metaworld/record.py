"""Demonstrations by the scripted experts, written as a LeRobotDataset v3.0.

Every episode has a scene of its own, since a vision encoder learns from the number of different scenes. In every second
episode noise is added to the executed action while the recorded one stays the expert's answer to the state: the data
then teaches how to come back to the path (the idea of DART, Laskey et al. 2017, arXiv:1703.09327).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
from jaxtyping import Float

from polymath.benchmarks.metaworld import seeds
from polymath.benchmarks.metaworld.parallel import simulate_in_parallel, simulator
from polymath.benchmarks.metaworld.robot import EMBODIMENT
from polymath.benchmarks.metaworld.scene.renderer import renderer_identity
from polymath.benchmarks.metaworld.scene.tasks import task
from polymath.benchmarks.metaworld.scene.variation import check_split
from polymath.benchmarks.metaworld.simulator import Simulator
from polymath.data.formats.lerobot.writer import LeRobotWriter
from polymath.errors import DataError
from polymath.types import Episode

ATTEMPTS = 10
SEEDS_PER_RECORDING = 10_000


@dataclass(frozen=True)
class Job:
    """One episode to record; attempt k uses the scene of seed + k * stride."""

    task: str
    split: str
    seed: int
    stride: int
    noise: float


@dataclass(frozen=True)
class Recording:
    """What `record` wrote: failures counts, per task, the expert's failed episodes, which were drawn again."""

    path: Path
    episodes: int
    frames: int
    failures: dict[str, int] = field(default_factory=dict)


def record(
    out: Path,
    tasks: Sequence[str],
    episodes_per_task: int,
    seed: int,
    split: str = "train",
    workers: int = 2,
    image_size: int = 64,
    cameras: Sequence[str] = ("front",),
    renderer: str = "ray",
    action_noise: float = 0.3,
    video: bool = False,
) -> Recording:
    """Record `episodes_per_task` successful episodes of each task into the new directory `out`.

    The bytes do not depend on `workers`. `action_noise` is the standard deviation of the noise on dx, dy, dz (in units
    of the action, [-1, 1]). Raises ConfigError for an unknown task, split, camera or renderer, DataError if the expert
    keeps failing, PolymathError if `out` exists or the disk is full; then nothing is written.
    """
    check_split(split)
    jobs = [
        Job(
            task(name).name,
            split,
            _seed_of(seed, place * episodes_per_task + index),
            len(tasks) * episodes_per_task,
            action_noise * (index % 2),
        )
        for place, name in enumerate(tasks)
        for index in range(episodes_per_task)
    ]
    embodiment = replace(EMBODIMENT, cameras=tuple(cameras))
    metadata = {
        "simulator": f"metaworld-{version('metaworld')}",
        "renderer": renderer_identity(renderer),
        "split": split,
        "seed": seed,
        "action_noise": action_noise,
        "tasks": list(tasks),
        "episodes_per_task": episodes_per_task,
    }
    failures = dict.fromkeys(tasks, 0)
    episodes = frames = 0
    with LeRobotWriter(out, embodiment, int(EMBODIMENT.control_hz), image_size, video, metadata) as writer:
        for episode, failed in simulate_in_parallel(
            _record_job, jobs, workers, "recording", renderer, image_size, tuple(cameras)
        ):
            writer.add(episode)
            failures[episode.task] += failed
            episodes, frames = episodes + 1, frames + len(episode.actions)
    return Recording(Path(out), episodes, frames, failures)


def demonstrate(simulation: Simulator, task_name: str, split: str, seed: int, noise: float) -> tuple[Episode, bool]:
    """One episode of the expert and whether it succeeded.

    `noise` disturbs the executed, not the recorded, actions: at every step a little, and once for a few steps with full
    force in one direction. So the recording also shows how an arm that went astray comes back, say from beside a
    button that it was to press.
    """
    rng = np.random.default_rng([seed, 1])
    astray = _detour(rng) if noise else {}
    observation = simulation.reset(task_name, split, seed)
    states, actions, pictures = [], [], []
    done = success = False
    while not done:
        action = simulation.expert_action()
        states.append(observation.state)
        pictures.append(observation.images)
        actions.append(action)
        disturbed = action.copy()
        disturbed[:3] += noise * rng.standard_normal(3).astype(np.float32)
        disturbed[:3] = astray.get(len(actions), disturbed[:3])
        success, done = simulation.step(disturbed)
        if not done:
            observation = simulation.observe()
    episode = Episode(
        images={camera: np.stack([images[camera] for images in pictures]) for camera in simulation.cameras},
        states=np.stack(states),
        actions=np.stack(actions),
        instruction=simulation.instruction,
        task=task_name,
        embodiment=EMBODIMENT.name,
        metadata={"split": split, "seed": seed, "action_noise": noise, "renderer": simulation.identity},
    )
    return episode, success


def _detour(rng: np.random.Generator) -> dict[int, Float[np.ndarray, "3"]]:
    """dx, dy, dz at the control steps of a detour of up to 5 steps, each of up to 3 cm; an expert needs 5 to 25."""
    first, steps = int(rng.integers(1, 12)), int(rng.integers(2, 6))
    direction = rng.uniform(-1, 1, size=3)
    return dict.fromkeys(range(first, first + steps), (direction / np.abs(direction).max()).astype(np.float32))


def _record_job(job: Job) -> tuple[Episode, int]:
    """The job's first successful episode and the number of failures before it."""
    for attempt in range(ATTEMPTS):
        seed = (job.seed + attempt * job.stride) % len(seeds.RECORDING)
        episode, success = demonstrate(simulator(), job.task, job.split, seed, job.noise)
        if success:
            return episode, attempt
    raise DataError(
        f"task {job.task!r}, split {job.split!r}, seed {job.seed}: the scripted expert failed on {ATTEMPTS} scenes "
        f"in a row; lower action_noise ({job.noise})"
    )


def _seed_of(seed: int, index: int) -> int:
    return (seed * SEEDS_PER_RECORDING + index) % len(seeds.RECORDING)
