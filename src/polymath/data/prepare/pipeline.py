"""`polymath data prepare`: plan, documents, duplicates, shards, then the tables and the card; see `plan` for the files.

Whatever is finished is kept: after a kill at any moment the same command goes on, and ends with the same bytes.
"""

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from polymath import config
from polymath.data.files.quarantine import BadRow, Quarantine
from polymath.data.formats.opening import parse
from polymath.data.loading.packed_index import Shard, write_index
from polymath.data.prepare import card, engine, plan, units
from polymath.data.prepare.documents import good_statistics, layout_room
from polymath.data.prepare.plan import Plan, PlannedSource
from polymath.data.prepare.progress import counting
from polymath.data.prepare.settings import Settings
from polymath.data.prepare.tally import Tally, mark_duplicates
from polymath.data.robots.checks import check_grippers, check_slots
from polymath.data.robots.scaling import Normalization
from polymath.data.sequences.sequence import Layout
from polymath.errors import ConfigError, DataError
from polymath.files import atomic_write
from polymath.tokenizer import Tokenizer
from polymath.types import Embodiment

GROUP_ROWS = 2**20  # dropped rows of a Parquet row group
DROPPED = pa.schema([("source", pa.int32()), ("row", pa.int64()), ("kind", pa.string())])
OPENING = pa.schema([(name, pa.string()) for name in ("source", "file", "row", "kind", "reason")])


@dataclass(frozen=True)
class Prepared:
    """What prepared.json says: per source what went in and what came out."""

    rows: int
    kept: int
    dropped: int
    bad: int
    documents: int
    records: int
    tokens: int
    fill: float


def prepare(
    names: Sequence[str],
    tokenizer: Path,
    layout: Layout,
    out: Path,
    settings: Settings,
    where: engine.Engine = "local",
    workers: int = 1,
) -> dict[str, Any]:
    """Prepare the sources into `out`, or go on with it. Gives what prepared.json holds.

    `workers` processes share the units on this machine; they change the speed, never the data.

    Raises ConfigError if `out` belongs to another plan, DataError with a table if too many rows are bad.
    """
    engine.start(where)
    units.forget()
    out = Path(out).absolute()
    finished = (out / "prepared.json").is_file()
    if not finished:
        (out / ".work").mkdir(parents=True, exist_ok=True)
    for left_over in out.rglob(".*.partial"):  # of a run that was killed
        left_over.unlink(missing_ok=True)
    planned = _make_plan(names, tokenizer, layout, out, settings)
    if finished:
        shutil.rmtree(out / ".work", ignore_errors=True)  # killed between the last file and this
        return json.loads((out / "prepared.json").read_text())
    numbers = range(len(planned.parts()))
    with counting("documents", len(numbers), lambda: units.finished(out, "rows")):
        engine.run(units.make_documents, out, numbers, workers)
    _check_bad(out, planned)
    _write_duplicates(out, planned)
    with counting("shards", len(numbers), lambda: units.finished(out, "shard")):
        engine.run(units.write_shard, out, numbers, workers)
    summary = _finish(out, planned)
    shutil.rmtree(out / ".work", ignore_errors=True)
    return summary


def _make_plan(names: Sequence[str], tokenizer: Path, layout: Layout, out: Path, settings: Settings) -> Plan:
    """Open every source once: its rows, what could not be opened, and of a robot its statistics."""
    if not names:
        raise ConfigError("prepare: name at least one source")
    if (out / "plan.json").is_file():
        return plan.same(out, names, layout, settings, tokenizer)
    Tokenizer.load(tokenizer).save(out / "tokenizer.json")
    sources, opening = [], []
    robots: list[tuple[str, Embodiment]] = []
    for number, name in enumerate(names):
        location, quarantine = parse(name), Quarantine()
        rows = location.open(layout.image_size, quarantine.add)
        folder = plan.folder_name(number, name)
        (out / folder).mkdir(exist_ok=True)
        if location.kind == "episodes":
            robots.append((name, rows.embodiment))
            check_slots(robots)
            _store_robot(rows, layout, settings.action_normalization, out / folder)
        per_shard = settings.episodes_per_shard if location.kind == "episodes" else settings.pairs_per_shard
        renderer = getattr(rows, "recording", {}).get("renderer") if location.kind == "episodes" else None
        sources.append(PlannedSource(name, folder, location.kind, len(rows), per_shard, renderer))
        opening += [{"source": name, **asdict(bad)} for bad in quarantine.rows]
    with atomic_write(out / ".work" / "opening.parquet") as temporary:
        pq.write_table(pa.Table.from_pylist(opening, OPENING), temporary)
    made = Plan(tuple(sources), layout, settings, plan.file_hash(tokenizer))
    config.save(made, out / "plan.json")
    return made


def _store_robot(rows: Any, layout: Layout, normalization: Normalization, folder: Path) -> None:
    robot = rows.embodiment
    lacking = layout_room(layout, robot)
    if lacking:
        raise ConfigError(f"{rows.name}: robot {robot.name!r} needs {lacking}; set it with --layout")
    statistics = good_statistics(rows, normalization)
    check_grippers(robot, statistics.action, rows.name)
    config.save(robot, folder / "embodiment.json")
    config.save(statistics, folder / "statistics.json")


