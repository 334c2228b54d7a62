"""What is in a data set: counts, lengths, statistics and warnings, as plain JSON values for `polymath data inspect`."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from polymath import config
from polymath.data.files.quarantine import Quarantine
from polymath.data.formats.opening import open_source
from polymath.data.interface import EpisodeSet, camera_frames, episode_name
from polymath.data.looking import sample, warnings
from polymath.data.looking.kinds import as_pairs, is_episodes
from polymath.data.looking.sample import MIXED_SIZE
from polymath.data.prepare.filters import language
from polymath.data.robots.accumulator import TAILS, FieldStatistics
from polymath.data.robots.clipping import clipping_report
from polymath.data.robots.scaling import Normalization
from polymath.data.robots.statistics import RobotAccumulator
from polymath.errors import DataError

LANGUAGE_SAMPLE = 200
TRIED = 8  # episodes, before their cameras are thought to differ


def open_for_looking(name: str | Path, quarantine: Quarantine) -> Any:
    """The source with its bad rows in `quarantine`.

    Cameras of different sizes are fitted to one where its reader cannot give the pictures of one camera alone.
    """
    source = open_source(name, on_bad=quarantine.add)
    if is_episodes(source) and len(source) and not any(_readable(source, i) for i in range(min(len(source), TRIED))):
        return open_source(name, image_size=MIXED_SIZE, on_bad=Quarantine().add)
    return source


def _readable(source: EpisodeSet, episode: int) -> bool:
    try:
        for camera in range(len(source.embodiment.cameras)):
            camera_frames(source, episode, camera, [0])
    except DataError:
        return False
    return True


def summarise(
    source: Any, quarantine: Quarantine | None = None, normalization: Normalization = "quantiles"
) -> dict[str, Any]:
    """Counts, lengths, statistics, warnings. Raises DataError if the set holds nothing that can be used.

    `quarantine` holds the rows that could not be opened; those found bad while reading are added to it. Only a sample
    of the pictures is decoded (`looking.sample`). `normalization` is the one whose clipping is reported.
    """
    quarantine = quarantine or Quarantine()
    if not len(source):
        raise DataError(f"{source.name}: holds nothing that can be used; record it again\n{quarantine.table()}")
    if is_episodes(source):
        summary = summarise_episodes(source, quarantine, normalization)
    else:
        summary = summarise_pairs(source, quarantine)
    bad = {"bad": quarantine.counts()} if quarantine.rows else {}
    missing = quarantine.counts().get("instruction", 0)
    gaps = [f"instruction or caption missing in {missing} rows"] if missing else []
    return {**summary, **bad, "warnings": [*getattr(source, "notes", ()), *gaps, *summary["warnings"]]}


@dataclass(frozen=True)
class _Episodes:
    """What was read of the episodes that can be used; `usable` are their indices."""

    statistics: RobotAccumulator
    usable: list[int] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    tasks: Counter[str] = field(default_factory=Counter)
    instructions: list[str] = field(default_factory=list)


def summarise_episodes(
    source: EpisodeSet, quarantine: Quarantine, normalization: Normalization = "quantiles"
) -> dict[str, Any]:
    """`control_steps` are lengths of episodes; `state` and `action` are per dimension, in the robot's own units."""
    robot = source.embodiment
    episodes = _read_episodes(source, quarantine)
    pictures = sample.first_pictures(source, episodes.usable, quarantine)
    statistics = episodes.statistics.result(normalization)
    frames, hz = sum(episodes.lengths), getattr(source, "fps", robot.control_hz)
    return {
        "kind": "episodes",
        "path": source.name,
        "episodes": len(episodes.usable),
        "frames": frames,
        "minutes": frames / hz / 60 if hz else 0.0,
        "control_hz": hz,
        "robot": robot.name,
        "slot": robot.slot,
        "cameras": list(robot.cameras),
        "picture": list(pictures.shape[2:4]),
        "control_steps": _spread(episodes.lengths),
        "tasks": dict(episodes.tasks),
        "instructions": len(set(episodes.instructions)),
        "languages": languages(episodes.instructions),
        "normalization": normalization,
        "state": _per_dimension(robot.state_names, statistics.state),
        "action": _per_dimension(robot.action_names, statistics.action),
        "clipping": clipping_report(statistics, robot),
        "recording": getattr(source, "recording", {}),
        "warnings": warnings.of_episodes(source, episodes.usable, statistics.state, statistics.action, pictures),
    }


def _read_episodes(source: EpisodeSet, quarantine: Quarantine) -> _Episodes:
    """Without the pictures. Raises DataError if no episode can be used."""
    episodes = _Episodes(RobotAccumulator(source.embodiment))
    for i in range(len(source)):
        name = episode_name(source, i)
        try:
            task, instruction, actions = source.task(i), source.instruction(i), source.actions(i)
            if not len(actions):
                raise DataError(f"{source.name}: {name}: holds no control step; drop the episode", "empty")
            episodes.statistics.add(source.states(i), actions, f"{source.name}: {name}")
        except DataError as error:
            quarantine.add(source.name, name, error)
            continue
        episodes.usable.append(i)
        episodes.lengths.append(len(actions))
        episodes.tasks[task] += 1
        episodes.instructions.append(instruction)
    if not episodes.usable:
        raise DataError(f"{source.name}: holds no usable episode\n{quarantine.table()}")
    return episodes


def summarise_pairs(source: Any, quarantine: Quarantine) -> dict[str, Any]:
    """`words` are lengths of captions; a word is what white space separates."""
    pairs = as_pairs(source)
    captions: dict[int, str] = {}
    for i in range(len(pairs)):
        try:
            captions[i] = pairs.text(i)
        except DataError as error:
            quarantine.add(source.name, str(i), error)
    size, texts = sample.picture_size(pairs, list(captions), quarantine), list(captions.values())
    return {
        "kind": "documents" if hasattr(source, "document") else "pairs",
        "path": source.name,
        "pairs": len(texts),
        "captions": len(set(texts)),
        "picture": list(size),
        "words": _spread(len(text.split()) for text in texts),
        "languages": languages(texts),
        "recording": getattr(source, "recording", {}),
        "warnings": warnings.of_texts(texts),
    }


def languages(texts: Sequence[str]) -> dict[str, int]:
    """Guessed ISO 639-1 codes of up to 200 different texts, evenly spaced; {} without py3langid."""
    different = list(dict.fromkeys(texts))
    step = max(1, len(different) // LANGUAGE_SAMPLE)
    try:
        return dict(Counter(language(text) for text in different[::step]).most_common())
    except ImportError:
        return {}


def _spread(values: Iterable[int]) -> dict[str, float]:
    array = np.array(list(values))
    return {"min": int(array.min()), "median": float(np.median(array)), "max": int(array.max())}


def _per_dimension(names: tuple[str, ...], statistics: FieldStatistics) -> dict[str, dict[str, float]]:
    fields = {name: value for name, value in config.to_dict(statistics).items() if name not in ("count", *TAILS)}
    return {name: {key: values[i] for key, values in fields.items()} for i, name in enumerate(names)}
