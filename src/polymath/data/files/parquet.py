"""Parquet files as LeRobot data sets use them: small columns into numpy, encoded pictures by row group."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from polymath.data.files.paths import readable
from polymath.errors import DataError


@contextmanager
def opened(path: Path) -> Iterator[pq.ParquetFile]:
    """An open Parquet file; what goes wrong with it inside the block is a DataError that names it."""
    try:
        with pq.ParquetFile(readable(path)) as file:
            yield file
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; copy the whole data set") from None
    except (pa.ArrowException, OSError) as error:
        raise DataError(*_unreadable(path, str(error))) from None


def read_table(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """A Parquet table. Raises DataError if the file is missing, truncated or lacks a column."""
    with opened(path) as file:
        return _read(path, file, columns)


def _read(path: Path, file: pq.ParquetFile, columns: Sequence[str] | None) -> pa.Table:
    if columns is None:
        return file.read()
    check_columns(path, file.schema_arrow, columns)
    return file.read(columns=list(columns)).select(list(columns))  # `read` takes every column below a.b for `a`


def check_columns(path: Path, schema: pa.Schema, columns: Sequence[str]) -> None:
    """Raise DataError unless each column is there, and once."""
    for name in columns:
        count = schema.names.count(name)
        if not count:
            there = ", ".join(schema.names)
            raise DataError(f"{path}: has no column {name!r}; record the data set again. It has {there}", "schema")
        if count > 1:
            raise DataError(f"{path}: has {count} columns {name!r}; keep one", "schema")


def _unreadable(path: Path, error: str) -> tuple[str, str]:
    error = " ".join(error.split())
    if "Expected all lists to be of size" in error:
        # pyarrow writes nulls among lists of a fixed size, and reads none of them
        return (
            f"{path}: a row is null in a column of lists of a fixed size ({error}); write it again with a value in "
            "every row, or as lists of any length",
            "nan",
        )
    return f"{path}: not a complete Parquet file ({error}); copy the data set again", "truncated"


def to_numpy(column: pa.ChunkedArray) -> np.ndarray:
    """Numbers and lists of them, nested to any depth, as [T, D] row by row; nulls are NaN. A plain number has D 1.

    Integers without nulls stay integers. Raises ValueError, in words that may stand behind the column's name, for
    rows of different widths and for what is no number.
    """
    return _matrix(column.combine_chunks() if column.num_chunks != 1 else column.chunk(0))


def _matrix(values: pa.Array) -> np.ndarray:
    kind = values.type
    if isinstance(kind, pa.BaseExtensionType):
        return _matrix(values.storage)
    if pa.types.is_dictionary(kind):
        return _matrix(values.dictionary_decode())
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        widths = pc.list_value_length(values).fill_null(-1).to_numpy(zero_copy_only=False)
        there = widths >= 0
        different = np.unique(widths[there])
        if len(different) > 1:
            row = int(np.flatnonzero(there & (widths != widths[there][0]))[0])
            raise ValueError(f"row {row} has {widths[row]} numbers, the rows before it {widths[there][0]}")
        inner = _matrix(values.drop_null().flatten())
        width = int(different[0]) * inner.shape[1] if len(different) else 0
        if there.all():
            return inner.reshape(len(values), width)
        result = np.full((len(values), width), np.nan)
        result[there] = inner.reshape(-1, width)
        return result
    numeric = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_null)
    if not any(is_kind(kind) for is_kind in numeric):
        raise ValueError(f"holds {kind}, no numbers")
    if values.null_count:
        values = values.cast(pa.float64())
    numbers = values.to_numpy(zero_copy_only=False)
    return (numbers.astype(np.uint8) if numbers.dtype == bool else numbers)[:, None]


def open_data_file(path: Path, columns: Sequence[str], cameras: Sequence[str]) -> tuple[pa.Table, "PictureFile"]:
    """The small columns of a data file in memory, and its pictures for later. Raises DataError if one is not there."""
    with opened(path) as file:
        return _read(path, file, columns), PictureFile(path, file, cameras)


class PictureFile:
    """The encoded pictures of one Parquet file, by row group. Raises DataError if a camera's column holds none."""

    def __init__(self, path: Path, file: pq.ParquetFile, cameras: Sequence[str]) -> None:
        self.path = path
        self._metadata = file.metadata  # read once: it is longer than a row group of small pictures
        self._schema = file.schema_arrow
        check_columns(path, self._schema, cameras)
        for key in cameras:
            self._check_pictures(key)
        groups = range(self._metadata.num_row_groups)
        self._ends = np.cumsum([self._metadata.row_group(i).num_rows for i in groups])

    def locate(self, row: int) -> tuple[int, int]:
        """(row group, row in it)."""
        group = int(np.searchsorted(self._ends, row, side="right"))
        return group, row - (int(self._ends[group - 1]) if group else 0)

    def pictures(self, group: int, key: str) -> pa.Array:
        """A row group's pictures: bytes, or structs of bytes and path as HF `datasets` writes them."""
        try:
            with pq.ParquetFile(readable(self.path), metadata=self._metadata) as file:
                table = file.read_row_group(group, columns=self._picture_columns(key), use_threads=False)
        except (pa.ArrowException, OSError) as error:
            message = f"{self.path}: row group {group}, {key}: {error}; copy the data set again"
            raise DataError(message, "truncated") from None
        return table[key].combine_chunks()

    def _picture_columns(self, key: str) -> list[str]:
        kind = self._schema.field(key).type
        if not pa.types.is_struct(kind):
            return [key]
        return [f"{key}.{field.name}" for field in kind if field.name in ("bytes", "path")]

    def _check_pictures(self, key: str) -> None:
        kind = self._schema.field(key).type
        stored = kind
        if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
            stored = kind.field("bytes").type
        if not (pa.types.is_binary(stored) or pa.types.is_large_binary(stored) or pa.types.is_null(stored)):
            raise DataError(
                f"{self.path}, {key}: holds {kind}, no encoded pictures; write their bytes into the column", "picture"
            )
        if self._metadata.num_row_groups and self._all_null(0, f"{key}.bytes"):
            encoded_picture(self.pictures(0, key)[0].as_py(), f"{self.path}: row 0, {key}")

    def _all_null(self, group: int, column: str) -> bool:
        """By the row group's statistics, as a writer leaves it that keeps pictures in files of their own."""
        rows = self._metadata.row_group(group)
        chunks = (rows.column(place) for place in range(rows.num_columns))
        chunk = next((chunk for chunk in chunks if chunk.path_in_schema == column), None)
        return bool(rows.num_rows and chunk and chunk.statistics and chunk.statistics.null_count == rows.num_rows)


def encoded_picture(value: Any, where: str) -> bytes:
    """The bytes of one picture as `PictureFile.pictures` has it. Raises DataError naming it if they are not there."""
    data = value.get("bytes") if isinstance(value, dict) else value
    if data:
        return bytes(data)
    path = value.get("path") if isinstance(value, dict) else None
    if path:
        raise DataError(
            f"{where}: the picture is not in the file, only its path {path}; write its bytes into the column", "picture"
        )
    raise DataError(f"{where}: the picture is missing; write it again or drop the episode", "picture")
