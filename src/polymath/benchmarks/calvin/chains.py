"""The 1,000 official evaluation chains: read from the file that ships, or drawn anew by the official algorithm.

    data/chains.json   {"tasks": [34 names], "sentences": [34], "states": [192 initial states],
                        "chains": [[index of state, 5 indices of tasks], … 1,000]}

The n-th chain is the n-th of the official evaluation. Drawing all of them anew takes minutes, which is why the file
ships: `python -m polymath.benchmarks.calvin.chains` does it and compares.
"""

import functools
import json
import sys
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from polymath.benchmarks.calvin.rules import CHAIN_LENGTH, SUBTASKS, State, initial_states, is_chain

FILE = Path(__file__).parent / "data" / "chains.json"
CHAINS = 1000
NAMES = tuple(SUBTASKS)


class Chain(NamedTuple):
    """The index of the initial state among `rules.initial_states`, and the subtasks in their order."""

    state: int
    subtasks: tuple[str, ...]


@functools.cache
def official() -> tuple[Chain, ...]:
    """The shipped chains in the order of the official evaluation."""
    content = _content()
    tasks = content["tasks"]
    return tuple(Chain(state, tuple(tasks[i] for i in subtasks)) for state, *subtasks in content["chains"])


@functools.cache
def sentences() -> dict[str, str]:
    """Subtask -> the one instruction of the official evaluation (`new_playtable_validation.yaml`)."""
    content = _content()
    return dict(zip(content["tasks"], content["sentences"], strict=True))


def draw(index: int, state: State, count: int) -> list[tuple[str, ...]]:
    """The first `count` chains that begin in the initial state of that index.

    Five different subtasks are drawn until they are a chain, by numpy's generator of 2011 seeded with the index.
    """
    random = np.random.RandomState(index)
    chains: list[tuple[str, ...]] = []
    while len(chains) < count:
        chain = tuple(NAMES[i] for i in random.permutation(len(NAMES))[:CHAIN_LENGTH])
        if is_chain(state, chain):
            chains.append(chain)
    return chains


def chains_per_state(total: int = CHAINS) -> list[int]:
    """How many chains begin in each initial state: as evenly as can be, the first ones one more."""
    states = len(initial_states())
    return [total // states + (i < total % states) for i in range(states)]


Item = TypeVar("Item")


def shuffled(chains: list[Item]) -> list[Item]:
    """In the order of the evaluation: shuffled by numpy's generator of 2011 with seed 0."""
    order = np.arange(len(chains))
    np.random.RandomState(0).shuffle(order)
    return [chains[i] for i in order]


def draw_all() -> list[Chain]:
    """All official chains by the algorithm; minutes."""
    per_state = zip(initial_states(), chains_per_state(), strict=True)
    return shuffled([Chain(i, chain) for i, (state, n) in enumerate(per_state) for chain in draw(i, state, n)])


def _content() -> dict[str, list]:
    return json.loads(FILE.read_text())


def main() -> None:
    """Draw all chains anew; exit status 1 where they are not those of the file."""
    different = sum(ours != shipped for ours, shipped in zip(draw_all(), official(), strict=True))
    sys.exit(f"{different} of {CHAINS} chains differ from {FILE}" if different else 0)


if __name__ == "__main__":
    main()
