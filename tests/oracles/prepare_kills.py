"""Prepares a large set of three formats, kills it again and again, and compares with an undisturbed run, byte for byte.

  python tests/oracles/prepare_kills.py PLACE [--pairs N] [--episodes N] [--kills 10] [--workers 2] [--engine local]

PLACE gets the sources, `whole` and `killed`. With --engine ray the undisturbed run is local and the other one on Ray,
and the records are compared instead of the files' bytes. Exits with 1 if a file differs or a kill came too late.
"""

import argparse
import hashlib
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from polymath.data.files.array_records import index
from polymath.data.files.images import encode_jpeg
from polymath.data.formats.lerobot.writer import LeRobotWriter
from polymath.data.formats.webdataset.writer import WebDatasetWriter
from polymath.tokenizer import ControlTokens, corpus, train
from polymath.types import Embodiment, Episode, ImageText

ROBOT = Embodiment("arm", 1, ("front",), ("x", "y", "z", "g"), ("dx", "dy", "dz", "g"), (3,), 10.0)
WORDS = ("red", "green", "blue", "cup", "cube", "door", "left", "right", "near", "far", "one", "two")


def picture(rng: np.random.Generator) -> np.ndarray:
    return np.kron(rng.integers(0, 256, (8, 8, 3)), np.ones((8, 8, 1))).astype(np.uint8)


def caption(rng: np.random.Generator) -> str:
    return " ".join(rng.choice(WORDS, rng.integers(3, 20)))


def write_sources(place: Path, pairs: int, episodes: int) -> list[str]:
    """Half of the pairs in tars, half in Parquet, with duplicates and damaged pictures among them; episodes."""
    rng = np.random.default_rng(0)
    with WebDatasetWriter(place / "tars") as tars:
        for i in range(pairs // 2):
            tars.add(ImageText(picture(np.random.default_rng(i % 997 if i % 50 == 0 else (1, i))), caption(rng)))
    (place / "tables").mkdir()
    for start in range(0, pairs - pairs // 2, 1000):
        rows = range(start, min(start + 1000, pairs - pairs // 2))
        jpegs = [encode_jpeg(picture(rng))[: 100 if i % 500 == 7 else None] for i in rows]
        table = pa.table({"image": jpegs, "text": [caption(rng) for _ in rows]})
        pq.write_table(table, place / "tables" / f"{start:06d}.parquet", row_group_size=200)
    with LeRobotWriter(place / "episodes", ROBOT, 10, 64) as writer:
        for _ in range(episodes):
            steps = int(rng.integers(5, 15))
            images = {"front": np.stack([picture(rng) for _ in range(steps)])}
            states, actions = rng.normal(size=(steps, 4)), rng.uniform(-1, 1, (steps, 4))
            made = Episode(images, states.astype(np.float32), actions.astype(np.float32), caption(rng), "t", "arm")
            writer.add(made)
    train(corpus.shipped(), 2048, ControlTokens(512)).save(place / "tokenizer.json")
    return [f"webdataset:{place}/tars", f"parquet:{place}/tables", f"lerobot:{place}/episodes"]


def command(place: Path, sources: list[str], out: str, workers: int, engine: str) -> list[str]:
    layout = ["--layout", "length=1024", "max_images=64", "max_control_steps=64"]
    settings = ["--set", "pairs_per_shard=500", "episodes_per_shard=16", "filter.max_same_picture=1"]
    prepare = [sys.executable, "-m", "polymath.cli", "data", "prepare", *sources, "--out", str(place / out), "--json"]
    return [*prepare, "--tokenizer", str(place / "tokenizer.json"), "--workers", str(workers), "--engine", engine,
            *layout, *settings]  # fmt: skip


def digests(out: Path) -> dict[str, str]:
    files = sorted(file for file in out.rglob("*") if file.is_file())
    return {str(file.relative_to(out)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def records(out: Path) -> dict[str, list[bytes]]:
    return {str(f.relative_to(out)): [r.read() for r in index(f)[0]] for f in sorted(out.rglob("*.array_record"))}


def finished(out: Path) -> int:
    """Units of documents and of shards whose last file is written."""
    return sum(1 for kind in ("rows", "shard") for _ in (out / ".work").rglob(f"[0-9]*.{kind}.parquet"))


def run_with_kills(arguments: list[str], out: Path, units: int, kills: int) -> int:
    """Kill once a random number of `units` is finished, and a little later; then let it finish.

    Gives the kills that hit. They go by the work and not by the clock, so that each finds some in progress.
    """
    rng, hits = random.Random(0), 0
    for number, enough in enumerate(sorted(rng.sample(range(units - 1), kills))):
        child = subprocess.Popen(
            arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        while child.poll() is None and finished(out) < enough:
            time.sleep(0.01)
        time.sleep(rng.uniform(0.0, 0.2))
        subprocess.run(["kill", "-KILL", "--", f"-{child.pid}"], check=False)  # its worker processes too
        hits += child.wait() == -signal.SIGKILL
        print(f"kill {number + 1}: status {child.returncode}, {finished(out)} of {units} units finished", flush=True)
    subprocess.run(arguments, stdout=subprocess.DEVNULL, check=True)
    return hits


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("place", type=Path)
    for name, default in (("pairs", 20_000), ("episodes", 500), ("kills", 10), ("workers", 2)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--engine", default="local")
    options = parser.parse_args()
    options.place.mkdir(parents=True)
    sources = write_sources(options.place, options.pairs, options.episodes)
    subprocess.run(
        command(options.place, sources, "whole", options.workers, "local"), stdout=subprocess.DEVNULL, check=True
    )
    other = command(options.place, sources, "killed", options.workers, options.engine)
    units = 2 * sum(1 for _ in (options.place / "whole").rglob("*.array_record"))
    hits = run_with_kills(other, options.place / "killed", units, options.kills)
    view = digests if options.engine == "local" else records
    whole, killed = view(options.place / "whole"), view(options.place / "killed")
    different = [name for name in sorted(whole.keys() | killed.keys()) if whole.get(name) != killed.get(name)]
    print(f"{hits} kills hit; {len(whole)} files, {len(different)} differ {different[:5]}")
    sys.exit(1 if different or hits < options.kills else 0)


if __name__ == "__main__":
    main()
