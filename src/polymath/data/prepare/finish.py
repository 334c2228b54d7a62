"""The last step of a preparation: rows added up, the index of every source, the tables, the card, prepared.json."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from polymath import config
from polymath.data.loading.packed_index import Shard, write_index
from polymath.data.prepare import card, quarantine, units, work
from polymath.data.prepare.plan import Plan
from polymath.data.prepare.tally import Tally, mark_duplicates
from polymath.data.sequences.sequence import Layout
from polymath.errors import DataError
from polymath.files import atomic_write

GROUP_ROWS = 2**20  # dropped rows of a Parquet row group
DROPPED = pa.schema([("source", pa.int32()), ("row", pa.int64()), ("kind", pa.string())])


@dataclass(frozen=True)
class Prepared:
    """What prepared.json says of a source: what went in and what came out; `reasons`: what was left out, by kind."""

    rows: int
    kept: int
    dropped: int
    bad: int
    reasons: dict[str, int]
    documents: int
    records: int
    tokens: int
    fill: float


def finish(out: Path, plan: Plan) -> dict[str, Any]:
    """Write everything that is made of all units; prepared.json last. Raises DataError if no row was kept."""
    tallies = _tally(out, plan)
    sources: dict[str, Any] = {}
    for number, source in enumerate(plan.sources):
        shards = list(_shards(out, plan, number))
        if shards:
            write_index(out / source.folder, shards)
        facts = {"name": source.name, "kind": source.kind, "renderer": source.renderer}
        sources[source.folder] = {**facts, **asdict(_counts(tallies[number], shards, plan.layout))}
    card.write(out, plan, tallies, sources)
    if not any(facts["records"] for facts in sources.values()):
        raise DataError(f"{out}: no row was kept; {out / 'card.html'} says why, loosen the filter")
    summary = {"layout": config.to_dict(plan.layout), "sources": sources}
    with atomic_write(out / "prepared.json") as temporary:
        temporary.write_text(json.dumps(summary, indent=2) + "\n")
    return summary


def _shards(out: Path, plan: Plan, source: int) -> Iterator[Shard]:
    """Those that hold records."""
    for part in plan.parts_of(source):
        with pq.ParquetFile(work.work_file(out, part, "shard.parquet")) as file:
            shard = Shard(**file.read(use_threads=False).to_pylist()[0])
        if shard.records:
            yield shard


def _tally(out: Path, plan: Plan) -> list[Tally]:
    """What became of the rows, source by source; writes dropped.parquet on the way."""
    tallies = [Tally() for _ in plan.sources]
    for bad in quarantine.opening(out):
        for number in bad["number"].unique().to_pylist():
            rows = bad.filter(pc.equal(bad["number"], number))
            tallies[number].status["bad"] += len(rows)
            tallies[number].add_reasons(rows)
    with (
        atomic_write(out / "dropped.parquet") as temporary,
        pq.ParquetWriter(temporary, DROPPED) as writer,
    ):
        pending = DROPPED.empty_table()
        for number in range(len(plan.sources)):
            for part in plan.parts_of(number):
                rows = mark_duplicates(work.read_rows(out, part), units.late_rows(str(out), part))
                tallies[number].add(rows)
                dropped = rows.filter(pc.equal(rows["status"], "dropped"))
                pending = pa.concat_tables([pending, dropped.select(DROPPED.names)])
                if len(pending) >= GROUP_ROWS:
                    writer.write_table(pending)
                    pending = DROPPED.empty_table()
        writer.write_table(pending)
    return tallies


def _counts(tally: Tally, shards: list[Shard], layout: Layout) -> Prepared:
    records, tokens = sum(shard.records for shard in shards), sum(shard.tokens for shard in shards)
    reasons = {kind: reason.count for kind, reason in tally.reasons.items()}
    return Prepared(
        rows=tally.status.total(),
        kept=tally.status["kept"],
        dropped=tally.status["dropped"],
        bad=tally.status["bad"],
        reasons=dict(sorted(reasons.items(), key=lambda entry: (-entry[1], entry[0]))),
        documents=sum(shard.documents for shard in shards),
        records=records,
        tokens=tokens,
        fill=tokens / (records * layout.length) if records else 0.0,
    )
