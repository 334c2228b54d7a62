"""Image-text pairs in Parquet files: a column of encoded pictures, a column of text.

Pictures are bytes, or a struct with `bytes` and `path` as Hugging Face `datasets` writes it, or paths from the file's
directory. Both columns may stand within a struct. Captions are read when the set is opened, a picture with the row
group it stands in, of which a few are kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq
from jaxtyping import UInt8

from polymath.data.files.cache import ByteCache
from polymath.data.files.images import decode
from polymath.data.files.paths import readable, without_hidden
from polymath.data.files.quarantine import OnBad, refuse
from polymath.data.formats.captions import NAMES, caption
from polymath.errors import DataError

PICTURES = ("image", "jpg", "jpeg", "png", "picture", "image_bytes", "img", "webp")
CACHE_BYTES = 1 << 28


@dataclass(frozen=True, slots=True)
class _Place:
    """Row `row` of row group `group`; its picture stands in `column`."""

    file: Path
    column: str
    group: int
    row: int

    @property
    def name(self) -> str:
        return f"row group {self.group}, row {self.row}"


class ParquetPairs:
    """The pairs of one file, or of all *.parquet below a directory in the order of their names, as `interface.PairSet`.

    Of a list of captions the first is taken. Raises DataError naming file, row and column; with another `on_bad`,
    files of another schema and rows without text are reported and left out. A row whose picture is missing or damaged
    is an error when its picture is read.
    """

    def __init__(self, path: Path, on_bad: OnBad = refuse) -> None:
        self.path, self.name = path, str(path)
        self._cache = ByteCache(CACHE_BYTES)
        self._texts: list[str] = []
        self._places: list[_Place] = []
        files = files_of(path)
        if not files:
            raise DataError(f"{path}: holds no *.parquet; point to a directory of Parquet files")
        for file in files:
            try:
                self._add_file(file, on_bad)
            except DataError as error:
                on_bad(str(file), "", error)
        if not self._texts and on_bad is refuse:
            raise DataError(f"{path}: holds no row; point to Parquet files of pictures and captions")

    def __len__(self) -> int:
        return len(self._texts)

    def text(self, index: int) -> str:
        return self._texts[index]

    def row_name(self, index: int) -> str:
        """File, row group and row."""
        place = self._places[index]
        return f"{place.file.name}: {place.name}"

    def image(self, index: int) -> UInt8[np.ndarray, "height width 3"]:
        place = self._places[index]
        key = (place.file, place.group)
        pictures = self._cache.get(key, partial(_pictures, place), lambda array: array.nbytes)
        where = f"{place.file}: {place.name}"
        return decode(_encoded(pictures[place.row].as_py(), place.file, where), where)

    def _add_file(self, file: Path, on_bad: OnBad) -> None:
        try:
            with pq.ParquetFile(readable(file)) as parquet:
                columns = _columns(parquet.schema_arrow)
                picture, text = _choose(PICTURES, columns, file), _choose(NAMES, columns, file)
                for name in (picture.partition(".")[0], text.partition(".")[0]):
                    if parquet.schema_arrow.names.count(name) > 1:
                        raise DataError(f"{file}: has two columns {name}; rename one of them", "schema")
                _check_pictures(columns[picture], f"{file}, {picture}")
                for group in range(parquet.num_row_groups):
                    captions = _leaf(parquet.read_row_group(group, columns=[text]), text)
                    for row, value in enumerate(captions):
                        self._add(_Place(file, picture, group, row), value, on_bad)
        except (pa.ArrowException, OSError) as error:
            message = f"{file}: not a complete Parquet file ({' '.join(str(error).split())}); copy the data set again"
            raise DataError(message, "truncated") from None

    def _add(self, place: _Place, value: pa.Scalar, on_bad: OnBad) -> None:
        where = f"{place.file}: {place.name}"
        try:
            try:
                text = caption(value.as_py(), where)
            except UnicodeDecodeError as error:  # Arrow does not look into the texts that it reads
                raise DataError(f"{where}: not UTF-8 ({error.reason}); convert the captions", "schema") from None
        except DataError as error:
            on_bad(str(place.file), place.name, error)
            return
        self._texts.append(text)
        self._places.append(place)


def files_of(path: Path) -> list[Path]:
    return [path] if path.suffix == ".parquet" else without_hidden(sorted(path.glob("**/*.parquet")))


def has_pairs(path: Path) -> bool:
    """Whether the first file has a column for pictures and one for text."""
    for file in files_of(path)[:1]:
        try:
            with pq.ParquetFile(readable(file)) as parquet:
                names = {name.rpartition(".")[2] for name in _columns(parquet.schema_arrow)}
        except (pa.ArrowException, OSError):
            return False
        return bool(names & set(PICTURES)) and bool(names & set(NAMES))
    return False


def _columns(schema: pa.Schema) -> dict[str, pa.DataType]:
    """Top-level columns, then the fields of structs as `struct.field`."""
    columns = {field.name: field.type for field in schema}
    for field in schema:
        if pa.types.is_struct(field.type):
            columns |= {f"{field.name}.{inner.name}": inner.type for inner in field.type}
    return columns


def _choose(known: Sequence[str], columns: dict[str, pa.DataType], file: Path) -> str:
    for names in (columns, {name.rpartition(".")[2]: name for name in reversed(list(columns)) if "." in name}):
        for name in known:
            if name in names:
                return name if names is columns else str(names[name])
    raise DataError(
        f"{file}: has none of the columns {', '.join(known)}, only {', '.join(columns)}; rename the column", "schema"
    )


def _check_pictures(kind: pa.DataType, where: str) -> None:
    """Bytes or paths, plain, large, or by a dictionary; or a struct of them."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    names = [field.name for field in kind] if pa.types.is_struct(kind) else []
    texts = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    if not ({"bytes", "path"} & set(names) or _is_bytes(kind) or any(test(kind) for test in texts)):
        raise DataError(f"{where}: {kind} is no encoded picture; store JPEG bytes", "schema")


def _is_bytes(kind: pa.DataType) -> bool:
    tests = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view, pa.types.is_fixed_size_binary)
    return any(test(kind) for test in tests)


def _leaf(table: pa.Table, column: str) -> pa.ChunkedArray:
    """A column, or a field of one."""
    if column in table.column_names:
        return table.column(column)
    outer, _, inner = column.partition(".")
    array = table.column(outer).combine_chunks()
    return pa.chunked_array([pyarrow.compute.struct_field(array, inner)])


def _pictures(place: _Place) -> pa.Array:
    try:
        with pq.ParquetFile(readable(place.file)) as parquet:
            return _leaf(parquet.read_row_group(place.group, columns=[place.column]), place.column).combine_chunks()
    except (pa.ArrowException, OSError) as error:
        where = f"{place.file}: row group {place.group}"
        raise DataError(f"{where}: {error}; copy the data set again", "truncated") from None


def _encoded(value: Any, file: Path, where: str) -> bytes:
    """The bytes themselves, or those of the file that the row names."""
    path = value
    if isinstance(value, dict):
        path = value.get("path")
        value = value.get("bytes") or path
    if isinstance(value, bytes) and value:
        return value
    if not isinstance(path, str) or not path:
        raise DataError(f"{where}: cannot decode the picture (there is none); drop the row", "picture")
    if path.startswith("/") or ".." in PurePosixPath(path).parts:
        raise DataError(f"{where}: picture {path!r} lies outside of the data set; use paths below it", "picture")
    try:
        return (file.parent / path).read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise DataError(f"{where}: picture {path!r} cannot be read ({error}); copy it too", "picture") from None
