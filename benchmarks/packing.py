"""How full rows get, and what the index of the reference mixture costs a process.

    python benchmarks/packing.py [--documents N] [--shards N] [--json]

Packs made-up documents of the reference mixture (polymath.planning.reference_mix) in blocks of several sizes and with
fewer image slots. Then writes the index of as many shards as 1.5 billion pairs and every window of 50 million
trajectories fill, opens it in a fresh process, and looks records up in the order of a shuffled epoch.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from polymath.data.loading.packed_index import SCHEMA
from polymath.data.sequences.packing import pack
from polymath.planning.reference_mix import LAYOUT, Demand, draw

MIXES = {"pairs": (1.0, 0.0), "windows": (0.0, 1.0), "80 % pairs": (0.8, 0.2)}
OPEN = """
import json, sys, time
from pathlib import Path
import psutil
from polymath.data.loading.packed_index import PackedIndex
memory = psutil.Process().memory_info
before, start = memory().rss, time.perf_counter()
index = PackedIndex.open(Path(sys.argv[1]))
opened = time.perf_counter() - start
start, count = time.perf_counter(), 20_000
for place in range(count):
    index.locate(index.shuffled(place, seed=0))
looked = (time.perf_counter() - start) / count
after = memory().rss
print(json.dumps({"records": len(index), "open_seconds": opened, "microseconds_a_record": 1e6 * looked,
                  "process_mb": after / 1e6, "index_mb": (after - before) / 1e6}))
"""


def fill(documents: int) -> list[dict[str, object]]:
    rows_of_table = []
    for name, (pairs, windows) in MIXES.items():
        blocks = ((documents // 16, 64), (documents // 4, 64), (documents, 64), (documents, 48), (documents, 32))
        for block, slots in blocks:
            sizes = draw(np.random.default_rng(0), int(block * pairs), int(block * windows))
            start = time.process_time()
            rows = pack(sizes, replace(LAYOUT, max_images=slots))
            seconds = time.process_time() - start
            share = float(sizes.tokens.sum() / (len(rows) * LAYOUT.length))
            rows_of_table.append(
                {"mix": name, "block": block, "image_slots": slots, "fill": share, "cpu_seconds": seconds}
            )
    return rows_of_table


def index(shards: int, folder: Path) -> dict[str, float]:
    columns = {
        "name": [f"shard-{i:06d}.array_record" for i in range(shards)],
        "records": np.full(shards, Demand().records_per_shard),
        "documents": np.full(shards, 40_000),
        "tokens": np.full(shards, 4_000_000),
    }
    pq.write_table(pa.table(columns, schema=SCHEMA), folder / "index.parquet")
    ran = subprocess.run([sys.executable, "-c", OPEN, str(folder)], capture_output=True, text=True, check=True)
    return json.loads(ran.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=64_000)
    parser.add_argument("--shards", type=int, default=int(Demand().table()["shards"]) + 1)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    filled = fill(arguments.documents)
    with tempfile.TemporaryDirectory() as name:
        opened = index(arguments.shards, Path(name))
    if arguments.json:
        print(json.dumps({"fill": filled, "index": opened}, indent=2))
        return
    for row in filled:
        print("{mix:10} block {block:6}  {image_slots} slots  {fill:6.2%}  {cpu_seconds:.2f} CPU s".format(**row))
    print(
        "{records:,} records: opened in {open_seconds:.2f} s, {index_mb:.0f} MB of a process of {process_mb:.0f} MB, "
        "{microseconds_a_record:.1f} us to find the next record".format(**opened)
    )


if __name__ == "__main__":
    main()
