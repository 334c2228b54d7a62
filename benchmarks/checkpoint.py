"""Memory and seconds that saving and restoring a preset's training state takes, beside the state's own size.

    python benchmarks/checkpoint.py [polymath_v_1b] [--directory runs/bench/checkpoint] [--json]

Random weights; each half in a process of its own. What is counted is the growth of the process' anonymous memory at its
peak, sampled every 5 ms; the files' pages are not in it. polymath_v_1b takes 4 GB of disk and 7 GB of memory.
"""

import argparse
import json
import math
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import jax
from peak import Peak

from polymath.presets import preset
from polymath.training.checkpoints import Checkpoints
from polymath.training.step import abstract_state, init_params, init_state


def save(name: str, directory: Path) -> Peak:
    recipe = preset(name)
    state = init_state(recipe.model, recipe.robot.optimizer, init_params(recipe.model, jax.random.key(0)))
    jax.block_until_ready(state)
    with Peak() as peak, Checkpoints(directory, every=1) as checkpoints:
        checkpoints.save(state, now=True)
    return peak


def restore(name: str, directory: Path) -> Peak:
    recipe = preset(name)
    with Peak() as peak, Checkpoints(directory, every=1) as checkpoints:
        jax.block_until_ready(checkpoints.restore(abstract_state(recipe.model, recipe.robot.optimizer)))
    return peak


def sizes(name: str) -> tuple[int, int]:
    """Bytes of the whole state and of its largest array."""
    recipe = preset(name)
    leaves = jax.tree.leaves(abstract_state(recipe.model, recipe.robot.optimizer))
    counted = [math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in leaves]
    return sum(counted), max(counted)


def measured(half: str, name: str, directory: Path) -> dict[str, Any]:
    command = [sys.executable, __file__, name, "--directory", str(directory), "--half", half]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        sys.exit(f"{' '.join(command)}\n{ran.stderr[-2000:]}")
    figures: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("preset", nargs="?", default="polymath_v_1b")
    parser.add_argument("--directory", type=Path, default=Path("runs/bench/checkpoint"), help="gets a temporary folder")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--half", choices=("save", "restore"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.half:
        peak = {"save": save, "restore": restore}[arguments.half](arguments.preset, arguments.directory)
        print(json.dumps({"grown_bytes": peak.grown, "seconds": peak.seconds}))
        return
    arguments.directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=arguments.directory) as place:
        halves = {half: measured(half, arguments.preset, Path(place)) for half in ("save", "restore")}
    total, largest = sizes(arguments.preset)
    if arguments.json:
        print(
            json.dumps({"preset": arguments.preset, "state_bytes": total, "largest_bytes": largest, **halves}, indent=2)
        )
        return
    print(f"{arguments.preset}: a state of {total / 1e9:.2f} GB, its largest array {largest / 1e9:.2f} GB")
    for half, figures in halves.items():
        beside = figures["grown_bytes"] - (total if half == "restore" else 0)
        times = f"{beside / largest:.2f} x the largest"
        print(f"{half}: {figures['seconds']:.0f} s, {beside / 1e9:.2f} GB beside the state, {times}")


if __name__ == "__main__":
    main()
