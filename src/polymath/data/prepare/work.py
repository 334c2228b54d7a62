"""The files of a preparation that is not finished, in folders of a thousand units.

OUT/.work/sources.json                     what the sources looked like when the plan was made, see `sources`
OUT/.work/opening.parquet                  what could not be opened
OUT/.work/00/0000/000000.rows.parquet      what became of the rows of unit 0 of source 0
OUT/.work/00/0000/000000.documents.parquet their documents
OUT/.work/00/0000/000000.shard.parquet     what its shard holds
OUT/.work/00/0000/late.parquet             rows of these thousand units that occurred before; see `duplicates`
OUT/.work/finished/STAGE/HOST-PID          a byte for every unit that a process has finished, for the progress bar
"""

import contextlib
import os
import shutil
import socket
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from polymath.data.prepare.plan import Part

FOLDER_UNITS = 1000
ROWS = pa.schema(
    [
        ("source", pa.int32()),
        ("row", pa.int64()),
        ("record", pa.string()),  # of a bad row: what its set calls it
        ("status", pa.string()),  # kept, dropped, bad
        ("kind", pa.string()),
        ("reason", pa.string()),
        ("documents", pa.int32()),
        ("tokens", pa.int64()),
        ("images", pa.int32()),
        ("characters", pa.int32()),
        ("picture_hash", pa.int64()),
        ("text_hash", pa.int64()),
    ]
)


def work_file(out: Path, part: Part, kind: str) -> Path:
    """A file of one unit."""
    return folder(out, part.source, part.number // FOLDER_UNITS) / f"{part.number:06d}.{kind}"


def late_file(out: Path, source: int, thousand: int) -> Path:
    """The late rows of the units [1000 * thousand, 1000 * (thousand + 1)) of a source."""
    return folder(out, source, thousand) / "late.parquet"


def folder(out: Path, source: int, thousand: int) -> Path:
    return out / ".work" / f"{source:02d}" / f"{thousand:04d}"


def read_rows(out: Path, part: Part, columns: list[str] | None = None) -> pa.Table:
    """What became of the rows of a part, a table of `ROWS`."""
    with pq.ParquetFile(work_file(out, part, "rows.parquet")) as file:
        return file.read(columns, use_threads=False)


def begin_count(out: Path, stage: str) -> None:
    """Forget how many units of a stage were finished, by whatever process."""
    shutil.rmtree(_counts(out, stage), ignore_errors=True)
    _counts(out, stage).mkdir(parents=True)


def count_one(out: Path, stage: str) -> None:
    """Note that this process has finished a unit. Only the progress bar reads it, so a full disk does not matter."""
    with (
        contextlib.suppress(OSError),
        (_counts(out, stage) / f"{socket.gethostname()}-{os.getpid()}").open("ab") as file,
    ):
        file.write(b".")


def count(out: Path, stage: str) -> int:
    """Units that were finished since `begin_count`: the sizes of as many files as there are processes."""
    with os.scandir(_counts(out, stage)) as entries:
        return sum(entry.stat().st_size for entry in entries)


def _counts(out: Path, stage: str) -> Path:
    return out / ".work" / "finished" / stage
