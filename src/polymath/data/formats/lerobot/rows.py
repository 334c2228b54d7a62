"""The small columns of a LeRobotDataset: one read a data file, and the checks that an episode's rows must pass.

Columns become numbers a whole file at a time; an episode's are a view of them.
"""

from collections.abc import Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Float, Int

from polymath.data.files.parquet import open_data_file, to_numpy
from polymath.data.formats.lerobot.episodes import EpisodeEntry
from polymath.data.formats.lerobot.info import Info
from polymath.data.formats.lerobot.keys import TASK, Keys
from polymath.data.formats.lerobot.tasks import Instructions
from polymath.data.formats.memory import check_vectors
from polymath.errors import DataError
from polymath.types import Embodiment

# Seconds; a recording is shorter, the time of day (1.7e9 s since 1970) is larger.
LATEST = 1e6


@dataclass(frozen=True)
class Vectors:
    """What is kept of an episode's rows beside pictures."""

    states: Float[np.ndarray, "T state_dim"]
    actions: Float[np.ndarray, "T A"]
    instruction: str


@dataclass(frozen=True)
class EpisodeRows:
    """What an episode's rows hold beside pictures.

    `times` are seconds since the episode's beginning, `numbers` the frame_index, None where the file has none.
    """

    vectors: Vectors
    times: Float[np.ndarray, " T"]
    numbers: Int[np.ndarray, " T"] | None

    @property
    def pace(self) -> float | None:
        """Seconds from row to row, in the median; None for one row."""
        return float(np.median(np.diff(self.times))) if len(self.times) > 1 else None

    @property
    def cut(self) -> int:
        """Rows that are missing, going by frame_index."""
        return 0 if self.numbers is None else int(self.numbers.max()) + 1 - len(self.numbers)


