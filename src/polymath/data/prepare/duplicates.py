"""Rows that occurred before, found in bounded memory: hashes are distributed over files, each small enough to sort.

    rows in order ─► a chunk, sorted: at most `most` of a value go on ─► files by value, sorted one by one
                           └─ the others are late ─► files by thousand units ◄─ rows beyond `most`

The first rows of a source stay. While it runs it needs 24 bytes of disk for a row and rule. The result is a function of
the rows alone; after a kill the search starts again.
"""

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from jaxtyping import Int

from polymath.data.prepare import work
from polymath.data.prepare.plan import Plan
from polymath.data.prepare.settings import Filter
from polymath.files import atomic_write, disk_errors

CHUNK_ROWS = 2**21  # in memory at once: 48 MiB of entries and about as much again to sort them
ENTRY = np.dtype([("first", "<i8"), ("second", "<i8"), ("row", "<i8")])
LATE = pa.schema([("row", pa.int64())])
Entries = np.ndarray  # of ENTRY, ascending in `row`


@dataclass(frozen=True)
class Rule:
    """At most `most` rows may have equal values in the hashes `columns`, one or two; 0 in the first is no hash."""

    columns: tuple[str, ...]
    most: int


def rules(bounds: Filter) -> list[Rule]:
    """A pair whose picture and text both occurred is always late."""
    chosen = [Rule(("picture_hash", "text_hash"), 1)]
    chosen += [Rule(("text_hash",), bounds.max_same_caption)] if bounds.max_same_caption else []
    chosen += [Rule(("picture_hash",), bounds.max_same_picture)] if bounds.max_same_picture else []
    return chosen


def write_late_rows(out: Path, plan: Plan) -> None:
    """Write `work.late_file` for every source and thousand units, unless they are all there."""
    done, place = out / ".work" / "duplicates.done", out / ".work" / "duplicates"
    if done.is_file():
        return
    with disk_errors(place):
        for number, source in enumerate(plan.sources):
            shutil.rmtree(place, ignore_errors=True)
            rows_of_folder = source.per_shard * work.FOLDER_UNITS
            chunks = _chunks(out, plan, number)
            for thousand, rows in late_rows(chunks, source.rows, rules(plan.settings.filter), place, rows_of_folder):
                with atomic_write(work.late_file(out, number, thousand)) as temporary:
                    pq.write_table(pa.table({"row": rows}, LATE), temporary)
        shutil.rmtree(place, ignore_errors=True)
        with atomic_write(done) as temporary:
            temporary.touch()


def late_rows(
    chunks: Iterable[pa.Table], rows: int, rules: list[Rule], place: Path, span: int
) -> Iterator[tuple[int, Int[np.ndarray, " n"]]]:
    """For every span of row numbers [i * span, (i + 1) * span) of `rows`: i and the late rows in it, sorted.

    `chunks` hold `row`, ascending from one to the next, and the hashes. Files are written below `place`.
    """
    buckets = max(1, -(-rows // CHUNK_ROWS))
    for folder in ("late", *(f"rule{number}" for number in range(len(rules)))):
        (place / folder).mkdir(parents=True)
    for chunk in chunks:
        for number, rule in enumerate(rules):
            early, late = _split(_entries(chunk, rule), rule.most)
            _append(place / f"rule{number}", early, _bucket(early, buckets))
            _append(place / "late", late["row"], late["row"] // span)
    for number, rule in enumerate(rules):
        for file in sorted((place / f"rule{number}").iterdir()):
            entries = np.fromfile(file, ENTRY)
            file.unlink()
            late = _split(entries, rule.most)[1]["row"]
            _append(place / "late", late, late // span)
    for number in range(-(-rows // span)):
        file = place / "late" / str(number)
        yield number, np.unique(np.fromfile(file, np.int64)) if file.is_file() else np.zeros(0, np.int64)


def _chunks(out: Path, plan: Plan, source: int) -> Iterator[pa.Table]:
    """The kept rows of a source, about `CHUNK_ROWS` at a time."""
    columns = ["row", "picture_hash", "text_hash"]
    pending: list[pa.Table] = []
    size = 0
    for part in plan.parts_of(source):
        table = work.read_rows(out, part, ["status", *columns])
        kept = table.filter(pc.equal(table["status"], "kept")).select(columns)
        pending, size = [*pending, kept], size + len(kept)
        if size >= CHUNK_ROWS:
            yield pa.concat_tables(pending)
            pending, size = [], 0
    if size:
        yield pa.concat_tables(pending)


def _entries(chunk: pa.Table, rule: Rule) -> Entries:
    hashed = chunk.filter(pc.not_equal(chunk[rule.columns[0]], 0))
    entries = np.zeros(len(hashed), ENTRY)
    for field, column in zip(("first", "second"), rule.columns, strict=False):
        entries[field] = hashed[column].to_numpy()
    entries["row"] = hashed["row"].to_numpy()
    return entries


def _split(entries: Entries, most: int) -> tuple[Entries, Entries]:
    """The first `most` rows of every value, and the rows after them, both ascending in `row`."""
    order = np.lexsort((entries["second"], entries["first"]))  # stable, so rows of a value stay in order
    ordered = entries[order]
    begins = np.ones(len(ordered), bool)
    begins[1:] = (ordered["first"][1:] != ordered["first"][:-1]) | (ordered["second"][1:] != ordered["second"][:-1])
    starts = np.flatnonzero(begins)
    rank = np.arange(len(ordered)) - np.repeat(starts, np.diff(starts, append=len(ordered)))
    late = np.zeros(len(entries), bool)
    late[order] = rank >= most
    return entries[~late], entries[late]


def _bucket(entries: Entries, buckets: int) -> Int[np.ndarray, " n"]:
    """Equal values are in the same bucket; the multipliers of MurmurHash3's finalizer spread hashes that are alike."""
    mixed = entries["first"].view(np.uint64) * np.uint64(0xFF51AFD7ED558CCD)
    mixed ^= (entries["second"].view(np.uint64) ^ mixed >> np.uint64(33)) * np.uint64(0xC4CEB9FE1A85EC53)
    return ((mixed >> np.uint64(32)) % np.uint64(buckets)).astype(np.int64)


def _append(folder: Path, values: np.ndarray, files: Int[np.ndarray, " n"]) -> None:
    """Append every value to the file of its number."""
    order = np.argsort(files, kind="stable")
    ordered = values[order]
    numbers, starts = np.unique(files[order], return_index=True)
    for number, start, stop in zip(numbers.tolist(), starts, [*starts[1:], len(files)], strict=False):
        with (folder / str(number)).open("ab") as file:
            file.write(ordered[start:stop].tobytes())
