"""Our readers against the formats' own loaders, on the same files, per second of CPU of the process that reads.

    python benchmarks/data.py                                       ours on the tests' fixtures, to see that it runs
    python benchmarks/data.py rlds DIRECTORY [--tfds PYTHON]          steps with all pictures decoded
    python benchmarks/data.py lerobot DIRECTORY [--lerobot PYTHON]    random control steps, every camera
    python benchmarks/data.py loader PREPARED                         pictures through read, decode, augment, pack

PYTHON is the interpreter of an environment that has the other library (`make fixtures` makes .venv-tfds and
.venv-lerobot); without it only ours is measured. Each measurement runs in a process of its own after one pass that
warms the page cache; the time is user and system time of the process and its children, so it is per busy core however
loaded the machine is.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

FIXTURES = Path(__file__).parent.parent / "tests" / "fixtures" / "data"
RLDS, LEROBOT_SET = "rlds/tfrecord/bridge_dataset", "lerobot_v3_video"
STEPS = 2_000
BATCHES = 20

TFDS = """
import json, os, sys
import tensorflow_datasets as tfds
data = tfds.builder_from_directory(sys.argv[1]).as_dataset(split="train", shuffle_files=False)
def run():
    return sum(1 for episode in data for step in episode["steps"] if step["is_first"] is not None)
run()
before = os.times(); steps = sum(run() for _ in range(int(sys.argv[2]))); after = os.times()
print(json.dumps({"count": steps, "seconds": sum(after[:2]) - sum(before[:2])}))
"""

LEROBOT = """
import json, os, sys
os.environ["HF_HUB_OFFLINE"] = "1"
import numpy as np
from lerobot.datasets.lerobot_dataset import LeRobotDataset
data = LeRobotDataset("local/benchmark", root=sys.argv[1], video_backend="pyav")
order = np.random.default_rng(0).integers(0, len(data), int(sys.argv[2]))
data[0]
before = os.times()
for index in order: data[int(index)]
after = os.times()
print(json.dumps({"count": len(order), "seconds": sum(after[:2]) - sum(before[:2])}))
"""


def measured(work: Callable[[], int]) -> dict[str, float]:
    before = os.times()
    count = work()
    return {"count": count, "seconds": sum(os.times()[:4]) - sum(before[:4])}


def other(python: str | None, program: str, *arguments: str) -> dict[str, float] | None:
    if python is None:
        return None
    ran = subprocess.run(
        [python, "-W", "ignore", "-c", program, *arguments], capture_output=True, text=True, check=True
    )
    return json.loads(ran.stdout.splitlines()[-1])


def rlds(directory: Path, passes: int) -> int:
    """Every step of the set, so many times, with every camera that the data set has, as tfds decodes them all."""
    from polymath.data.images import decode
    from polymath.data.sources.rlds import RldsEpisodes
    from polymath.data.sources.rlds_schema import generic

    source = RldsEpisodes(directory)
    fields = generic(source._features, "benchmark")
    source = RldsEpisodes(directory, fields=fields)
    steps = 0
    for episode in list(range(len(source))) * passes:
        for camera in fields.images:
            for encoded in source.field(episode, camera):
                decode(encoded, camera)
        steps += len(source.actions(episode))
        source.states(episode)
    return steps


def lerobot(directory: Path, count: int) -> dict[str, float]:
    """Random control steps with their pictures and vectors, from an opened set whose cache cannot hold it."""
    from polymath.data.sources.lerobot import LeRobotEpisodes

    source = LeRobotEpisodes(directory, cache_bytes=1)  # no picture is kept
    ends = np.cumsum([len(source.actions(e)) for e in range(len(source))])
    order = np.random.default_rng(0).integers(0, ends[-1], count)

    def read(index: int) -> None:
        episode = int(np.searchsorted(ends, index, side="right"))
        step = index - (int(ends[episode - 1]) if episode else 0)
        source.frames(episode, [step])
        _ = source.states(episode)[step], source.actions(episode)[step]

    def work() -> int:
        for index in order:
            read(int(index))
        return count

    read(0)
    return measured(work)


def loader(directory: Path, batches: int) -> int:
    """Pictures that stand in the batches of 32 rows."""
    from polymath.data.augment import Augmentation
    from polymath.data.prepared import open_prepared

    prepared, pictures = open_prepared(directory, 32, 0, augmentation=Augmentation()), 0
    latents = prepared.layout.latents_per_image
    for step in range(batches):
        pictures += int((prepared.batch(step).image_index >= 0).sum()) // latents
    return pictures


def report(kind: str, ours: dict[str, float], theirs: dict[str, float] | None, unit: str) -> None:
    rate = ours["count"] / ours["seconds"]
    print(f"{kind:<10} ours   {rate:10.1f} {unit}/core-s ({ours['count']:.0f} in {ours['seconds']:.2f} s)")
    if theirs is not None:
        their_rate = theirs["count"] / theirs["seconds"]
        print(
            f"{kind:<10} theirs {their_rate:10.1f} {unit}/core-s ({theirs['count']:.0f}); ratio {rate / their_rate:.2f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=["rlds", "lerobot", "loader", "small"], nargs="?", default="small")
    parser.add_argument("directory", type=Path, nargs="?", default=FIXTURES)
    parser.add_argument("--tfds")
    parser.add_argument("--lerobot")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--passes", type=int, default=1)
    parser.add_argument("--batches", type=int, default=BATCHES)
    given = parser.parse_args()
    if given.kind == "small":
        rlds(given.directory / RLDS, 1)
        report("rlds", measured(lambda: rlds(given.directory / RLDS, 20)), None, "steps")
        report("lerobot", lerobot(given.directory / LEROBOT_SET, 100), None, "steps")
    elif given.kind == "rlds":
        rlds(given.directory, 1)
        ours = measured(lambda: rlds(given.directory, given.passes))
        report("rlds", ours, other(given.tfds, TFDS, str(given.directory), str(given.passes)), "steps")
    elif given.kind == "lerobot":
        ours = lerobot(given.directory, given.steps)
        report("lerobot", ours, other(given.lerobot, LEROBOT, str(given.directory), str(given.steps)), "steps")
    else:
        report("loader", measured(lambda: loader(given.directory, given.batches)), None, "images")


if __name__ == "__main__":
    sys.exit(main())
