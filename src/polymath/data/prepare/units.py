"""The two units of work, functions of files alone: the rows of a part as documents, a part's documents as a shard.

A unit writes its result beside its place and renames it, so a unit is finished or it is not there. Both are
deterministic, so a unit that was killed and run again writes the same bytes.
"""

import contextlib
import errno
import functools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Int

from polymath import wire
from polymath.data.loading import record
from polymath.data.loading.packed_index import Shard
from polymath.data.prepare import plan as plans
from polymath.data.prepare.documents import Dropped, Maker, opened
from polymath.data.prepare.plan import Part, Plan
from polymath.data.prepare.reading import one_row, printable
from polymath.data.prepare.work import FOLDER_UNITS, ROWS, late_file, work_file
from polymath.data.sequences.packing import Sizes, pack
from polymath.data.sequences.sequence import Document
from polymath.errors import DataError
from polymath.files import atomic_write
from polymath.tokenizer import Tokenizer

DOCUMENTS = pa.schema(
    [
        ("row", pa.int64()),
        ("tokens", pa.int32()),
        ("images", pa.int32()),
        ("control_steps", pa.int32()),
        ("data", pa.large_binary()),
    ]
)
GROUP_ROWS = 256  # documents of a Parquet row group
ZSTD_LEVEL = 3


def shard_file(out: Path, plan: Plan, part: Part) -> Path:
    return out / plan.sources[part.source].folder / f"shard-{part.number:06d}.array_record"


def make_documents(out: str, number: int) -> int:
    """Unit 1: read, validate, filter, re-encode and tokenise the rows of a part. Gives the number of documents."""
    place = Path(out)
    plan = _plan(out)
    part = plan.part(number)
    target = work_file(place, part, "rows.parquet")
    if not target.is_file():
        maker = _maker(out, part.source)
        rows: list[dict[str, Any]] = []
        with (
            atomic_write(work_file(place, part, "documents.parquet")) as temporary,
            pq.ParquetWriter(temporary, DOCUMENTS, compression="none") as writer,
        ):
            pending: list[dict[str, Any]] = []
            for row in range(part.start, part.stop):
                facts, documents = _row(maker, row, plan.settings.jpeg_quality)
                rows.append({"source": part.source, "row": row, **facts})
                pending += documents
                while len(pending) >= GROUP_ROWS:
                    writer.write_table(pa.Table.from_pylist(pending[:GROUP_ROWS], DOCUMENTS))
                    pending = pending[GROUP_ROWS:]
            if pending:
                writer.write_table(pa.Table.from_pylist(pending, DOCUMENTS))
        with atomic_write(target) as temporary:  # last: its presence says that the unit is finished
            pq.write_table(pa.Table.from_pylist(rows, ROWS), temporary)
    return pq.read_metadata(work_file(place, part, "documents.parquet")).num_rows


def _row(maker: Maker, row: int, quality: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What became of a row, and its documents. No row ends the job: a bad one is set aside with the reason."""
    try:
        with one_row(maker.where(row)):
            made = maker.make(row)
            documents = [_encoded(document, row, made.cameras, quality) for document in made.documents]
    except Dropped as reason:
        return _facts("dropped", kind=str(reason), reason=str(reason)), []
    except DataError as error:
        message = str(error) if maker.name in str(error) else f"{maker.where(row)}: {error}"
        return _facts("bad", maker.record_name(row), printable(error.kind), printable(message)), []
    facts = {
        **_facts("kept"),
        "documents": len(documents),
        "tokens": sum(document["tokens"] for document in documents),
        "images": sum(document["images"] for document in documents),
        "characters": made.characters,
        "picture_hash": made.picture_hash,
        "text_hash": made.text_hash,
    }
    return facts, documents


def _encoded(document: Document, row: int, cameras: int, quality: int) -> dict[str, Any]:
    """An entry of `DOCUMENTS`."""
    return {
        "row": row,
        "tokens": len(document.tokens),
        "images": len(document.images),
        "control_steps": len(document.states),
        "data": wire.encode(record.to_fields(record.store(document, cameras, quality))),
    }


def _facts(status: str, name: str = "", kind: str = "", reason: str = "") -> dict[str, Any]:
    empty = dict.fromkeys(("documents", "tokens", "images", "characters", "picture_hash", "text_hash"), 0)
    return {"status": status, "record": name, "kind": kind, "reason": reason, **empty}


def write_shard(out: str, number: int) -> int:
    """Unit 2: pack the documents of a part, without those of duplicate rows, into its shard. Gives its records."""
    from array_record.python.array_record_module import ArrayRecordWriter

    place, plan = Path(out), _plan(out)
    part = plan.part(number)
    facts = work_file(place, part, "shard.parquet")
    if facts.is_file():
        return int(pq.read_table(facts)["records"][0].as_py())
    table = pq.read_table(work_file(place, part, "documents.parquet"))
    table = table.filter(pa.array(~np.isin(table["row"].to_numpy(), late_rows(out, part))))
    sizes = Sizes(*(table[name].to_numpy().astype(np.int64) for name in ("tokens", "images", "control_steps")))
    rows = pack(sizes, plan.layout, plan.sources[part.source].name)
    rows = rows.shuffled(np.random.default_rng((plan.settings.seed, part.source, part.number)))
    with atomic_write(shard_file(place, plan, part)) as temporary, _full_disk():
        writer = ArrayRecordWriter(str(temporary), f"group_size:1,zstd:{ZSTD_LEVEL}")
        for index in range(len(rows)):
            documents = [wire.decode(table["data"][int(d)].as_py()) for d in rows.row(index)]
            writer.write(wire.encode({"documents": documents}))
        writer.close()
    shard = Shard(shard_file(place, plan, part).name, len(rows), len(table), int(sizes.tokens.sum()))
    with atomic_write(facts) as temporary:
        pq.write_table(pa.table({name: [value] for name, value in vars(shard).items()}), temporary)
    return len(rows)


@contextlib.contextmanager
def _full_disk() -> Iterator[None]:
    """Turn the RuntimeError that ArrayRecord raises for 'no space left' into the OSError that it stands for."""
    try:
        yield
    except RuntimeError as error:
        for number in (errno.ENOSPC, errno.EDQUOT):
            if os.strerror(number) in str(error):
                raise OSError(number, str(error)) from None
        raise


@functools.lru_cache(maxsize=2)
def _plan(out: str) -> Plan:
    return plans.load(Path(out))


@functools.lru_cache(maxsize=4)
def _maker(out: str, source: int) -> Maker:
    plan = _plan(out)
    return Maker(plan, plan.sources[source], Tokenizer.load(Path(out) / "tokenizer.json"), Path(out))


def late_rows(out: str, part: Part) -> Int[np.ndarray, " n"]:
    """The rows of a part that occurred before."""
    rows = _late(out, part.source, part.number // FOLDER_UNITS)
    return rows[slice(*np.searchsorted(rows, (part.start, part.stop)))]


@functools.lru_cache(maxsize=2)
def _late(out: str, source: int, thousand: int) -> Int[np.ndarray, " n"]:
    """The late rows of a thousand units, sorted."""
    return pq.read_table(late_file(Path(out), source, thousand))["row"].to_numpy()


def forget() -> None:
    """Clear what this process caches of output directories and sources, whose files may have been replaced since."""
    for cached in (_plan, _maker, _late, opened):
        cached.cache_clear()
