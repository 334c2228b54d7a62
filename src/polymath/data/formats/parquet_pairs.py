"""Image-text pairs in Parquet files: a column of encoded pictures, a column of text.

Pictures are bytes, or a struct with `bytes` as Hugging Face `datasets` writes it. Captions are read when the set is
opened;
a picture with the row group it stands in, of which a few are kept.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import UInt8

from polymath.data.files.cache import ByteCache
from polymath.data.files.images import decode
from polymath.data.files.paths import readable
from polymath.data.files.quarantine import OnBad, refuse
from polymath.errors import DataError

PICTURES = ("image", "jpg", "jpeg", "png", "picture", "image_bytes")
TEXTS = ("text", "caption", "txt", "TEXT", "sentence")
CACHE_BYTES = 1 << 28


class ParquetPairs:
    """The pairs of one file, or of all *.parquet below a directory in the order of their names, as `interface.PairSet`.

    Raises DataError naming file, row and column; with another `on_bad`, files of another schema and rows without
    picture
    or text are reported and left out.
    """

    def __init__(self, path: Path, on_bad: OnBad = refuse) -> None:
        self.path, self.name = path, str(path)
        self._cache = ByteCache(CACHE_BYTES)
        self._texts: list[str] = []
        self._places: list[tuple[Path, str, int, int]] = []  # file, column, row group, row in it
        files = [path] if path.suffix == ".parquet" else sorted(path.glob("**/*.parquet"))
        if not files:
            raise DataError(f"{path}: holds no *.parquet; point to a directory of Parquet files")
        for file in files:
            try:
                self._add_file(file, on_bad)
            except DataError as error:
                on_bad(str(file), "", error)

    def __len__(self) -> int:
        return len(self._texts)

    def text(self, index: int) -> str:
        return self._texts[index]

    def image(self, index: int) -> UInt8[np.ndarray, "height width 3"]:
        file, column, group, row = self._places[index]
        encoded = self._cache.get((file, group), partial(_pictures, file, column, group), lambda array: array.nbytes)
        return decode(encoded[row].as_py() or b"", f"{file}: row group {group}, row {row}")

    def _add_file(self, file: Path, on_bad: OnBad) -> None:
        try:
            with pq.ParquetFile(readable(file)) as parquet:
                names = parquet.schema_arrow.names
                picture, text = _choose(PICTURES, names, file), _choose(TEXTS, names, file)
                column = _bytes_column(parquet.schema_arrow.field(picture), file)
                for group in range(parquet.num_row_groups):
                    captions = parquet.read_row_group(group, columns=[text]).column(0).to_pylist()
                    self._add_group(file, column, group, captions, on_bad)
        except (pa.ArrowException, OSError) as error:
            message = f"{file}: not a complete Parquet file ({error}); copy the data set again"
            raise DataError(message, "truncated") from None

    def _add_group(self, file: Path, column: str, group: int, captions: Sequence[object], on_bad: OnBad) -> None:
        for row, caption in enumerate(captions):
            if not isinstance(caption, str) or not caption.strip():
                where = f"row group {group}, row {row}"
                error = DataError(f"{file}: {where}: the caption is empty; write one or drop the row", "instruction")
                on_bad(str(file), where, error)
                continue
            self._texts.append(caption)
            self._places.append((file, column, group, row))


def has_pairs(path: Path) -> bool:
    """Whether the first file has a column for pictures and one for text."""
    file = path if path.suffix == ".parquet" else next(iter(sorted(path.glob("**/*.parquet"))), None)
    if file is None:
        return False
    try:
        with pq.ParquetFile(readable(file)) as parquet:
            names = set(parquet.schema_arrow.names)
    except (pa.ArrowException, OSError):
        return False
    return bool(names & set(PICTURES)) and bool(names & set(TEXTS))


def _choose(known: Sequence[str], names: Sequence[str], file: Path) -> str:
    for name in known:
        if name in names:
            return name
    raise DataError(
        f"{file}: has none of the columns {', '.join(known)}, only {', '.join(names)}; rename the column", "schema"
    )


def _bytes_column(field: pa.Field, file: Path) -> str:
    if pa.types.is_struct(field.type) and field.type.get_field_index("bytes") >= 0:
        return f"{field.name}.bytes"
    if pa.types.is_binary(field.type) or pa.types.is_large_binary(field.type):
        return field.name
    raise DataError(f"{file}, {field.name}: {field.type} is no encoded picture; store JPEG bytes", "schema")


def _pictures(file: Path, column: str, group: int) -> pa.Array:
    try:
        with pq.ParquetFile(readable(file)) as parquet:
            found = parquet.read_row_group(group, columns=[column]).column(0).combine_chunks()
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{file}: row group {group}: {error}; copy the data set again", "truncated") from None
    return found.field("bytes") if pa.types.is_struct(found.type) else found
