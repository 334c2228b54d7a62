"""How many documents a second one core loads: reading, decoding, augmenting, packing, from files on disk.

    python benchmarks/data_loader.py [--json]

Writes a LeRobot data set (pictures and video) and WebDataset shards of 64-pixel pictures into a temporary directory,
then draws batches of 32 rows of 256 tokens (Q = 16, two cameras, about five documents a row). The rate is documents per
second of CPU time of the whole process, so it is per busy core. The first epoch decodes every picture, later ones find
those of the LeRobot sets in the reader's cache.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np

from polymath.data.formats.lerobot.reader import LeRobotEpisodes
from polymath.data.formats.lerobot.writer import LeRobotWriter
from polymath.data.formats.webdataset.reader import WebDatasetPairs
from polymath.data.formats.webdataset.writer import WebDatasetWriter
from polymath.data.loading.loader import Loader, Source
from polymath.data.loading.on_the_fly import OnTheFly
from polymath.data.robots import statistics
from polymath.data.sequences.augment import Augmentation
from polymath.data.sequences.documents import Documents, PairDocuments, WindowDocuments
from polymath.data.sequences.packing import Sizes, pack
from polymath.data.sequences.sequence import Layout
from polymath.data.sequences.transforms import RobotTransform
from polymath.tokenizer import ControlTokens, Tokenizer, corpus, train
from polymath.types import Batch, Embodiment, Episode, ImageText

ROBOT = Embodiment("arm", 0, ("front", "wrist"), ("x", "y", "z", "g"), ("dx", "dy", "dz", "g"), (3,), 20.0)
COLOURS = ("red", "green", "blue", "yellow", "purple", "orange")
THINGS = ("cube", "cup", "drawer", "door", "sponge", "bottle")
ROWS = 32


def pictures(rng: np.random.Generator, count: int) -> np.ndarray:
    """Smooth shading, a moving square and sensor noise: about as hard to decode as a rendered scene."""
    y, x = np.mgrid[:64, :64]
    shade = np.stack([x + 60, y + 80, (x + y) // 2 + 90], axis=-1)
    result = np.clip(shade + rng.normal(0, 2, (count, 64, 64, 3)), 0, 255).astype(np.uint8)
    for i, (row, column) in enumerate(rng.integers(0, 52, (count, 2))):
        result[i, row : row + 12, column : column + 12] = rng.integers(0, 256, 3)
    return result


def write(out: Path, rng: np.random.Generator, episodes: int, pairs: int) -> None:
    for video in (False, True):
        with LeRobotWriter(out / ("video" if video else "image"), ROBOT, 20, 64, video) as writer:
            for i in range(episodes):
                steps = int(rng.integers(40, 60))
                views = {camera: pictures(rng, steps) for camera in ROBOT.cameras}
                states, actions = rng.normal(size=(steps, 4)), rng.uniform(-1, 1, (steps, 4))
                instruction = f"pick up the {COLOURS[i % 6]} {THINGS[i // 6 % 6]}"
                writer.add(
                    Episode(views, states.astype(np.float32), actions.astype(np.float32), instruction, "pick", "arm")
                )
    with WebDatasetWriter(out / "pairs") as shards:
        for image in pictures(rng, pairs):
            a, b = rng.integers(0, 6, 2), rng.integers(0, 6, 2)
            text = f"the {COLOURS[a[0]]} {THINGS[b[0]]} is to the left of the {COLOURS[a[1]]} {THINGS[b[1]]}"
            shards.add(ImageText(image, text[: int(rng.integers(20, len(text)))]))


def documents(out: Path, layout: Layout, tokenizer: Tokenizer) -> dict[str, Documents]:
    augmentation = Augmentation()
    sets: dict[str, Documents] = {
        "pairs (WebDataset, JPEG)": PairDocuments(WebDatasetPairs(out / "pairs"), layout, tokenizer, augmentation)
    }
    for kind in ("image", "video"):
        episodes = LeRobotEpisodes(out / kind)
        transform = RobotTransform(layout, tokenizer, ROBOT, statistics.of_episodes(episodes))
        name = f"windows (LeRobot, {'PNG' if kind == 'image' else 'h264'})"
        sets[name] = WindowDocuments(episodes, transform, augmentation)
    return sets


def measure(loader: Loader) -> dict[str, float]:
    """Documents a second over the rows of the first epoch, and over as many rows after three epochs."""
    rows = max(loader.rows_per_epoch().values())
    steps = max(2, rows // ROWS)
    loader.batch(4 * steps)  # plans and pools are made once
    rates = {"first_epoch": rate(loader, range(steps)), "later": rate(loader, range(3 * steps, 4 * steps))}
    return {**rates, "documents_per_row": sum(count(loader.batch(i)) for i in range(2)) / (2 * ROWS)}


def rate(loader: Loader, steps: range) -> float:
    start = time.process_time()
    total = sum(count(loader.batch(step)) for step in steps)
    return total / (time.process_time() - start)


def count(batch: Batch) -> int:
    """Documents of a batch."""
    return int(batch.segment_ids.max(axis=1).sum())


def packing_seconds(count: int = 100_000) -> float:
    rng = np.random.default_rng(0)
    sizes = Sizes(rng.integers(20, 4000, count), rng.integers(0, 9, count), rng.integers(0, 2, count))
    start = time.process_time()
    pack(sizes, Layout(length=4096, max_images=64, max_control_steps=32))
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    layout = Layout()
    tokenizer = train(corpus.shipped(), 2048, ControlTokens(512))
    with tempfile.TemporaryDirectory() as name:
        write(Path(name), np.random.default_rng(0), episodes=60, pairs=3000)
        parts = documents(Path(name), layout, tokenizer)
        mixtures = {part: [Source(OnTheFly(documents, layout))] for part, documents in parts.items()}
        pairs, windows, _ = documents(Path(name), layout, tokenizer).values()  # opened anew: nothing is in the cache
        mixtures["mixture 1:1 (JPEG, PNG)"] = [Source(OnTheFly(documents, layout)) for documents in (pairs, windows)]
        results = {part: measure(Loader(s, layout, ROWS, seed=0)) for part, s in mixtures.items()}
    packing = packing_seconds()
    if arguments.json:
        print(json.dumps({"documents_per_core_second": results, "packing_seconds_100k": packing}, indent=2))
        return
    for part, rates in results.items():
        first, later, per_row = rates.values()
        print(f"{part:26} {first:6.0f} documents/s in the first epoch, {later:6.0f} later, {per_row:.1f} a row")
    print(f"packing 100,000 documents of 60,000 distinct sizes: {packing:.2f} CPU seconds")


if __name__ == "__main__":
    main()
