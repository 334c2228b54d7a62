"""The scripted experts on the official chains: `python -m calvin_worker.expert_chains --chains 100`.

Run with the simulator's interpreter, and PYTHONPATH set to the folder above. Prints the average length, the share of
chains with at least 1 to 5 subtasks done, each subtask's rate, and the failures as (chain, subtask).
"""

import argparse
from collections import Counter
from pathlib import Path
from typing import Counter as Counts
from typing import List, Tuple

import numpy as np

from . import checkout, initial
from .chains import load
from .episode import Episode
from .experts import Expert
from .scene_state import StateReader
from .world import World


def play_chain(world: World, state: initial.Symbolic, subtasks: Tuple[str, ...], scene: str) -> Episode:
    """The chain by the official rules, each subtask by its expert."""
    world.load(scene)
    world.place(initial.robot_obs(), initial.scene_obs(state, world.blocks(), scene))
    episode, reader = Episode(subtasks), StateReader(world.env)
    while not episode.done:
        subtask, part, start = episode.subtask, episode.part, world.info()
        expert = Expert(subtask)
        while not episode.done and episode.part == part:
            now = world.step(expert.action(reader.read()).astype(np.float32))
            episode.after_step(world.solved(subtask, start, now))
    return episode


def main() -> None:
    """Play the first official chains with the expert; print the average length and each subtask's successes."""
    parser = argparse.ArgumentParser(prog="python -m calvin_worker.expert_chains", description=__doc__)
    parser.add_argument("--checkout", type=Path, help="calvin_env, or the directory that holds it")
    parser.add_argument("--chains", type=int, default=100)
    parser.add_argument("--scene", choices=checkout.SCENES, default="D")
    options = parser.parse_args()
    world = World(checkout.find(options.checkout or checkout.installed()), "tiny", ())
    solved: Counts[str] = Counter()
    failed: Counts[str] = Counter()
    lengths: List[int] = []
    failures: List[Tuple[int, str]] = []
    for number, (state, subtasks) in enumerate(load().chains[: options.chains]):
        episode = play_chain(world, state, subtasks, options.scene)
        lengths.append(episode.solved)
        solved.update(subtasks[: episode.solved])
        if episode.failed:
            failed[episode.subtask] += 1
            failures.append((number, episode.subtask))
    print(f"average length {np.mean(lengths):.2f} of {len(lengths)} chains in scene {options.scene}")
    print("at least 1 to 5:", ", ".join(f"{np.mean(np.array(lengths) >= k):.0%}" for k in range(1, 6)))
    for subtask in sorted(set(solved) | set(failed)):
        print(f"{subtask:28s} {solved[subtask]}/{solved[subtask] + failed[subtask]}")
    print("failures:", failures)


if __name__ == "__main__":
    main()
