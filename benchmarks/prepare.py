"""What grows with the number of rows of `polymath data prepare`: seconds and peak memory at several sizes.

    python benchmarks/prepare.py [--rows 50_000_000] [--pipeline 0] [--json]

The parts that see every row or unit, each alone and in a process of its own: finding a unit's rows in the plan, the
tick of the progress bar, the search for duplicates (rows with made hashes, 1 in 10 a copy), and the last step's index.
The sizes are --rows and an eighth and a 64th of it. `--pipeline N` also prepares N small image-text pairs from Parquet,
with all of it.
"""

import argparse
import json
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from polymath.data.files.images import encode_jpeg
from polymath.data.loading.packed_index import Shard, write_index
from polymath.data.prepare import duplicates, work
from polymath.data.prepare.pipeline import prepare
from polymath.data.prepare.plan import Plan, PlannedSource
from polymath.data.prepare.settings import Filter, Settings
from polymath.data.sequences.sequence import Layout
from polymath.tokenizer import ControlTokens, corpus, train

LAYOUT = Layout(length=256, latents_per_image=4, image_size=32, max_images=16)
CHUNK = 2**20  # rows that are made at once


def planning(rows: int, place: Path) -> None:
    """The rows of every unit."""
    plan = Plan((PlannedSource("pairs", "00-pairs", "pairs", rows, 8192),), LAYOUT, Settings(), "")
    for unit in range(plan.units):
        plan.part(unit)


def progress(rows: int, place: Path) -> None:
    """Every unit noted as finished, and a thousand ticks of the bar."""
    work.begin_count(place, "documents")
    for _ in range(-(-rows // 8192)):
        work.count_one(place, "documents")
    for _ in range(1000):
        work.count(place, "documents")


def search(rows: int, place: Path) -> None:
    """Duplicates by picture and text, by text, and by picture."""
    rules = duplicates.rules(Filter(max_same_caption=10, max_same_picture=1))
    for _ in duplicates.late_rows(_hashes(rows), rows, rules, place / "search", 8192 * work.FOLDER_UNITS):
        pass


def index(rows: int, place: Path) -> None:
    """A shard for every unit."""
    write_index(place, [Shard(f"shard-{n:06d}.array_record", 100, 8192, 99_000) for n in range(-(-rows // 8192))])


def pipeline(rows: int, place: Path) -> None:
    """All of it over small pairs, in this process alone; writing the source is not in the seconds."""
    names = [f"parquet:{place / 'pairs'}"]
    prepare(names, place / "tokenizer.json", LAYOUT, place / "out", Settings(pairs_per_shard=8192))


def write_pairs(rows: int, place: Path) -> None:
    (place / "pairs").mkdir()
    rng = np.random.default_rng(0)
    pictures = [encode_jpeg(rng.integers(0, 256, (32, 32, 3)).astype(np.uint8)) for _ in range(64)]
    for start in range(0, rows, 8192):
        numbers = range(start, min(start + 8192, rows))
        table = {"image": [pictures[n % 64] for n in numbers], "text": [f"picture {n} of some noise" for n in numbers]}
        pq.write_table(pa.table(table), place / "pairs" / f"{start:09d}.parquet", row_group_size=1024)
    train(corpus.shipped(), 2048, ControlTokens(512)).save(place / "tokenizer.json")


def _hashes(rows: int) -> Iterator[pa.Table]:
    """64-bit hashes of rows, one in ten that of an earlier row."""
    for start in range(0, rows, CHUNK):
        numbers = np.arange(start, min(start + CHUNK, rows))
        same = np.where(numbers % 10 == 9, numbers // 2, numbers).astype(np.uint64)
        hashes = ((same + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)).view(np.int64)
        yield pa.table({"row": numbers, "picture_hash": hashes, "text_hash": hashes})


def measured(part: Callable[[int, Path], None], rows: int) -> dict[str, float | int | str]:
    """Seconds, and the peak memory beyond that of the imports, of a new process."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_measure, args=(part, rows, sender))
    process.start()
    sender.close()
    seconds, megabytes = receiver.recv()
    process.join()
    return {"part": part.__name__, "rows": rows, "seconds": seconds, "rows a second": rows / seconds, "MB": megabytes}


def _measure(part: Callable[[int, Path], None], rows: int, sender) -> None:  # type: ignore[no-untyped-def]
    with tempfile.TemporaryDirectory() as place:
        if part is pipeline:
            write_pairs(rows, Path(place))
        before, begin = _peak(), time.perf_counter()
        part(rows, Path(place))
        sender.send((time.perf_counter() - begin, (_peak() - before) / 1000))


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # KiB


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=50_000_000)
    parser.add_argument("--pipeline", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    jobs = [(part, options.rows // by) for part in (planning, progress, search, index) for by in (64, 8, 1)]
    jobs += [(pipeline, options.pipeline // by) for by in (16, 4, 1)] if options.pipeline else []
    results = []
    for part, rows in jobs:
        results.append(measured(part, rows))
        if not options.json:
            facts = results[-1]
            print(
                f"{part.__name__:<10}{rows:>13,} rows {facts['seconds']:>9.2f} s "
                f"{facts['rows a second']:>14,.0f} rows/s {facts['MB']:>8,.0f} MB",
                flush=True,
            )
    if options.json:
        print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
