"""Hosts as processes of their own, with worker processes, killed at a random step and started again in another number.

  python tests/oracles/resume_hosts.py PLACE [--records N] [--batches 200]

Eight hosts without workers, then four with one worker each, then two with two: all are killed (SIGKILL) at a random
step, and the next ones go on from the state that was saved. What they load is compared with one loader, row by row, and
an epoch's rows with the records in the shards. Exits with 1 and names the first row that differs.
"""

import argparse
import hashlib
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from polymath.data.files.array_records import Record
from polymath.data.formats.webdataset.writer import WebDatasetWriter
from polymath.data.loading.loader import Loader
from polymath.data.loading.packed_index import PackedIndex
from polymath.data.loading.prepared import open_prepared
from polymath.data.loading.record import decode_record, load
from polymath.data.loading.resume import load_state
from polymath.data.prepare.pipeline import prepare
from polymath.data.prepare.settings import Settings
from polymath.data.sequences.augment import Augmentation
from polymath.data.sequences.packing import collate
from polymath.data.sequences.sequence import Layout
from polymath.tokenizer import ControlTokens, corpus, train
from polymath.types import Batch, ImageText

ROWS, SEED = 8, 3
STAGES = ((8, 0), (4, 1), (2, 2))  # hosts, workers of each
AUGMENTATION = Augmentation(shift=2)
LAYOUT = Layout(length=96, latents_per_image=4, image_size=32, max_images=6, max_control_steps=6)


def write(place: Path, records: int) -> Path:
    """Two sources of captioned noise, about `records` packed sequences."""
    train(corpus.shipped(), 1024, ControlTokens(512)).save(place / "tokenizer.json")
    rng = np.random.default_rng(0)
    for name, count in (("many", 4 * records), ("few", records)):
        with WebDatasetWriter(place / name) as writer:
            for i in range(count):
                noise = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
                writer.add(ImageText(noise, f"{name} {i} " + "and more " * (i % 7)))
    names = [f"webdataset:{place / name}" for name in ("many", "few")]
    prepare(names, place / "tokenizer.json", LAYOUT, place / "prepared", Settings(pairs_per_shard=200))
    return place / "prepared"


def opened(prepared: Path, augmentation: Augmentation | None = AUGMENTATION) -> Loader:
    return open_prepared(prepared, ROWS, SEED, {"00-many": 3.0, "01-few": 1.0}, augmentation)


def digest(batch: Batch, row: int) -> str:
    return hashlib.blake2b(b"".join(array[row].tobytes() for array in batch), digest_size=12).hexdigest()


def host(prepared: Path, start: int, number: int, hosts: int, workers: int) -> None:
    """Print `step row digest` for every row of this host, without end."""
    share = ROWS // hosts
    rows = range(number * share, (number + 1) * share)
    loader = opened(prepared)
    for step, batch in enumerate(loader.iterate(start, threads=1, ahead=2, rows=rows, workers=workers), start=start):
        for place, row in enumerate(rows):
            print(step, row, digest(Batch(*batch), place), flush=True)


def run_hosts(prepared: Path, start: int, stop: int, hosts: int, workers: int) -> Iterator[tuple[int, int, str]]:
    """The rows of steps [start, stop) as the hosts load them; then all are killed with their workers."""
    command = [sys.executable, __file__, str(prepared), "--host"]
    running = [
        subprocess.Popen(
            [*command, str(start), str(number), str(hosts), str(workers)],
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        for number in range(hosts)
    ]
    try:
        for process in running:
            for _ in range((stop - start) * ROWS // hosts):
                step, row, digest = process.stdout.readline().split()
                yield int(step), int(row), digest
    finally:
        for process in running:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def check_stages(prepared: Path, last: int) -> int:
    """Gives how many rows were compared. Raises AssertionError naming one that differs."""
    whole, rng, step, compared = opened(prepared), random.Random(0), 0, 0
    for place, (hosts, workers) in enumerate(STAGES):
        stop = step + (last if place == len(STAGES) - 1 else rng.randint(20, 60))
        loaded: dict[tuple[int, int], str] = {}
        for number, row, case in run_hosts(prepared, step, stop, hosts, workers):
            assert (number, row) not in loaded, f"step {number}, row {row} was loaded twice"
            loaded[number, row] = case
        expected = {
            (n, row): digest(batch, row) for n in range(step, stop) for batch in [whole.batch(n)] for row in range(ROWS)
        }
        wrong = [key for key in expected if loaded.get(key) != expected[key]]
        assert loaded.keys() == expected.keys(), f"{hosts} hosts: other rows than were asked for"
        assert not wrong, f"{hosts} hosts: (step, row) {wrong[:3]} differ"
        print(f"{hosts} hosts with {workers} workers: steps {step} to {stop - 1} are those of one loader", flush=True)
        compared += len(loaded)
        whole.state(stop).save(prepared.parent / "state.json")
        step = (
            opened(prepared).state().check(load_state(prepared.parent / "state.json"), prepared.parent / "state.json")
        )
    return compared


def check_epoch(prepared: Path) -> None:
    """Every record of the larger source once in its first epoch."""
    loader = opened(prepared, None)
    total = loader.rows_per_epoch()["00-many"]
    rows = (row for row in range(2 * total) if loader.place(row)[0] == 0)
    seen = Counter(
        digest(loader.batch(row // ROWS, [row % ROWS]), 0) for _, row in zip(range(total), rows, strict=False)
    )
    index = PackedIndex.open(prepared / "00-many")
    there = Counter(digest(laid_out(Record(*index.locate(number))), 0) for number in range(total))
    assert seen == there, f"{sum((there - seen).values())} lost, {sum((seen - there).values())} doubled"
    print(f"an epoch of {total} records: none lost, none doubled", flush=True)


def laid_out(record: Record) -> Batch:
    rng = np.random.default_rng(0)
    documents = [
        load(one, LAYOUT, None, rng, record.where) for one in decode_record(record.read(), LAYOUT, record.where)
    ]
    return collate([documents], LAYOUT)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("place", type=Path)
    parser.add_argument("--records", type=int, default=500)
    parser.add_argument("--batches", type=int, default=200)
    parser.add_argument("--host", type=int, nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.host:
        host(options.place, *options.host)
    options.place.mkdir(parents=True)
    prepared = write(options.place, options.records)
    check_epoch(prepared)
    print(f"{check_stages(prepared, options.batches)} rows compared")


if __name__ == "__main__":
    main()
