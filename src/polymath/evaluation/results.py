"""results.json: split -> policy or baseline -> rate, interval, per-task rates, seeds and what was run.

{"seen": {"polymath-v": {"successes": 71, "episodes": 96, "rate": 0.74, "interval": [0.64, 0.82],
                         "per_task": {"button-left": {…}}, "seeds": [900000, …], "identity": {…}},
          "random": {…}},
 "novel_objects": {…}}
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from polymath import config
from polymath.errors import ConfigError
from polymath.evaluation.identity import Identity, differences
from polymath.evaluation.rollout import EpisodeResult
from polymath.evaluation.statistics import Rate
from polymath.files import atomic_write, one_at_a_time


@dataclass(frozen=True)
class TaskRate:
    """One task's success rate with its Wilson interval at 95 %."""

    successes: int
    episodes: int
    rate: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class Entry:
    """One policy on one split: pooled over tasks, and task by task; `seeds` are those of its episodes, sorted.

    `hash` is the identity's.
    """

    successes: int
    episodes: int
    rate: float
    interval: tuple[float, float]
    per_task: dict[str, TaskRate]
    seeds: tuple[int, ...]
    identity: Identity
    hash: str = ""


_MAY_DIFFER = ("image_size", "cameras")  # each policy sees the pictures that it was trained on
Results = dict[str, dict[str, Entry]]


def summarise(identity: Identity, episodes: Iterable[EpisodeResult]) -> dict[str, Entry]:
    """One entry per split that occurs in `episodes`, in order of first occurrence."""
    by_split: dict[str, list[EpisodeResult]] = {}
    for episode in episodes:
        by_split.setdefault(episode.key.split, []).append(episode)
    return {split: _entry(identity, of_split) for split, of_split in by_split.items()}


def load_results(path: Path) -> Results:
    """Read results.json; an absent file is an empty result. Raises ConfigError naming the field that does not fit."""
    if not Path(path).exists():
        return {}
    try:
        splits = json.loads(Path(path).read_text())
    except json.JSONDecodeError as error:
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
        plain = {s: {name: config.to_dict(entry) for name, entry in row.items()} for s, row in results.items()}
        with atomic_write(Path(path)) as temporary:
            temporary.write_text(json.dumps(plain, indent=2) + "\n")
    return results


def _check_alike(path: Path, results: Results, entries: dict[str, Entry], allowed: tuple[str, ...]) -> None:
    for split, entry in entries.items():
        for name, other in results.get(split, {}).items():
            for field in differences(other.identity, entry.identity):
                theirs, ours = getattr(other.identity, field), getattr(entry.identity, field)
                if name != entry.identity.policy and field not in allowed:
                    remedy = "evaluate all policies with one renderer, or allow mixing explicitly"
                    raise ConfigError(
                        f"{path}: {split}.{name}.identity.{field} is {theirs!r}, this evaluation used {ours!r}; "
                        f"{remedy if field == 'renderer' else 'evaluate into another directory'}"
                    )


def _entry(identity: Identity, episodes: list[EpisodeResult]) -> Entry:
    total = Rate.of(episode.success for episode in episodes)
    per_task = {}
    for task in dict.fromkeys(episode.key.task for episode in episodes):
        rate = Rate.of(episode.success for episode in episodes if episode.key.task == task)
        per_task[task] = TaskRate(rate.successes, rate.episodes, rate.rate, rate.interval)
    seeds = tuple(sorted({episode.key.seed for episode in episodes}))
    return Entry(total.successes, total.episodes, total.rate, total.interval, per_task, seeds, identity, identity.hash)
