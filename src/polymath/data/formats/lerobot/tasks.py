"""The instructions of a LeRobotDataset: meta/tasks.parquet (version 3), meta/tasks.jsonl (version 2)."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from polymath.data.files.parquet import read_table
from polymath.data.formats.lerobot.episodes import read_json_lines
from polymath.data.formats.lerobot.info import Info, whole
from polymath.errors import DataError


class Instructions:
    """Texts by task_index; a text that cannot be used is an error for the episodes that need it alone."""

    def __init__(self, file: Path, rows: Iterable[tuple[Any, Any]]) -> None:
        """`rows`: (task_index, task). Raises DataError for a task_index that is none, or has two different texts."""
        self.file = file
        self._texts: dict[int, Any] = {}
        for number, text in rows:
            index = whole(number)
            if index is None:
                raise DataError(f"{file}, task_index: must be a whole number, not {number!r}; correct it", "schema")
            text = text[0] if isinstance(text, list) and len(text) == 1 else text
            if self._texts.setdefault(index, text) != text:
                raise DataError(f"{file}, task_index {index}: has two different texts; renumber them", "schema")

    def text(self, task: int, where: str) -> str:
        """Raises DataError, naming the episode by `where`, if there is no text."""
        text = self._texts.get(task)
        place = f"{self.file.parent.name}/{self.file.name}"
        if text is not None and not isinstance(text, str):
            raise DataError(f"{where}, task_index {task}: {text!r} in {place} is no text; write one", "instruction")
        if not (text or "").strip():
            raise DataError(f"{where}, task_index {task}: no instruction in {place}; write one there", "instruction")
        return str(text)


def read_instructions(root: Path, info: Info) -> Instructions:
    """Raises DataError naming file and field if they are missing or of another type."""
    return _read_v3(root / "meta" / "tasks.parquet") if info.is_v3 else _read_v2(root / "meta" / "tasks.jsonl")


def _read_v2(file: Path) -> Instructions:
    rows = []
    for number, row in read_json_lines(file):
        for name in ("task_index", "task"):
            if not isinstance(row, dict) or name not in row:
                raise DataError(f"{file}: line {number} has no {name!r}; copy the data set again", "schema")
        rows.append((row["task_index"], row["task"]))
    return Instructions(file, rows)


def _read_v3(file: Path) -> Instructions:
    """Early writers of v3.0 left the pandas index without a name."""
    table = read_table(file)
    column = "__index_level_0__" if "__index_level_0__" in table.column_names else "task"
    for name in ("task_index", column):
        if name not in table.column_names:
            raise DataError(f"{file}: has no column {name!r}; copy or record the data set again", "schema")
    return Instructions(file, zip(table["task_index"].to_pylist(), table[column].to_pylist(), strict=True))
