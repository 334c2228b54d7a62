"""Which episodes of a set are meant by `0-99,120`, a list of numbers and names, or `@keep.txt`."""

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from polymath.data.files.quarantine import OnBad
from polymath.data.interface import EpisodeSet, episode_name
from polymath.data.robots.cameras import listed
from polymath.errors import ConfigError, DataError

RANGE = re.compile(r"(\d+)\s*-\s*(\d+)")
NUMBER = re.compile(r"\d+")
LAST_NUMBER = re.compile(r"(\d+)$")
SHOWN = 20


class EpisodeChoice:
    """Entries are numbers, ranges with both ends, names, or patterns of names as shells have them.

    A number is that at the end of an episode's name (`episode 7`, `demo_7`). Raises ConfigError for an empty choice, a
    range that runs backwards, a file that cannot be read.
    """

    def __init__(self, episodes: str | Sequence[int | str], where: str) -> None:
        self._where = where
        if isinstance(episodes, str):
            entries = _from_file(Path(episodes[1:])) if episodes.startswith("@") else listed(episodes)
        else:
            entries = [str(entry) for entry in episodes]
        if not entries:
            raise ConfigError(f"{where}, episodes: names none; give numbers or names, as in episodes=0-99,120")
        self._ranges: list[tuple[int, int]] = []
        self._names: list[str] = []
        for entry in entries:
            self._parse(entry)
        self._bad: list[str] = []

    def _parse(self, entry: str) -> None:
        span = RANGE.fullmatch(entry)
        if span is not None:
            first, last = int(span[1]), int(span[2])
            if last < first:
                raise ConfigError(f"{self._where}, episodes: {entry} runs backwards; write {last}-{first}")
            self._ranges.append((first, last))
        elif NUMBER.fullmatch(entry):
            self._ranges.append((int(entry), int(entry)))
        else:
            self._names.append(entry)

    def watch(self, on_bad: OnBad) -> OnBad:
        """Passes on what is wrong with a chosen episode or with a whole file, and nothing else."""

        def watching(file: str, row: str, error: DataError) -> None:
            if _is_episode(row):
                if not self._chosen(row):
                    return
                self._bad.append(row)
            on_bad(file, row, error)

        return watching

    def rows(self, source: EpisodeSet, notes: list[str]) -> list[int]:
        """The places of the chosen episodes in the set. Raises ConfigError listing what there is for one that is not.

        Numbers that are missing within a range are noted; an end of a range must be there.
        """
        names = [episode_name(source, row) for row in range(len(source))]
        there = [*names, *self._bad]
        numbers = [number(name) for name in there]
        if self._ranges and len(set(numbers) - {None}) != len(numbers):
            raise ConfigError(
                f"{self._where}, episodes: its episodes have no numbers of their own; name them: {_shortened(there)}"
            )
        known = {value for value in numbers if value is not None}
        for first, last in self._ranges:
            for end in (first, last):
                if not known or not min(known) <= end <= max(known) or (first == last and end not in known):
                    raise ConfigError(f"{self._where}: has no episode {end}; there are {_spans(known)}")
            gaps = set(range(max(first, min(known)), last + 1)) - known
            if gaps:
                notes.append(f"episodes {_spans(gaps)} are not in the set")
        for name in self._names:
            if not any(_matches(other, name) for other in there):
                raise ConfigError(f"{self._where}: has no episode {name!r}; there are {_shortened(there)}")
        return [row for row, name in enumerate(names) if self._chosen(name)]

    def _chosen(self, name: str) -> bool:
        own = number(name)
        by_number = own is not None and any(first <= own <= last for first, last in self._ranges)
        return by_number or any(_matches(name, pattern) for pattern in self._names)


def number(name: str) -> int | None:
    """The set's own number of an episode, which ends its name."""
    match = LAST_NUMBER.search(name)
    return int(match[1]) if match else None


def _from_file(path: Path) -> list[str]:
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as a list of episodes ({error})") from None
    return listed(text.replace("\n", ","))


def _matches(name: str, pattern: str) -> bool:
    return name == pattern or fnmatchcase(name, pattern)


def _is_episode(row: str) -> bool:
    """Readers leave the row empty, or say `after …` or `total_…`, where a whole file is concerned."""
    return bool(row) and not row.startswith(("after ", "total_"))


def _spans(numbers: set[int]) -> str:
    """0-3, 5 for {0, 1, 2, 3, 5}."""
    spans: list[list[int]] = []
    for value in sorted(numbers):
        if spans and spans[-1][1] == value - 1:
            spans[-1][1] = value
        else:
            spans.append([value, value])
    return _shortened([str(a) if a == b else f"{a}-{b}" for a, b in spans])


def _shortened(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return (", ".join(names[:SHOWN]) or "none") + more
