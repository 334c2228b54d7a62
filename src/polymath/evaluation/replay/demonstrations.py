"""Recorded demonstrations that a benchmark's simulator can play again.

A recorder notes for each episode its task, split and seed, or the start state (`initial`), the noise that disturbed
what was executed, and the renderer. Episodes with noise cannot be replayed: their actions are not those that were
executed.
"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from polymath.data.interface import EpisodeSet, episode_metadata, episode_name
from polymath.errors import DataError
from polymath.evaluation.benchmark import Benchmark, Plan
from polymath.policy.session import EpisodeKey

NOISY = "recorded with noise on the executed actions"
NAMELESS = "without seed or start state"
TWICE = "the same episode again"
NOT_CHOSEN = "of other tasks or splits"
BEYOND = "beyond --episodes"


@dataclass(frozen=True)
class Recorded:
    """One demonstration: T control steps in the benchmark's units, and where its episode begins.

    `initial`, float64 [n], is its start state where the recorder noted one; else the key's seed names it.
    """

    name: str
    key: EpisodeKey
    states: Float[np.ndarray, "T state_dim"]
    actions: Float[np.ndarray, "T A"]
    pictures: dict[str, UInt8[np.ndarray, "height width 3"]]
    renderer: str
    initial: Float[np.ndarray, " n"] | None = None


def replayable(episodes: EpisodeSet, benchmark: Benchmark, plan: Plan) -> tuple[list[Recorded], dict[str, int]]:
    """The demonstrations of the plan's tasks and splits (all if it names none), and how many are left out, by reason.

    `plan.episodes` bounds those of each task and split, 0 for all. Raises DataError if none is left, for a task that
    the benchmark does not have, and for metadata that cannot be read.
    """
    tasks = {task for name in plan.tasks for task in benchmark.groups.get(name, (name,))}
    chosen: dict[EpisodeKey, Recorded] = {}
    left_out: Counter[str] = Counter()
    taken: Counter[tuple[str, str]] = Counter()
    for index in range(len(episodes)):
        where, task = f"{episodes.name}: {episode_name(episodes, index)}", episodes.task(index)
        metadata = episode_metadata(episodes, index)
        initial = _initial(metadata, where)
        key = _key(metadata, task, index, where, needs_seed=initial is None)
        if key is None:
            left_out[NAMELESS] += 1
        elif float(metadata.get("action_noise", 0)):
            left_out[NOISY] += 1
        elif (tasks and task not in tasks) or (plan.splits and key.split not in plan.splits):
            left_out[NOT_CHOSEN] += 1
        elif key in chosen:
            left_out[TWICE] += 1
        elif plan.episodes and taken[key[:2]] >= plan.episodes:
            left_out[BEYOND] += 1
        elif task not in benchmark.tasks:
            raise DataError(f"{where}: task {task!r} is none of benchmark {benchmark.name}; replay its own recordings")
        else:
            taken[key[:2]] += 1
            chosen[key] = _read(episodes, index, key, initial, str(metadata.get("renderer", "")))
    if not chosen:
        shown = ", ".join(f"{count} {reason}" for reason, count in left_out.items()) or "it is empty"
        raise DataError(
            f"{episodes.name}: no demonstration can be replayed ({shown}); record some with `--action-noise 0`, as "
            "a LeRobot data set, which keeps task, split and seed"
        )
    return list(chosen.values()), dict(left_out)


def _read(
    episodes: EpisodeSet, index: int, key: EpisodeKey, initial: Float[np.ndarray, " n"] | None, renderer: str
) -> Recorded:
    first = episodes.frames(index, [0])[0]
    return Recorded(
        name=episode_name(episodes, index),
        key=key,
        states=np.asarray(episodes.states(index), np.float32),
        actions=np.asarray(episodes.actions(index), np.float32),
        pictures=dict(zip(episodes.embodiment.cameras, first, strict=True)),
        renderer=renderer,
        initial=initial,
    )


def _key(metadata: Mapping[str, Any], task: str, index: int, where: str, needs_seed: bool) -> EpisodeKey | None:
    """None where the recorder noted no split or seed, though one is needed; else its place in the set is the seed."""
    split, seed = metadata.get("split"), metadata.get("seed")
    if split is None or seed is None:
        return None if needs_seed else EpisodeKey(task, str(split or ""), index)
    if not isinstance(split, str) or type(seed) is not int:
        raise DataError(f"{where}: split {split!r} and seed {seed!r} are no name and whole number; record it again")
    return EpisodeKey(task, split, seed)


def _initial(metadata: Mapping[str, Any], where: str) -> Float[np.ndarray, " n"] | None:
    """The start state, noted as a list of numbers or as its JSON text; None for none and for an empty one."""
    value = metadata.get("initial")
    if value is None:
        return None
    try:
        state = np.asarray(json.loads(value) if isinstance(value, str) else value, np.float64)
    except (ValueError, TypeError, RecursionError) as error:
        raise DataError(f"{where}: the start state `initial` is no list of numbers ({error})") from None
    if state.ndim != 1 or not np.isfinite(state).all():
        raise DataError(f"{where}: the start state `initial` of shape {list(state.shape)} is no list of finite numbers")
    return state if state.size else None
