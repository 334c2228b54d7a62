"""Our readers against the formats' own loaders: the same files, one run, per second of CPU of the process that reads.

    python benchmarks/data.py                       ours alone on the tests' fixtures, to see that it runs
    python benchmarks/data.py rlds DIRECTORY        steps: all pictures decoded; and as training takes them
    python benchmarks/data.py lerobot DIRECTORY…    random windows: every camera, the state, 8 actions
    python benchmarks/data.py loader PREPARED       pictures through read, decode, augment, pack

`make fixtures` makes .venv-tfds and .venv-lerobot, from which the others run; `benchmarks/contenders/data_sets.py`
writes data sets to read. Each measurement is a process of its own; the contenders take turns, --rounds times, and the
fastest round counts. Time is user and system time of the process and its children, so it is per busy core however
loaded the machine is.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
FIXTURES = ROOT / "tests" / "fixtures" / "data"
TFDS, LEROBOT = (ROOT / name / "bin" / "python" for name in (".venv-tfds", ".venv-lerobot"))
# our reader, then what it is put beside
RLDS = (
    ("all fields, all cameras", "polymath-rlds", ("tfds-steps", "tfds-episodes")),
    ("two cameras at 224 px", "polymath-fitted", ("tfds-fitted",)),
)
WINDOWS = (
    ("an epoch of windows", "polymath-epoch", ("lerobot", "lerobot-steps")),
    ("windows, no cache", "polymath-lerobot", ("lerobot", "lerobot-steps")),
)


def run(reader: str, directory: Path, count: int) -> float:
    """Steps per second of CPU."""
    python = TFDS if reader.startswith("tfds") else LEROBOT if reader.startswith("lerobot") else Path(sys.executable)
    command = [str(python), "-W", "ignore", str(HERE / "contenders" / "readers.py"), reader, str(directory), str(count)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        sys.exit(f"{reader}: {ran.stderr[-2000:]}")
    figures = json.loads(ran.stdout.splitlines()[-1])
    return figures["count"] / figures["seconds"]


def compare(rows: tuple, directory: Path, count: int, rounds: int, alone: bool = False) -> None:
    readers = list(dict.fromkeys(reader for _, ours, others in rows for reader in (ours, *others)))
    rates = dict.fromkeys([ours for _, ours, _ in rows] if alone else readers, 0.0)
    for _ in range(rounds):
        for reader in rates:
            rates[reader] = max(rates[reader], run(reader, directory, count))
    for workload, ours, others in rows:
        print(f"{directory.name:<16} {workload:<24} {ours:<18} {rates[ours]:9.1f} steps a core second")
        for other in () if alone else others:
            print(f"{'':<41} {other:<18} {rates[other]:9.1f}   ours is {rates[ours] / rates[other]:.2f} times as fast")


def loader(directory: Path, batches: int) -> None:
    """Pictures that stand in the batches of 32 rows."""
    from polymath.data.loading.prepared import open_prepared
    from polymath.data.sequences.augment import Augmentation

    prepared, pictures = open_prepared(directory, 32, 0, augmentation=Augmentation()), 0
    before = os.times()
    for step in range(batches):
        pictures += int((prepared.batch(step).image_index >= 0).sum()) // prepared.layout.latents_per_image
    seconds = sum(os.times()[:4]) - sum(before[:4])
    print(f"{directory.name:<24} loader: {pictures / seconds:.1f} images a core second ({pictures} in {seconds:.1f} s)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=["rlds", "lerobot", "loader", "small"], nargs="?", default="small")
    parser.add_argument("directories", type=Path, nargs="*")
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batches", type=int, default=20)
    arguments = parser.parse_args()
    if arguments.kind == "small":
        compare(RLDS, FIXTURES / "rlds/tfrecord/bridge_dataset", 2000, 1, alone=True)
        compare(WINDOWS, FIXTURES / "lerobot_v3_video", 500, 1, alone=True)
    for directory in arguments.directories:
        if arguments.kind == "loader":
            loader(directory, arguments.batches)
        else:
            compare(RLDS if arguments.kind == "rlds" else WINDOWS, directory, arguments.steps, arguments.rounds)


if __name__ == "__main__":
    main()
