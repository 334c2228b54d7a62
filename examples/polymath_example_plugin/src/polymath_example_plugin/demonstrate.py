"""Demonstrations in the example's own format: `python -m polymath_example_plugin.demonstrate FOLDER --episodes 4`."""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from polymath_example_plugin.cart_world import INSTRUCTION, MAX_STEPS, CartWorld
from polymath_example_plugin.csv_format import COLUMNS


def record(folder: Path, seed: int) -> None:
    """One episode of the expert, as `csv_format` reads it."""
    world, rows, done = CartWorld(), [], False
    world.reset(seed)
    (folder / "front").mkdir(parents=True)
    while not done and world.steps < MAX_STEPS:
        action = world.expert()
        Image.fromarray(world.picture()).save(folder / "front" / f"{world.steps}.jpg", quality=95)
        rows.append(np.concatenate([world.state, action]))
        done = world.step(action)
    np.savetxt(folder / "steps.csv", rows, fmt="%.6f", delimiter=",", header=COLUMNS, comments="")
    (folder / "instruction.txt").write_text(f"{INSTRUCTION}\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--episodes", type=int, default=4)
    options = parser.parse_args()
    for seed in range(options.episodes):
        record(options.out / f"episode_{seed:03d}", seed)


if __name__ == "__main__":
    main()
