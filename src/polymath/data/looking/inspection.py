"""What is in a data set: counts, lengths, statistics and warnings, as plain JSON values for `polymath data inspect`."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from polymath import config
from polymath.data.files.images import decode
from polymath.data.files.quarantine import Quarantine
from polymath.data.formats.opening import open_source
from polymath.data.interface import EpisodeSet, InterleavedSet, PairSet, episode_name
from polymath.data.looking import sample, warnings
from polymath.data.prepare.filters import language
from polymath.data.robots.statistics import Accumulator, FieldStatistics
from polymath.errors import DataError

MIXED_SIZE = 160  # pixels to which pictures of cameras of different sizes are fitted
LANGUAGE_SAMPLE = 200
TRIED = 8  # episodes, before their cameras are thought to differ


def open_for_looking(name: str | Path, quarantine: Quarantine) -> Any:
    """The source with its bad rows in `quarantine`; cameras of different sizes are fitted to one."""
    source = open_source(name, on_bad=quarantine.add)
    if is_episodes(source) and len(source) and not any(_readable(source, i) for i in range(min(len(source), TRIED))):
        return open_source(name, image_size=MIXED_SIZE, on_bad=Quarantine().add)
    return source


def _readable(source: EpisodeSet, episode: int) -> bool:
    try:
        source.frames(episode, [0])
    except DataError:
        return False
    return True


def is_episodes(source: Any) -> bool:
    return hasattr(source, "embodiment")


def as_pairs(source: Any) -> PairSet:
    """Pairs as they are, documents as their first picture and their text."""
    return FirstPictures(source) if hasattr(source, "document") else source


class FirstPictures:
    """Documents behind the interface of pairs."""

    def __init__(self, documents: InterleavedSet) -> None:
        self._documents, self.name = documents, documents.name

    def __len__(self) -> int:
        return len(self._documents)

    def text(self, index: int) -> str:
        return " ".join(part for part in self._documents.document(index).parts if isinstance(part, str))

    def image(self, index: int) -> UInt8[np.ndarray, "height width 3"]:
        """Black if there is none."""
        pictures = [part for part in self._documents.document(index).parts if isinstance(part, bytes)]
        blank = np.zeros((MIXED_SIZE, MIXED_SIZE, 3), np.uint8)
        return decode(pictures[0], f"{self.name}: document {index}") if pictures else blank


def summarise(source: Any, quarantine: Quarantine | None = None) -> dict[str, Any]:
    """Counts, lengths, statistics, warnings. Raises DataError if there is nothing in it.

    Rows that could not be opened are in `quarantine`; those found bad on the way are added to it. Of the pictures a
    sample is decoded (`looking`).
    """
    quarantine = quarantine or Quarantine()
    if not len(source):
        raise DataError(f"{source.name}: holds nothing that can be used; record it again\n{quarantine.table()}")
    found = summarise_episodes(source, quarantine) if is_episodes(source) else summarise_pairs(source, quarantine)
    bad = {"bad": quarantine.counts()} if quarantine.rows else {}
    missing = quarantine.counts().get("instruction", 0)
    notes = [f"instruction or caption missing in {missing} rows"] if missing else []
    notes += getattr(source, "notes", ())
    return {**found, **bad, "warnings": [*notes, *found["warnings"]]}


def summarise_episodes(source: EpisodeSet, quarantine: Quarantine) -> dict[str, Any]:
    """`control_steps` are lengths of episodes; `state` and `action` are per dimension, in the robot's own units."""
    robot = source.embodiment
    states, actions = Accumulator(robot.state_dim), Accumulator(robot.action_dim)
    lengths, tasks, said, good = [], Counter[str](), [], []
    for i in range(len(source)):
        try:
            task, instruction, state, action = (
                source.task(i),
                source.instruction(i),
                source.states(i),
                source.actions(i),
            )
        except DataError as error:
            quarantine.add(source.name, episode_name(source, i), error)
            continue
        states.add(state)
        actions.add(action)
        lengths.append(len(action))
        tasks[task] += 1
        said.append(instruction)
        good.append(i)
    if not good:
        raise DataError(f"{source.name}: holds no usable episode\n{quarantine.table()}")
    pictures = sample.first_pictures(source, good, quarantine)
    hz = getattr(source, "fps", robot.control_hz)
    state_statistics, action_statistics = states.result(), actions.result()
    return {
        "kind": "episodes",
        "path": source.name,
        "episodes": len(good),
        "frames": sum(lengths),
        "minutes": sum(lengths) / hz / 60 if hz else 0.0,
        "control_hz": hz,
        "robot": robot.name,
        "cameras": list(robot.cameras),
        "picture": list(pictures.shape[2:4]),
        "control_steps": _spread(lengths),
        "tasks": dict(tasks),
        "instructions": len(set(said)),
        "languages": languages(said),
        "state": _per_dimension(robot.state_names, state_statistics),
        "action": _per_dimension(robot.action_names, action_statistics),
        "recording": getattr(source, "recording", {}),
        "warnings": warnings.of_episodes(source, good, state_statistics, action_statistics, pictures),
    }


def summarise_pairs(source: Any, quarantine: Quarantine) -> dict[str, Any]:
    """`words` are lengths of captions; a word is what white space separates."""
    pairs = as_pairs(source)
    texts: dict[int, str] = {}
    for i in range(len(pairs)):
        try:
            texts[i] = pairs.text(i)
        except DataError as error:
            quarantine.add(source.name, str(i), error)
    size, said = sample.picture_size(pairs, list(texts), quarantine), list(texts.values())
    return {
        "kind": "documents" if hasattr(source, "document") else "pairs",
        "path": source.name,
        "pairs": len(texts),
        "captions": len(set(said)),
        "picture": list(size),
        "words": _spread(len(text.split()) for text in said),
        "languages": languages(said),
        "recording": getattr(source, "recording", {}),
        "warnings": warnings.of_texts(said),
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
    fields = {name: value for name, value in config.to_dict(statistics).items() if name != "count"}
    return {name: {key: values[i] for key, values in fields.items()} for i, name in enumerate(names)}
