"""results.json: split -> policy or baseline -> rate, interval, per-task rates, seeds and what was run.

{"seen": {"polymath-v": {"successes": 71, "episodes": 96, "rate": 0.74, "interval": [0.64, 0.82],
                         "per_task": {"button-left": {…}}, "seeds": [900000, …],
                         "identity": {…, "hash": "3f2a9c0b7d51"}},
          "random": {…}},
 "novel_objects": {…}}

A benchmark that counts more than success (CALVIN: subtasks solved in a row) adds "score", the mean with a bootstrap
interval, and "levels", the rates of score >= 1, 2, …; one with named numbers adds "measures".
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from polymath import config
from polymath.errors import ConfigError
from polymath.evaluation.episode_result import EpisodeResult
from polymath.evaluation.identity import Identity, differences
from polymath.evaluation.statistics import Rate, bootstrap_mean
from polymath.files import atomic_write, one_at_a_time


@dataclass(frozen=True)
class TaskRate:
    """One task's success rate with its Wilson interval at 95 %."""

    successes: int
    episodes: int
    rate: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class Mean:
    """The mean of a number over `episodes`, with its BCa bootstrap interval at 95 %."""

    mean: float
    episodes: int
    interval: tuple[float, float]


@dataclass(frozen=True)
class Entry:
    """One policy on one split: pooled over tasks, and task by task; `seeds` are those of its episodes, sorted.

    score     the mean score, where the benchmark counts more than success
    levels    the rates of score >= 1, 2, … there
    measures  the mean of each of the benchmark's named numbers, over the episodes that have it
    """

    successes: int
    episodes: int
    rate: float
    interval: tuple[float, float]
    per_task: dict[str, TaskRate]
    seeds: tuple[int, ...]
    identity: Identity
    score: Mean | None = None
    levels: tuple[TaskRate, ...] = ()
    measures: dict[str, Mean] = field(default_factory=dict)


_COUNTED = ("score", "levels", "measures")
_MAY_DIFFER = ("image_size", "cameras")  # each policy sees the pictures that it was trained on
Results = dict[str, dict[str, Entry]]


def summarise(identity: Identity, episodes: Iterable[EpisodeResult], levels: int = 1) -> dict[str, Entry]:
    """One entry per split that occurs in `episodes`, in order of first occurrence.

    `levels` is the highest score, as of `polymath.evaluation.benchmark.Benchmark`.
    """
    by_split: dict[str, list[EpisodeResult]] = {}
    for episode in episodes:
        by_split.setdefault(episode.key.split, []).append(episode)
    return {split: _entry(identity, of_split, levels) for split, of_split in by_split.items()}


def load_results(path: Path) -> Results:
    """Read results.json; an absent file is an empty result. Raises ConfigError naming the field that does not fit."""
    if not Path(path).exists():
        return {}
    try:
        splits = json.loads(Path(path).read_text())
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not JSON ({error}); remove it and run `polymath eval` again") from None
    return {
        split: {name: config.from_dict(Entry, entry, f"{path}: {split}.{name}") for name, entry in policies.items()}
        for split, policies in splits.items()
    }


def update_results(path: Path, entries: dict[str, Entry], allow_mixed_renderers: bool = False) -> Results:
    """Put one policy's entries into results.json, replacing its former ones; return the whole.

    Evaluations that end at the same time wait for each other. Raises ConfigError if the file holds results of another
    benchmark, protocol, simulator, robot or, unless `allow_mixed_renderers`, renderer.
    """
    with one_at_a_time(Path(path).parent):
        results = load_results(path)
        _check_alike(path, results, entries, (*_MAY_DIFFER, "renderer") if allow_mixed_renderers else _MAY_DIFFER)
        for split, entry in entries.items():
            results.setdefault(split, {})[entry.identity.policy] = entry
        plain = {s: {name: as_json(entry) for name, entry in row.items()} for s, row in results.items()}
        with atomic_write(Path(path)) as temporary:
            temporary.write_text(json.dumps(plain, indent=2) + "\n")
    return results


def _check_alike(path: Path, results: Results, entries: dict[str, Entry], allowed: tuple[str, ...]) -> None:
    for split, entry in entries.items():
        for name, other in results.get(split, {}).items():
            for part in differences(other.identity, entry.identity):
                theirs, ours = getattr(other.identity, part), getattr(entry.identity, part)
                if name != entry.identity.policy and part not in allowed:
                    remedy = "evaluate all policies with one renderer, or allow mixing explicitly"
                    raise ConfigError(
                        f"{path}: {split}.{name}.identity.{part} is {theirs!r}, this evaluation used {ours!r}; "
                        f"{remedy if part == 'renderer' else 'evaluate into another directory'}"
                    )


def as_json(entry: Entry) -> dict[str, Any]:
    """An entry as plain JSON values, its identity with the hashes; what the benchmark does not count is left out."""
    counted = {name: value for name, value in config.to_dict(entry).items() if value or name not in _COUNTED}
    return counted | {"identity": entry.identity.as_json()}


def _entry(identity: Identity, episodes: list[EpisodeResult], levels: int) -> Entry:
    total = _rate(episode.success for episode in episodes)
    tasks = dict.fromkeys(episode.key.task for episode in episodes)
    names = dict.fromkeys(name for episode in episodes for name in episode.measures)
    scores = [episode.score for episode in episodes]
    return Entry(
        successes=total.successes,
        episodes=total.episodes,
        rate=total.rate,
        interval=total.interval,
        per_task={task: _rate(e.success for e in episodes if e.key.task == task) for task in tasks},
        seeds=tuple(sorted({episode.key.seed for episode in episodes})),
        identity=identity,
        score=_mean(scores, levels) if levels > 1 else None,
        levels=tuple(_rate(score >= k for score in scores) for k in range(1, levels + 1)) if levels > 1 else (),
        measures={name: _mean([e.measures[name] for e in episodes if name in e.measures]) for name in names},
    )


def _rate(outcomes: Iterable[bool]) -> TaskRate:
    rate = Rate.of(outcomes)
    return TaskRate(rate.successes, rate.episodes, rate.rate, rate.interval)


def _mean(values: Sequence[float], highest: float | None = None) -> Mean:
    bounds = None if highest is None else (0.0, float(highest))
    return Mean(float(np.mean(values)), len(values), bootstrap_mean(values, bounds=bounds))
