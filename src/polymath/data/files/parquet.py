"""Parquet files as LeRobot data sets use them: small columns into numpy, encoded pictures by row group."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from polymath.data.files.paths import readable
from polymath.errors import DataError


def read_table(path: Path, columns: list[str] | None = None) -> pa.Table:
    """A Parquet table. Raises DataError if the file is missing, truncated or lacks a column."""
    try:
        with pq.ParquetFile(readable(path)) as file:
            for name in columns or ():
                if name not in file.schema_arrow.names:
                    raise DataError(f"{path}: has no column {name!r}; copy or record the data set again", "schema")
            return file.read(columns=columns)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; copy the whole data set") from None
    except (pa.ArrowException, OSError) as error:
        message = f"{path}: not a complete Parquet file ({error}); copy the data set again"
        raise DataError(message, "truncated") from None


def to_numpy(column: pa.ChunkedArray) -> np.ndarray:
    """Integers and float32 as [T], lists of floats as float32 [T, D]; [T, 0] if their lengths differ."""
    kind = column.type
    if not pa.types.is_nested(kind):
        values = column.to_numpy()
        return values if pa.types.is_integer(kind) else values.astype(np.float32)
    if pa.types.is_fixed_size_list(kind):
        flat = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
        return flat.reshape(-1, kind.list_size).astype(np.float32)
    rows = column.to_pylist()
    return np.array(rows, np.float32) if len(set(map(len, rows))) == 1 else np.zeros((len(rows), 0), np.float32)


class DataFile:
    """One data/*.parquet: `table` holds its small `columns` in memory, `pictures` reads a row group of the others."""

    def __init__(self, path: Path, columns: list[str]) -> None:
        self.path = path
        self.table = read_table(path, columns)
        with pq.ParquetFile(readable(path)) as file:
            self._metadata = file.metadata  # read once: it is longer than a row group of small pictures
        groups = range(self._metadata.num_row_groups)
        self._ends = np.cumsum([self._metadata.row_group(i).num_rows for i in groups])

    def locate(self, row: int) -> tuple[int, int]:
        """(row group, row in it)."""
        group = int(np.searchsorted(self._ends, row, side="right"))
        return group, row - (int(self._ends[group - 1]) if group else 0)

    def pictures(self, group: int, key: str) -> pa.Array:
        """The encoded pictures of a row group, as an array of bytes."""
        try:
            with pq.ParquetFile(readable(self.path), metadata=self._metadata) as file:
                column = file.read_row_group(group, columns=[f"{key}.bytes"], use_threads=False).column(0)
        except (pa.ArrowException, OSError) as error:
            message = f"{self.path}: row group {group}, {key}: {error}; copy the data set again"
            raise DataError(message, "truncated") from None
        return column.combine_chunks().field("bytes")
