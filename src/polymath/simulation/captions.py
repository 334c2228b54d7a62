"""Image-text pairs from the simulator: pictures of the training scenes at many moments, captions that are true of them.

One job plays one scene, with the scripted expert or toward random points of the workspace, and gives a few pairs.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from polymath.data.webdataset_writer import WebDatasetWriter
from polymath.errors import ConfigError
from polymath.simulation import seeds
from polymath.simulation.facts import SceneFacts
from polymath.simulation.languages import LANGUAGES
from polymath.simulation.metaworld import Simulator
from polymath.simulation.parallel import simulate_in_parallel, simulator
from polymath.simulation.pointing import point
from polymath.simulation.renderer import renderer_identity
from polymath.simulation.sentences import caption
from polymath.simulation.tasks import TASKS, task
from polymath.types import ImageText

PAIRS_PER_SCENE = 2
_LONGEST = 36
_WORKSPACE = np.array([[-0.38, 0.42, 0.10], [0.38, 0.88, 0.36]])
_WAYPOINT_STEPS = 8


@dataclass(frozen=True)
class Job:
    """One scene to photograph `count` times; everything is drawn from `seed`."""

    tasks: tuple[str, ...]
    seed: int
    count: int


@dataclass(frozen=True)
class Pair:
    """A picture with its caption and what the caption was made of."""

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
    jobs = [
        Job(names, first + index, min(PAIRS_PER_SCENE, count - index * PAIRS_PER_SCENE))
        for index in range(-(-count // PAIRS_PER_SCENE))
    ]
    metadata = {
        "simulator": f"metaworld-{version('metaworld')}",
        "renderer": renderer_identity(renderer),
        "split": "train",
        "seed": seed,
        "tasks": list(names),
    }
    with WebDatasetWriter(out, samples_per_shard, metadata=metadata) as writer:
        for pairs in simulate_in_parallel(
            _photograph, jobs, workers, "captioned pictures", renderer, image_size, tuple(cameras)
        ):
            for made in pairs:
                writer.add(made.pair, made.facts)
    return count


def photograph(simulation: Simulator, job: Job) -> list[Pair]:
    """Play the job's scene and take its pictures at `count` different control steps."""
    rng = np.random.default_rng([job.seed, 2])
    name = job.tasks[rng.integers(len(job.tasks))]
    simulation.reset(name, "train", job.seed % len(seeds.RECORDING))
    aiming = bool(rng.random() < 0.5)
    moments = set(rng.choice(_LONGEST, size=job.count, replace=False).tolist())
    if aiming:  # the expert needs 5 to 25 steps
        moments = set(rng.choice(24, size=job.count, replace=False).tolist())
    pairs: list[Pair] = []
    goal = rng.uniform(*_WORKSPACE)
    for step in range(max(moments) + 1):
        if step % _WAYPOINT_STEPS == 0:
            goal = rng.uniform(*_WORKSPACE)
        action = _expert(simulation, rng) if aiming else _toward(goal, simulation.state, rng)
        if step in moments:
            pairs.append(_pair(simulation, action, aiming, rng))
        simulation.step(action)
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
