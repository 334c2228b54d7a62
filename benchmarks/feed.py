"""Does the loader feed a model on one GPU? Pictures a second from LeRobot video, against what the training step needs.

    python benchmarks/feed.py [--preset polymath_v_600m] [--cards rtx4090 h100] [--cores 2] [--seconds 30] [--json]

Writes a LeRobot set of an arm with two cameras twice into a temporary directory, as H.264 and as AV1 (a key frame every
other frame, as lerobot writes both), and draws the batches of the preset's robot phase as `polymath train` does: frames
of random windows are decoded, fitted to the model's size, cropped and packed. No picture is kept, as of a set that is
larger than the reader's cache.

The need is what a step takes in at the planner's step time: `polymath plan PRESET --topology CARD:1`. The rate is per
second of CPU time of the whole process, times the cores, so that a busy machine does not change it much; the rate on
the clock and the load stand beside it.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from polymath.data.files.video_writer import RANDOM_ACCESS
from polymath.data.formats.lerobot import writer as lerobot
from polymath.data.formats.lerobot.reader import LeRobotEpisodes
from polymath.data.loading.loader import Loader, Source
from polymath.data.loading.on_the_fly import OnTheFly
from polymath.data.robots import statistics
from polymath.data.sequences.documents import WindowDocuments
from polymath.data.sequences.transforms import RobotTransform
from polymath.planning.estimate import estimate
from polymath.planning.request import Request, prepare
from polymath.presets import preset
from polymath.tokenizer import ControlTokens, Tokenizer, corpus, train
from polymath.training.fitting import for_rate, for_robot
from polymath.training.recipe import Recipe
from polymath.types import Embodiment, Episode

JOINTS = ("pan", "lift", "elbow", "flex", "roll", "gripper")
ROBOT = Embodiment("arm", 0, ("front", "wrist"), JOINTS, JOINTS, (5,), 30.0)
NO_CACHE = 1  # byte


def scene(rng: np.random.Generator, steps: int, size: int) -> UInt8[np.ndarray, "T size size 3"]:
    """A still texture at every scale, a square that moves across it, and a camera's noise."""
    still = np.full((size, size, 3), 128.0)
    for cells, strength in ((4, 60), (16, 30), (64, 12)):
        layers = [Image.fromarray(rng.normal(0, 1, (cells, cells)).astype(np.float32)) for _ in range(3)]
        still += strength * np.stack(
            [np.asarray(layer.resize((size, size), Image.Resampling.BICUBIC)) for layer in layers], -1
        )
    frames = np.repeat(still[None], steps, axis=0)
    start, end = rng.integers(0, 3 * size // 4, (2, 2))
    for step, share in enumerate(np.linspace(0, 1, steps)):
        row, column = (start + share * (end - start)).astype(int)
        frames[step, row : row + size // 6, column : column + size // 6] = (200, 60, 40)
    return np.clip(frames + rng.normal(0, 2, frames.shape), 0, 255).astype(np.uint8)


def write(place: Path, size: int, episodes: int, steps: int) -> None:
    """The same episodes as H.264 and as AV1."""
    for encoding in RANDOM_ACCESS:
        rng = np.random.default_rng(0)
        with mock.patch.object(lerobot, "choose_encoding", return_value=encoding):
            recorder = lerobot.LeRobotWriter(place / encoding.name, ROBOT, int(ROBOT.control_hz), size, video=True)
        with recorder:
            for number in range(episodes):
                views = {camera: scene(rng, steps, size) for camera in ROBOT.cameras}
                moves = rng.uniform(-1, 1, (2, steps, len(JOINTS))).astype(np.float32)
                recorder.add(Episode(views, moves[0], moves[1], f"put the part into box {number % 5}", "put", "arm"))


def loader_of(path: Path, recipe: Recipe, tokenizer: Tokenizer) -> Loader:
    """The rows of the robot phase on this set alone."""
    layout = recipe.phase_layout("robot")
    episodes = LeRobotEpisodes(path, image_size=layout.image_size, cache_bytes=NO_CACHE)
    transform = RobotTransform(layout, tokenizer, ROBOT, statistics.of_episodes(episodes))
    documents = WindowDocuments(episodes, transform, recipe.augmentation)
    return Loader([Source(OnTheFly(documents, layout))], layout, recipe.robot.rows, seed=0)


def measure(loader: Loader, cores: int, seconds: float) -> dict[str, float]:
    """Pictures and windows a second, and how many a step holds; one thread a core reads ahead."""
    batches = loader.iterate(threads=cores, ahead=cores)
    next(batches)
    windows = steps = 0
    cpu, clock = time.process_time(), time.perf_counter()
    while time.perf_counter() - clock < seconds:
        windows += int(next(batches).segment_ids.max(axis=1).sum())
        steps += 1
    cpu, clock = time.process_time() - cpu, time.perf_counter() - clock
    images = windows * len(ROBOT.cameras)
    return {
        "windows_a_step": windows / steps,
        "images_a_core_second": images / cpu,
        "images_a_second": cores * images / cpu,
        "images_a_second_on_the_clock": images / clock,
        "cores_busy": cpu / clock,
    }


def step_seconds(recipe: Recipe, card: str) -> float:
    """The planner's, at its middle efficiencies."""
    _, plan = prepare(recipe, Request(f"{card}:1"))
    return float(estimate(plan)["step_seconds"])


def processor() -> str:
    names = (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name"))
    return next(names, "an unknown processor")


def _lines(path: str) -> Iterator[str]:
    if Path(path).exists():
        yield from Path(path).read_text().splitlines()


def compare(options: argparse.Namespace) -> dict[str, Any]:
    recipe = for_rate(for_robot(preset(options.preset), ROBOT), ROBOT)
    tokenizer = train(corpus.shipped(), 2048, ControlTokens(recipe.control_tokens))
    steps = {card: step_seconds(recipe, card) for card in options.cards}
    size = options.size or recipe.layout.image_size
    before, rates = os.getloadavg()[0], {}
    with tempfile.TemporaryDirectory() as name:
        write(Path(name), size, options.episodes, options.steps)
        for encoding in RANDOM_ACCESS:
            rates[encoding.name] = measure(
                loader_of(Path(name) / encoding.name, recipe, tokenizer), options.cores, options.seconds
            )
    for rate in rates.values():
        images = rate["windows_a_step"] * len(ROBOT.cameras)
        rate |= {f"need_of_{card}": images / seconds for card, seconds in steps.items()}
        rate |= {
            f"times_the_need_of_{card}": rate["images_a_second"] * seconds / images for card, seconds in steps.items()
        }
    machine = {"processor": processor(), "cores": options.cores, "load": [before, os.getloadavg()[0]]}
    return {"preset": recipe.name, "stored_pixels": size, **machine, "step_seconds": steps, "rates": rates}


def shown(report: dict[str, Any]) -> str:
    """A Markdown table, and under what it was measured."""
    cards = list(report["step_seconds"])
    heads = [part for card in cards for part in (f"need of {card}", "times")]
    lines = [
        "| video | images/s | on the clock | " + " | ".join(heads) + " |",
        "| --- |" + " ---: |" * (2 + len(heads)),
    ]
    for name, rate in report["rates"].items():
        needs = [f"{rate[f'need_of_{card}']:.0f} | {rate[f'times_the_need_of_{card}']:.1f}" for card in cards]
        numbers = f"{rate['images_a_second']:.0f} | {rate['images_a_second_on_the_clock']:.0f}"
        lines.append(f"| {name} | {numbers} | " + " | ".join(needs) + " |")
    steps = ", ".join(f"{card} {1000 * seconds:.0f} ms" for card, seconds in report["step_seconds"].items())
    windows = next(iter(report["rates"].values()))["windows_a_step"]
    low, high = sorted(report["load"])
    busy = min(rate["cores_busy"] for rate in report["rates"].values())
    shared = f"; the machine was loaded: {busy:.1f} of them were to be had" if busy < 0.9 * report["cores"] else ""
    return "\n".join(
        [
            *lines,
            f"{report['preset']}, {windows:.1f} windows of two cameras a step, planned steps: {steps}",
            f"stored at {report['stored_pixels']} pixels; {report['cores']} cores of {report['processor']}, load "
            f"{low:.1f} to {high:.1f}{shared}",
        ]
    )


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="polymath_v_600m")
    parser.add_argument("--cards", nargs="+", default=["rtx4090", "h100"])
    parser.add_argument("--cores", type=int, default=2, help="threads, and the cores that the rate is given for")
    parser.add_argument("--seconds", type=float, default=30.0, help="of each set, on the clock")
    parser.add_argument("--size", type=int, help="pixels of the stored pictures, instead of the model's")
    parser.add_argument("--episodes", type=int, default=12)
    parser.add_argument("--steps", type=int, default=150, help="control steps of an episode")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(words)
    report = compare(options)
    print(json.dumps(report, indent=2) if options.json else shown(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
