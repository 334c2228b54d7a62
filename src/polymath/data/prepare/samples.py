"""A few documents of a source for the data card: their pictures as thumbnails and their text."""

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from polymath import wire
from polymath.data.prepare import units, work
from polymath.data.prepare.plan import Plan
from polymath.tokenizer import Tokenizer

SAMPLES, PICTURES = 12, 3
THUMBNAIL = 160  # pixels
CHARACTERS = 200


def samples(out: Path, plan: Plan, number: int) -> list[dict[str, Any]]:
    """Documents evenly spaced over the source: first pictures, and text without control tokens."""
    files = [work.work_file(out, part, "documents.parquet") for part in plan.parts_of(number)]
    counts = np.array([pq.read_metadata(file).num_rows for file in files], np.int64)
    if not counts.sum():
        return []
    tokenizer, ends = Tokenizer.load(out / "tokenizer.json"), np.cumsum(counts)
    chosen = sorted(set(np.linspace(0, ends[-1] - 1, SAMPLES).astype(int).tolist()))
    shown = []
    for index in chosen:
        file = int(np.searchsorted(ends, index, side="right"))
        document = wire.decode(_document(files[file], index - int(ends[file] - counts[file])))
        words = [int(token) for token in document["tokens"] if token not in tokenizer.control.ids]
        pictures = [_thumbnail(jpeg) for jpeg in document["jpegs"][:PICTURES]]
        shown.append({"pictures": pictures, "text": tokenizer.decode(words)[:CHARACTERS]})
    return shown


def _document(path: Path, row: int) -> bytes:
    """The bytes of a document, of which one row group is read."""
    with pq.ParquetFile(path) as file:
        group, place = divmod(row, units.GROUP_ROWS)
        return file.read_row_group(group, columns=["data"])["data"][place].as_py()


def _thumbnail(jpeg: bytes) -> str:
    with Image.open(io.BytesIO(jpeg)) as picture:
        picture.thumbnail((THUMBNAIL, THUMBNAIL))
        buffer = io.BytesIO()
        picture.save(buffer, format="JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