def _row_files(out: Path, planned: Plan) -> list[Path]:
    return [units.work_file(out, part, "rows.parquet") for part in planned.parts()]


def bad_rows(out: Path, planned: Plan) -> list[dict[str, str]]:
    """The quarantine table: what could not be opened, then what could not be used."""
    found = pq.read_table(out / ".work" / "opening.parquet").to_pylist()
    for file in _row_files(out, planned):
        for row in pq.read_table(file, filters=[("status", "=", "bad")]).to_pylist():
            source = planned.sources[row["source"]].name
            place = row["reason"].partition(": ")[0]
            found.append(
                {"source": source, "file": place, "row": str(row["row"]), "kind": row["kind"], "reason": row["reason"]}
            )
    return found


def _check_bad(out: Path, planned: Plan) -> None:
    """The quarantine table is written before the job may stop because of it."""
    found = bad_rows(out, planned)
    with atomic_write(out / "quarantine.parquet") as temporary:
        pq.write_table(pa.Table.from_pylist(found, OPENING), temporary)
    for source in planned.sources:
        rows = [
            BadRow(row["file"], row["row"], row["kind"], row["reason"]) for row in found if row["source"] == source.name
        ]
        opened = sum(1 for row in found if row["source"] == source.name and not row["row"].isdigit())
        try:
            Quarantine(rows).check(source.rows - (len(rows) - opened), planned.settings.max_bad_share)
        except DataError as error:
            raise DataError(f"{source.name}: {error}\nall of them: {out / 'quarantine.parquet'}") from None


def _write_duplicates(out: Path, planned: Plan) -> None:
    target = out / ".work" / "duplicates.parquet"
    if target.is_file():
        return
    bounds = planned.settings.filter
    columns = {"picture_hash+text_hash": 1}
    columns |= {"text_hash": bounds.max_same_caption} if bounds.max_same_caption else {}
    columns |= {"picture_hash": bounds.max_same_picture} if bounds.max_same_picture else {}
    found = engine.duplicates(_row_files(out, planned), columns)
    with atomic_write(target) as temporary:
        pq.write_table(found, temporary)


def _finish(out: Path, planned: Plan) -> dict[str, Any]:
    """The index of every source, the tables, the card, and prepared.json last."""
    tallies = _tally(out, planned)
    sources: dict[str, Any] = {}
    for number, source in enumerate(planned.sources):
        shards = [
            Shard(**pq.read_table(units.work_file(out, part, "shard.parquet")).to_pylist()[0])
            for part in planned.parts()
            if part.source == number
        ]
        shards = [shard for shard in shards if shard.records]
        if shards:
            write_index(out / source.folder, shards)
        said = {"name": source.name, "kind": source.kind, "renderer": source.renderer}
        sources[source.folder] = {**said, **asdict(_counts(tallies[number], shards, planned.layout))}
    card.write(out, planned, tallies, sources)
    if not any(facts["records"] for facts in sources.values()):
        raise DataError(f"{out}: no row was kept; {out / 'card.html'} says why, loosen the filter")
    summary = {"layout": config.to_dict(planned.layout), "sources": sources}
    with atomic_write(out / "prepared.json") as temporary:
        temporary.write_text(json.dumps(summary, indent=2) + "\n")
    return summary


def _tally(out: Path, planned: Plan) -> list[Tally]:
    """What became of the rows, source by source; writes dropped.parquet on the way."""
    tallies = [Tally() for _ in planned.sources]
    for bad in pq.read_table(out / ".work" / "opening.parquet").to_pylist():
        for tally in (
            tally for tally, source in zip(tallies, planned.sources, strict=True) if source.name == bad["source"]
        ):
            tally.status["bad"] += 1
            tally.add_reason(bad["kind"], bad["reason"])
    with (
        atomic_write(out / "dropped.parquet") as temporary,
        pq.ParquetWriter(temporary, DROPPED) as writer,
    ):
        pending = DROPPED.empty_table()
        for part in planned.parts():
            rows = pq.read_table(units.work_file(out, part, "rows.parquet"))
            rows = mark_duplicates(rows, units.late_rows(str(out), part))
            tallies[part.source].add(rows)
            dropped = rows.filter(pa.compute.equal(rows["status"], "dropped"))
            pending = pa.concat_tables([pending, dropped.select(DROPPED.names)])
            if len(pending) >= GROUP_ROWS:
                writer.write_table(pending)
                pending = DROPPED.empty_table()
        writer.write_table(pending)
    return tallies


def _counts(tally: Tally, shards: list[Shard], layout: Layout) -> Prepared:
    records, tokens = sum(shard.records for shard in shards), sum(shard.tokens for shard in shards)
    return Prepared(
        rows=tally.status.total(),
        kept=tally.status["kept"],
        dropped=tally.status["dropped"],
        bad=tally.status["bad"],
        documents=sum(shard.documents for shard in shards),
        records=records,
        tokens=tokens,
        fill=tokens / (records * layout.length) if records else 0.0,
    )
