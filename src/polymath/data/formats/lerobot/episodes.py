"""The list of episodes of a LeRobotDataset, v2.0 to v3.0, as typed values; and whether its numbers fit together.

Version 2 has a line of meta/episodes.jsonl, a Parquet file and a video a camera for each episode; in version 3 many
episodes share a file, and meta/episodes/*/*.parquet says from which row to which, from which second to which.
"""

import json
import reprlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polymath.data.files.parquet import read_table
from polymath.data.files.quarantine import OnBad
from polymath.data.formats.lerobot import layout as fmt
from polymath.data.formats.lerobot.info import Info, whole
from polymath.errors import DataError

LARGEST = 2**48  # no number of an episode, a row or a second is larger


@dataclass(frozen=True)
class Clip:
    """An episode's part of a video: seconds from the video's beginning; `stop` is None for its end."""

    path: Path
    start: float = 0.0
    stop: float | None = None


@dataclass(frozen=True)
class EpisodeEntry:
    """`index` is the set's own number of the episode, `rows` its range over the whole set (None: all of its file)."""

    index: int
    length: int
    file: Path
    data: Path
    rows: tuple[int, int] | None
    clips: dict[str, Clip]
    tasks: tuple[str, ...]
    task: str | None
    metadata: str | None

    @property
    def name(self) -> str:
        return f"episode {self.index}"


@dataclass(frozen=True)
class EpisodeList:
    """The entries that can be used; how many rows the list has, and every number that stands in it, good or bad."""

    entries: list[EpisodeEntry]
    rows: int
    numbers: frozenset[int]


def read_episodes(root: Path, info: Info, videos: tuple[str, ...], on_bad: OnBad) -> EpisodeList:
    """The episodes in the order of their numbers; `videos` are the columns of the cameras that are videos.

    An entry that cannot be used goes to `on_bad`. Raises DataError if there is no entry, or no file of them.
    """
    rows = _rows_v3(root) if info.is_v3 else _rows_v2(root)
    entries: list[EpisodeEntry] = []
    for file, number, row in rows:
        try:
            entries.append(_entry(root, info, videos, file, number, row))
        except DataError as error:
            on_bad(str(file), _row_name(number, row), error)
    numbers = (whole(row.get("episode_index")) for _, _, row in rows if isinstance(row, dict))
    return EpisodeList(
        entries=sorted(_without_duplicates(entries, on_bad), key=lambda entry: entry.index),
        rows=len(rows),
        numbers=frozenset(number for number in numbers if number is not None),
    )


def overlapping(entries: Iterable[EpisodeEntry], tolerance: float) -> dict[int, DataError]:
    """Episodes (by number) whose part of a video overlaps with another's by more than `tolerance` seconds."""
    parts: dict[Path, list[tuple[float, float, int]]] = defaultdict(list)
    for entry in entries:
        for clip in entry.clips.values():
            if clip.stop is not None:
                parts[clip.path].append((clip.start, clip.stop, entry.index))
    problems: dict[int, DataError] = {}
    for path, spans in parts.items():
        spans.sort()
        last = spans[0]
        for span in spans[1:]:
            if span[0] < last[1] - tolerance:
                problem = DataError(
                    f"{path}: episode {span[2]} ({span[0]:.3f} to {span[1]:.3f} s) overlaps with episode {last[2]} "
                    f"({last[0]:.3f} to {last[1]:.3f} s); correct from_timestamp and to_timestamp in meta/episodes",
                    "video",
                )
                problems |= {span[2]: problem, last[2]: problem}
            last = max(last, span, key=lambda candidate: candidate[1])
    return problems


