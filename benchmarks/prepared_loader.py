"""How many pictures a second one core loads from prepared shards, and what one of 128 hosts of the reference run needs.

    python benchmarks/prepared_loader.py [--seconds 20] [--json]

Prepares image-text pairs and LeRobot episodes of 224-pixel pictures into rows of 4,096 tokens, as for the reference
run, in a temporary directory, then draws the 16 rows a step that one of 128 hosts has: read, decode, augment (crop,
shift, colour), lay out. Rates are per second of CPU time of the whole process, so per busy core; the seconds on the
clock stand beside them. The files are in the page cache.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from polymath.data.formats.lerobot.writer import LeRobotWriter
from polymath.data.formats.webdataset.writer import WebDatasetWriter
from polymath.data.loading.loader import Loader
from polymath.data.loading.prepared import open_prepared
from polymath.data.prepare.pipeline import prepare
from polymath.data.prepare.settings import Settings
from polymath.data.sequences.augment import Augmentation
from polymath.planning.reference_mix import LAYOUT, Demand
from polymath.presets.polymath_v import POLYMATH_V_30B
from polymath.tokenizer import ControlTokens, corpus, train
from polymath.types import Embodiment, Episode, ImageText

ROBOT = Embodiment("arm", 0, ("front", "wrist"), ("x", "y", "z", "g"), ("dx", "dy", "dz", "g"), (3,), 20.0)
SIZE = LAYOUT.image_size
WORDS = ("red", "green", "blue", "cup", "cube", "door", "left", "right", "near", "far", "one", "two")


def picture(rng: np.random.Generator) -> np.ndarray:
    """Texture at every scale (noise of 4, 16, 64 and 224 pixels), about as large as a JPEG as a photograph is."""
    total = np.full((SIZE, SIZE, 3), 128.0)
    for cells, strength in ((4, 60), (16, 30), (64, 12), (SIZE, 4)):
        noise = rng.normal(0, 1, (cells, cells, 3)).astype(np.float32)
        layers = [Image.fromarray(noise[..., c]).resize((SIZE, SIZE), Image.Resampling.BICUBIC) for c in range(3)]
        total += strength * np.stack([np.asarray(layer) for layer in layers], axis=-1)
    return np.clip(total, 0, 255).astype(np.uint8)


def write(place: Path, pairs: int, episodes: int) -> Path:
    rng = np.random.default_rng(0)
    with WebDatasetWriter(place / "pairs") as writer:
        for _ in range(pairs):
            writer.add(ImageText(picture(rng), " ".join(rng.choice(WORDS, int(rng.integers(10, 50))))))
    with LeRobotWriter(place / "episodes", ROBOT, 20, SIZE) as recorder:
        for _ in range(episodes):
            views = {camera: np.stack([picture(rng) for _ in range(10)]) for camera in ROBOT.cameras}
            states, actions = (
                rng.normal(size=(10, 4)).astype(np.float32),
                rng.uniform(-1, 1, (10, 4)).astype(np.float32),
            )
            recorder.add(Episode(views, states, actions, "put the cup near the door", "put", "arm"))
    train(corpus.shipped(), 2048, ControlTokens(512)).save(place / "tokenizer.json")
    sources = [f"webdataset:{place / 'pairs'}", f"lerobot:{place / 'episodes'}"]
    prepare(sources, place / "tokenizer.json", LAYOUT, place / "prepared", Settings(), workers=2)
    return place / "prepared"


def measure(loader: Loader, rows: int, seconds: float) -> dict[str, float]:
    """Pictures and rows a second over batches of `rows` rows, for at least that many seconds."""
    loader.batch(0, range(1))  # files are opened once
    pictures = step = 0
    cpu, clock = time.process_time(), time.perf_counter()
    while time.perf_counter() - clock < seconds:
        pictures += int((loader.batch(step).image_index >= 0).sum()) // LAYOUT.latents_per_image
        step += 1
    cpu, clock = time.process_time() - cpu, time.perf_counter() - clock
    return {
        "pictures_a_core_second": pictures / cpu,
        "pictures_a_second": pictures / clock,
        "rows_a_core_second": step * rows / cpu,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--pairs", type=int, default=1200)
    parser.add_argument("--episodes", type=int, default=30, help="of 10 steps and two cameras")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    demand = Demand()
    need, rows = demand.table()["images a second and host"], demand.rows // demand.hosts
    with tempfile.TemporaryDirectory() as name:
        prepared = write(Path(name), arguments.pairs, arguments.episodes)
        stored = sum(file.stat().st_size for file in prepared.glob("*/*.array_record")) / (
            arguments.pairs + 20 * arguments.episodes
        )
        rates_by_loader = {}
        for kind, augmentation in (
            ("augmented", POLYMATH_V_30B.augmentation),
            ("shift and colour", Augmentation()),
            ("plain", None),
        ):
            loader = open_prepared(prepared, rows, 0, augmentation=augmentation)
            rates_by_loader[kind] = {**measure(loader, rows, arguments.seconds), "times_the_need_of_a_host": 0.0}
            rates_by_loader[kind]["times_the_need_of_a_host"] = rates_by_loader[kind]["pictures_a_core_second"] / need
    if arguments.json:
        print(json.dumps({"bytes_a_picture": stored, "need": need, "loader": rates_by_loader}, indent=2))
        return
    print(f"{stored:,.0f} bytes a picture; one of {demand.hosts} hosts needs {need:.1f} pictures/s")
    for kind, rates in rates_by_loader.items():
        print(f"{kind:18}" + ", ".join(f"{value:8.1f} {key.replace('_', ' ')}" for key, value in rates.items()))


if __name__ == "__main__":
    main()
