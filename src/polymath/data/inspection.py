"""What is in a data set: counts, lengths, statistics, as plain JSON values for `polymath data inspect`."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from polymath import config
from polymath.data.sources.lerobot import LeRobotEpisodes
from polymath.data.sources.webdataset import WebDatasetPairs
from polymath.data.statistics import Accumulator, FieldStatistics
from polymath.errors import DataError


def open_source(path: Path) -> LeRobotEpisodes | WebDatasetPairs:
    """A LeRobot data set (meta/info.json), a directory of *.tar, or one *.tar. Raises DataError for anything else."""
    path = Path(path)
    if not path.exists():
        raise DataError(f"{path}: no such file or directory")
    if (path / "meta" / "info.json").is_file():
        return LeRobotEpisodes(path)
    if path.suffix == ".tar" or (path.is_dir() and any(path.glob("*.tar"))):
        return WebDatasetPairs(path)
    raise DataError(f"{path}: neither a LeRobot data set (meta/info.json) nor WebDataset shards (*.tar)")


def summarise(source: LeRobotEpisodes | WebDatasetPairs) -> dict[str, Any]:
    """Counts, lengths and statistics. Raises DataError if there is nothing in it."""
    if not len(source):
        raise DataError(f"{source.path}: holds nothing; record it again")
    return summarise_episodes(source) if isinstance(source, LeRobotEpisodes) else summarise_pairs(source)


def summarise_episodes(source: LeRobotEpisodes) -> dict[str, Any]:
    """`control_steps` are lengths of episodes; `state` and `action` are per dimension, in the robot's own units."""
    robot = source.embodiment
    lengths = [len(source.actions(i)) for i in range(len(source))]
    states, actions = Accumulator(robot.state_dim), Accumulator(robot.action_dim)
    for i in range(len(source)):
        states.add(source.states(i))
        actions.add(source.actions(i))
    height, width = source.frames(0, [0]).shape[2:4]
    return {
        "kind": "episodes",
        "path": str(source.path),
        "episodes": len(source),
        "frames": sum(lengths),
        "minutes": sum(lengths) / source.fps / 60,
        "control_hz": source.fps,
        "robot": robot.name,
        "cameras": list(robot.cameras),
        "picture": [int(height), int(width)],
        "control_steps": _spread(lengths),
        "tasks": dict(Counter(source.task(i) for i in range(len(source)))),
        "instructions": len({source.instruction(i) for i in range(len(source))}),
        "state": _per_dimension(robot.state_names, states.result()),
        "action": _per_dimension(robot.action_names, actions.result()),
        "recording": source.recording,
    }


def summarise_pairs(source: WebDatasetPairs) -> dict[str, Any]:
    """`words` are lengths of captions; a word is what white space separates."""
    texts = [source.text(i) for i in range(len(source))]
    height, width = source.image(0).shape[:2]
    return {
        "kind": "pairs",
        "path": str(source.path),
        "pairs": len(texts),
        "captions": len(set(texts)),
        "picture": [int(height), int(width)],
        "words": _spread(len(text.split()) for text in texts),
        "recording": source.recording,
    }


def _spread(values: Iterable[int]) -> dict[str, float]:
    array = np.array(list(values))
    return {"min": int(array.min()), "median": float(np.median(array)), "max": int(array.max())}


def _per_dimension(names: tuple[str, ...], statistics: FieldStatistics) -> dict[str, dict[str, float]]:
    fields = {name: value for name, value in config.to_dict(statistics).items() if name != "count"}
    return {name: {key: values[i] for key, values in fields.items()} for i, name in enumerate(names)}