def _entry(root: Path, info: Info, videos: tuple[str, ...], file: Path, number: int, row: Any) -> EpisodeEntry:
    where = f"{file}: {_row_name(number, row)}"
    if not isinstance(row, dict):
        raise DataError(f"{where}: is no object but {type(row).__name__}; copy the data set again", "schema")
    index, length = _whole(row, "episode_index", where), _whole(row, "length", where)
    if not length:
        raise DataError(f"{where}, length: 0; an episode has at least one control step; drop it", "truncated")
    names = {"episode_chunk": index // info.chunks_size, "episode_index": index}
    rows = None
    if info.is_v3:
        rows = (_whole(row, "dataset_from_index", where), _whole(row, "dataset_to_index", where))
        if rows[1] - rows[0] != length:
            raise DataError(
                f"{where}, length: {length}, but dataset_from_index to dataset_to_index are {rows[0]} to {rows[1]}; "
                "correct meta/episodes",
                "schema",
            )
    tasks = row.get("tasks")
    return EpisodeEntry(
        index=index,
        length=length,
        file=file,
        data=root / info.data_path.format(**_place(info, row, "data", where), **names),
        rows=rows,
        clips={key: _clip(root, info, row, key, where, names) for key in videos},
        tasks=tuple(text for text in (tasks if isinstance(tasks, list) else [tasks]) if isinstance(text, str)),
        task=_text(row.get("polymath/task")),
        metadata=_text(row.get("polymath/metadata")),
    )


def _clip(root: Path, info: Info, row: dict[str, Any], key: str, where: str, names: dict[str, int]) -> Clip:
    template = info.video_path or fmt.VIDEO_PATH
    path = root / template.format(video_key=key, **_place(info, row, f"videos/{key}", where), **names)
    if not info.is_v3:
        return Clip(path)
    start, stop = (_seconds(row, f"videos/{key}/{name}", where) for name in ("from_timestamp", "to_timestamp"))
    if not 0 <= start < stop:
        raise DataError(
            f"{where}, videos/{key}: from_timestamp {start:g} to to_timestamp {stop:g} is no part of a video; "
            "correct meta/episodes",
            "video",
        )
    return Clip(path, start, stop)


def _place(info: Info, row: dict[str, Any], group: str, where: str) -> dict[str, int]:
    """The numbers of chunk and file; version 2 counts by the episode's own number."""
    names = ("chunk_index", "file_index")
    return {name: _whole(row, f"{group}/{name}", where) if info.is_v3 else 0 for name in names}


def _row_name(number: int, row: Any) -> str:
    index = whole(row.get("episode_index")) if isinstance(row, dict) else None
    return f"row {number}" if index is None else f"episode {index}"


def _whole(row: Mapping[str, Any], name: str, where: str) -> int:
    if name not in row:
        raise DataError(f"{where} has no {name!r}; copy the data set again", "schema")
    number = whole(row[name])
    if number is None or not 0 <= number < LARGEST:
        raise DataError(
            f"{where}, {name}: must be a whole number from 0 on, not {reprlib.repr(row[name])}; correct it", "schema"
        )
    return number


def _seconds(row: Mapping[str, Any], name: str, where: str) -> float:
    if name not in row:
        raise DataError(f"{where} has no {name!r}; copy the data set again", "schema")
    value = row[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < LARGEST:
        raise DataError(f"{where}, {name}: must be a number of seconds, not {value!r}; correct it", "video")
    return float(value)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _without_duplicates(entries: list[EpisodeEntry], on_bad: OnBad) -> list[EpisodeEntry]:
    """Of equal entries the first is kept; where two differ, nothing says which is right, and none is."""
    alike: dict[int, list[EpisodeEntry]] = defaultdict(list)
    for entry in entries:
        alike[entry.index].append(entry)
    kept = []
    for twins in alike.values():
        first, *others = twins
        same = all(other == first for other in others)
        kept += [first] if same else []
        for entry in others if same else twins:
            message = f"{entry.file}: {entry.name} is listed {len(twins)} times; keep one entry"
            on_bad(str(entry.file), entry.name, DataError(message, "duplicate"))
    return kept


def _rows_v2(root: Path) -> list[tuple[Path, int, Any]]:
    file = root / "meta" / "episodes.jsonl"
    rows = read_json_lines(file)
    if not rows:
        raise DataError(f"{file}: holds no episode; copy or record the data set again")
    return [(file, number, row) for number, row in rows]


def read_json_lines(path: Path) -> list[tuple[int, Any]]:
    """(line number, value) of every line that is not blank. Only a line feed ends a line: texts may hold U+2028."""
    try:
        lines = path.read_bytes().decode("utf-8-sig").split("\n")
        return [(number, json.loads(line)) for number, line in enumerate(lines, start=1) if line.strip()]
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; copy the whole data set") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not valid JSON lines ({error}); copy the data set again") from None


def _rows_v3(root: Path) -> list[tuple[Path, int, Any]]:
    rows: list[tuple[Path, int, Any]] = []
    files = (file for file in root.glob("meta/episodes/*/*.parquet") if not file.name.startswith("."))
    for file in sorted(files):  # without macOS's ._ files
        table = read_table(file)
        kept = [name for name in table.column_names if not name.startswith(("stats/", "meta/"))]
        rows += [(file, number, row) for number, row in enumerate(table.select(kept).to_pylist(), start=1)]
    if not rows:
        raise DataError(f"{root}/meta/episodes: holds no episode; copy or record the data set again")
    return rows
