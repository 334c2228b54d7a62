"""Image-text pairs from the simulator: pictures of the training scenes at many moments, captions that are true of them.

One job plays one scene, with the scripted expert or toward a random point of the workspace. To place a scene costs as
much as several pictures of it, so each gives four: two moments, each in two looks (colours, table, light, camera).
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from polymath.benchmarks.metaworld import seeds
from polymath.benchmarks.metaworld.captions.languages import LANGUAGES
from polymath.benchmarks.metaworld.captions.pointing import point
from polymath.benchmarks.metaworld.captions.sentences import caption
from polymath.benchmarks.metaworld.parallel import simulate_in_parallel, simulator
from polymath.benchmarks.metaworld.scene.facts import SceneFacts
from polymath.benchmarks.metaworld.scene.renderer import renderer_identity
from polymath.benchmarks.metaworld.scene.tasks import TASKS, task
from polymath.benchmarks.metaworld.scene.variation import draw
from polymath.benchmarks.metaworld.simulator import Simulator
from polymath.data.formats.webdataset.writer import WebDatasetWriter
from polymath.errors import ConfigError
from polymath.types import ImageText

LONGEST = 16  # control steps of a job; an expert needs 5 to 25
MOMENTS, LOOKS = 2, 2
_WORKSPACE = np.array([[-0.38, 0.42, 0.10], [0.38, 0.88, 0.36]])


@dataclass(frozen=True)
class Job:
    """One scene to photograph; everything is drawn from `seed`."""

    tasks: tuple[str, ...]
    seed: int


@dataclass(frozen=True)
class Pair:
    """A picture with its caption and the facts that its caption was written from."""

    pair: ImageText
    facts: dict[str, Any]


def write_pairs(
    out: Path,
    count: int,
    seed: int,
    workers: int = 2,
    image_size: int = 64,
    cameras: Sequence[str] = ("front",),
    renderer: str = "ray",
    samples_per_shard: int = 500,
    tasks: Sequence[str] = tuple(TASKS),
) -> int:
    """Write `count` image-text pairs of training scenes into the new directory `out` as WebDataset shards.

    The bytes do not depend on `workers`; each picture is from one of `cameras`, drawn at random. Gives the number of
    pairs. Raises ConfigError for an unknown task, camera or renderer or a count below 1; PolymathError if `out` exists
    or the disk is full, and then nothing is written.
    """
    if count < 1:
        raise ConfigError(f"pairs: {count}; ask for at least 1")
    names = tuple(task(name).name for name in tasks)
    first = (seed * 100_000) % len(seeds.RECORDING)
    scenes = -(-count // (MOMENTS * LOOKS))
    jobs = [Job(names, (first + index) % len(seeds.RECORDING)) for index in range(scenes)]
    metadata = {
        "simulator": f"metaworld-{version('metaworld')}",
        "renderer": renderer_identity(renderer),
        "split": "train",
        "seed": seed,
        "tasks": list(names),
    }
    with WebDatasetWriter(out, samples_per_shard, metadata=metadata) as writer:
        photographs = simulate_in_parallel(
            _photograph, jobs, workers, "captioned scenes", renderer, image_size, tuple(cameras)
        )
        for photo in islice(chain.from_iterable(photographs), count):
            writer.add(photo.pair, photo.facts)
    return count


def photograph(simulation: Simulator, job: Job) -> list[Pair]:
    """Place the job's scene, play up to LONGEST control steps and take MOMENTS x LOOKS pictures on the way.

    Half of the time the scripted expert plays from the hand's usual start, else the hand starts anywhere in the
    workspace and moves toward a random point of it.
    """
    rng = np.random.default_rng([job.seed, 2])
    name = job.tasks[rng.integers(len(job.tasks))]
    variation = draw(task(name).family, "train", job.seed)
    aiming = bool(rng.random() < 0.5)
    longest = (LONGEST if aiming else LONGEST // 4) // MOMENTS
    start, goal = rng.uniform(*_WORKSPACE), rng.uniform(*_WORKSPACE)
    simulation.place(name, variation if aiming else dataclasses.replace(variation, hand=tuple(start.tolist())))
    pairs: list[Pair] = []
    for _ in range(MOMENTS):
        steps = int(rng.integers(longest))
        for step in range(steps + 1):
            action = _expert(simulation, rng) if aiming else _toward(goal, simulation.state, rng)
            if step < steps:
                simulation.step(action)
        for _ in range(LOOKS):
            if pairs:
                simulation.repaint(rng)
            pairs.append(_pair(simulation, action, aiming, rng))
    return pairs


def _photograph(job: Job) -> list[Pair]:
    return photograph(simulator(), job)


def _pair(simulation: Simulator, action: Float[np.ndarray, "4"], aiming: bool, rng: np.random.Generator) -> Pair:
    camera = simulation.cameras[rng.integers(len(simulation.cameras))]
    picture = simulation.observe().images[camera]
    facts: SceneFacts = simulation.scene_description()
    text, language = caption(facts, camera, action, aiming, rng)
    extra = dataclasses.asdict(facts) | {
        "camera": camera,
        "language": language,
        "action": [round(float(value), 3) for value in action],
        "aiming": aiming,
        "pointing": dataclasses.asdict(point(facts, camera, LANGUAGES[language], rng)),
    }
    return Pair(ImageText(picture, text), extra)


def _expert(simulation: Simulator, rng: np.random.Generator) -> Float[np.ndarray, "4"]:
    action = simulation.expert_action()
    action[:3] = np.clip(action[:3] + 0.2 * rng.standard_normal(3), -1, 1)
    return action


def _toward(goal: Float[np.ndarray, "3"], state: Float[np.ndarray, "4"], rng: np.random.Generator) -> np.ndarray:
    """Move the hand to `goal`, opening or closing the gripper at random."""
    grip = rng.choice([-1.0, 1.0])
    return np.append(np.clip(10 * (goal - state[:3]), -1, 1), grip).astype(np.float32)
