"""The official chains as the worker reads them, from the file that ships with the benchmark."""

import json
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Tuple

from .initial import Symbolic

FILE = Path(__file__).resolve().parents[2] / "data" / "chains.json"


class Chains(NamedTuple):
    """sentences: subtask -> instruction; chains: (initial state, five subtasks), in the official order."""

    sentences: Dict[str, str]
    chains: List[Tuple[Symbolic, Tuple[str, ...]]]


def load() -> Chains:
    content: Dict[str, List[Any]] = json.loads(FILE.read_text())
    tasks, states = content["tasks"], [Symbolic(*values) for values in content["states"]]
    chains = [(states[state], tuple(tasks[i] for i in subtasks)) for state, *subtasks in content["chains"]]
    return Chains(dict(zip(tasks, content["sentences"])), chains)