class RowFile:
    """One data/*.parquet with the numbers of all its rows. Raises DataError if it cannot be read, or lacks a column."""

    def __init__(self, path: Path, info: Info, keys: Keys, robot: Embodiment) -> None:
        self.path, self._info, self._keys, self._robot = path, info, keys, robot
        pictures = [key for key in keys.cameras.values() if info.features[key].dtype == "image"]
        needed = dict.fromkeys((*keys.state, *keys.action, "timestamp", "episode_index"))
        with_task = keys.task != TASK or TASK in info.features
        needed |= dict.fromkeys([keys.task] if with_task else [])
        needed |= dict.fromkeys(["frame_index"] if "frame_index" in info.features else [])
        self._table, self.pictures = open_data_file(path, list(needed), pictures)
        self._numbers: dict[str, np.ndarray | None] = {}
        self.episode_index = self._single("episode_index", slice(None), f"{path}, episode_index")
        numbered = self.episode_index[np.isfinite(self.episode_index)]  # a row without a number is its episode's fault
        episodes, counts = np.unique(numbered.astype(np.int64), return_counts=True)
        self._counts = dict(zip(episodes.tolist(), counts.tolist(), strict=True))

    def first_row(self, entry: EpisodeEntry, base: int) -> int:
        """Where the episode begins, `base` being the set's row that the file begins with.

        Raises DataError unless the rows there are the episode's, all of them and no others.
        """
        first, where = (0 if entry.rows is None else entry.rows[0] - base), f"{self.path}: {entry.name}"
        there = self.episode_index[max(first, 0) : max(first, 0) + entry.length]
        if len(there) != entry.length:
            raise DataError(
                f"{where} needs {entry.length} rows, {len(there)} are there; copy it again, or correct meta/episodes",
                "truncated",
            )
        if first < 0 or (there != entry.index).any():
            raise DataError(
                f"{where}, episode_index: the rows are of another episode; meta/episodes does not fit data", "schema"
            )
        if self._counts[entry.index] != entry.length:
            raise DataError(
                f"{where}: {self._counts[entry.index]} rows are there, but {entry.file}, length says {entry.length}; "
                "correct it, or drop the rows",
                "truncated",
            )
        return first

    def first_set_row(self, entries: Sequence[EpisodeEntry]) -> int:
        """The row of the whole set that the file begins with; `entries` are those of the file.

        Its `index` column would say so, but edited sets leave it stale. Rows of episodes without an entry may come
        before the first one listed.
        """
        listed = min((entry for entry in entries if entry.rows is not None), key=lambda e: e.rows or (), default=None)
        if listed is None or listed.rows is None:
            return 0
        before = self.episode_index[: int(np.argmax(self.episode_index == listed.index))]
        return listed.rows[0] - int((~np.isin(before, [entry.index for entry in entries])).sum())

    def unlisted(self, numbers: Set[int]) -> list[int]:
        """Episodes that have rows in the file, but are none of those listed."""
        return sorted(set(self._counts) - numbers)

    def read(self, entry: EpisodeEntry, first: int, instructions: Instructions) -> EpisodeRows:
        """The episode's rows. Raises DataError for rows that no policy may learn from."""
        part, where = slice(first, first + entry.length), f"{self.path}: {entry.name}"
        states = self._vectors(self._keys.state, part, where, self._robot.state_dim)
        actions = self._vectors(self._keys.action, part, where, self._robot.action_dim)
        numbers = None
        if "frame_index" in self._table.column_names:
            numbers = self._single("frame_index", part, f"{where}, frame_index")
            if not np.isfinite(numbers).all():
                raise DataError(f"{where}, frame_index: null in a row; number the rows from 0 on", "nan")
            if numbers[0] < 0 or (np.diff(numbers) <= 0).any():
                raise DataError(
                    f"{where}, frame_index: must be 0 or more and increase from row to row; sort the rows, or number "
                    "them anew",
                    "timestamps",
                )
        instruction = self._instruction(entry, part, where, instructions)
        return EpisodeRows(Vectors(states, actions, instruction), self._times(part, where), numbers)

    def _column(self, name: str, part: slice, where: str) -> np.ndarray:
        """[T, D]. A file of rows of different widths is converted an episode at a time: the others are good."""
        if name not in self._numbers:
            try:
                self._numbers[name] = to_numpy(self._table[name])
            except ValueError:
                self._numbers[name] = None
        column = self._numbers[name]
        if column is not None:
            return column[part]
        try:
            return to_numpy(self._table[name].slice(part.start or 0, len(range(*part.indices(self._table.num_rows)))))
        except ValueError as error:
            raise DataError(f"{where}: {error}; write the column again", "width") from None

    def _single(self, name: str, part: slice, where: str) -> np.ndarray:
        """[T]. Raises DataError for several numbers in a row."""
        column = self._column(name, part, where)
        if column.shape[1] != 1:
            raise DataError(f"{where}: {column.shape[1]} numbers in a row; write one", "width")
        return column[:, 0]

    def _vectors(self, columns: tuple[str, ...], part: slice, where: str, width: int) -> Float[np.ndarray, "T D"]:
        """The columns end to end, as float32. What does not fit into float32 becomes infinite, and is refused."""
        with np.errstate(over="ignore"):
            values = [self._column(name, part, f"{where}, {name}").astype(np.float32, copy=False) for name in columns]
        whole = values[0] if len(values) == 1 else np.concatenate(values, axis=1)
        check_vectors(whole, width, f"{where}, {', '.join(columns)}", self._robot)
        return whole

    def _times(self, part: slice, where: str) -> Float[np.ndarray, " T"]:
        """Seconds, increasing. Raises DataError for other units, for times of day, and for rows out of order."""
        where = f"{where}, timestamp"
        column = self._column("timestamp", part, where)
        times = column.astype(np.float64).ravel()
        if column.shape[1] != 1 or not np.isfinite(times).all():
            raise DataError(f"{where}: NaN, null or no single number; write seconds into every row", "timestamps")
        largest = float(np.abs(times).max())
        step = float(np.spacing(np.float32(largest)))
        if largest > LATEST or (column.dtype == np.float32 and step > 0.25 / self._info.fps):
            raise DataError(
                f"{where}: {largest:.10g} is too large, float32 has steps of {step:g} s there; timestamps are seconds "
                "since the beginning of the episode, so subtract the first one",
                "timestamps",
            )
        back = np.flatnonzero(~(np.diff(times) > 0))
        if len(back):
            frame = f"{where.removesuffix(', timestamp')}, frame {back[0] + 1}, timestamp"
            raise DataError(f"{frame}: does not increase; sort or drop the episode", "timestamps")
        return times

    def _instruction(self, entry: EpisodeEntry, part: slice, where: str, instructions: Instructions) -> str:
        """Of all rows the same. Without a column of tasks it is the one that the list of episodes has."""
        name = self._keys.task
        if name not in self._table.column_names:
            if len(entry.tasks) == 1 and entry.tasks[0].strip():
                return entry.tasks[0]
            raise DataError(f"{where}: no column {name!r} and {len(entry.tasks)} tasks in {entry.file}", "instruction")
        kind = self._table.schema.field(name).type
        if pa.types.is_dictionary(kind) or pa.types.is_list(kind):
            kind = kind.value_type
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            values = self._table[name].slice(part.start, part.stop - part.start).to_pylist()
            tasks: set[Any] = {_text(value, f"{where}, {name}") for value in values}
        else:
            numbers = self._single(name, part, f"{where}, {name}")
            if not np.isfinite(numbers).all():
                raise DataError(f"{where}, {name}: null in a row; write the task into every row", "instruction")
            if (numbers != np.floor(numbers)).any():
                raise DataError(f"{where}, {name}: holds a fraction; write the number of the task", "instruction")
            tasks = set(numbers.tolist())
        if len(tasks) > 1:
            raise DataError(
                f"{where}, {name}: {len(tasks)} instructions in one episode; split it where they change", "instruction"
            )
        task = tasks.pop()
        if isinstance(task, str) or task is None:
            if not (task or "").strip():
                raise DataError(f"{where}, {name}: is empty; write down what the robot was told", "instruction")
            return str(task)
        return instructions.text(int(task), where)


def _text(value: str | list[str | None] | None, where: str) -> str | None:
    """The text of a row; of a list the one that stands there."""
    if not isinstance(value, list):
        return value
    if len(value) > 1:
        raise DataError(f"{where}: {len(value)} texts in a row; write one", "instruction")
    return value[0] if value else None
