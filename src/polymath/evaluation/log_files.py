"""The episode logs of several evaluations, checked to be comparable, each under a label of its own."""

import os
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from polymath.errors import ConfigError, DataError
from polymath.evaluation.episode_log import read_episodes
from polymath.evaluation.episode_result import EpisodeResult
from polymath.evaluation.identity import Identity, check_comparable
from polymath.policy.session import EpisodeKey

Episodes = Mapping[EpisodeKey, EpisodeResult]


@dataclass(frozen=True)
class Log:
    """One policy's episodes. `label` is the policy's name, with the directory where two logs have the same."""

    label: str
    path: Path
    identity: Identity
    episodes: Episodes


def read_logs(paths: Sequence[Path], allowed: Collection[str] = ()) -> list[Log]:
    """Read episode logs, or directories whose episodes/ holds logs: of two paths one log each, of more all of them.

    Raises ConfigError naming the field of their identities, but the policy's own and those in `allowed`, in which they
    differ, and for a log that is named twice; DataError if one is missing, empty or cannot be read.
    """
    places = [Path(path) for path in paths]
    for place in places:
        if not place.exists():
            raise DataError(f"{place}: no such file; is this an evaluation written by `polymath eval`?")
    files = [file for place in places for file in _files(place, only_one=len(places) == 2)]
    for file, times in Counter(file.resolve() for file in files).items():
        if times > 1:
            raise ConfigError(f"compare: {file} is named {times} times; name each log once")
    opened = [(file, *read_episodes(file)) for file in files]
    for file, identity, episodes in opened:
        if not episodes:
            raise DataError(f"{file}: holds no finished episode; run `polymath eval` to its end first")
        check_comparable(opened[0][1], identity, (str(opened[0][0]), str(file)), allowed)
    labels = _labels([identity.policy for _, identity, _ in opened], files)
    return [Log(label, *rest) for label, rest in zip(labels, opened, strict=True)]


def _files(path: Path, only_one: bool) -> list[Path]:
    """`path` itself, or the logs below it."""
    if not path.is_dir():
        return [path]
    logs = sorted([*path.glob("episodes/*.jsonl"), *path.glob("evaluation/episodes/*.jsonl")])
    if not logs or (only_one and len(logs) != 1):
        names = ", ".join(str(log.relative_to(path)) for log in logs) or "none"
        raise DataError(f"{path}: name one episode log of this directory (found {names})")
    return logs


def _labels(names: Sequence[str], files: Sequence[Path]) -> list[str]:
    """The policies' names; where one occurs twice, with the part of the paths that tells them apart."""
    labels = list(names)
    for name in {name for name in names if names.count(name) > 1}:
        places = [i for i, other in enumerate(names) if other == name]
        paths = [files[i].resolve().with_suffix("") for i in places]
        common = os.path.commonpath([path.parent for path in paths])
        parts = [path.relative_to(common).parts for path in paths]
        while len({part[-1:] for part in parts}) == 1:
            parts = [part[:-1] for part in parts]
        for i, part in zip(places, parts, strict=True):
            labels[i] = f"{name} ({'/'.join(part) or '.'})"
    return labels
