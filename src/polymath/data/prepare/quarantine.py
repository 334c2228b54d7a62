"""quarantine.parquet, written row by row: in memory are counts by kind and the first few rows of every source."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from polymath.data.files.quarantine import BadRow, OnBad
from polymath.data.prepare import work
from polymath.data.prepare.plan import Plan
from polymath.data.prepare.reading import printable
from polymath.errors import DataError
from polymath.files import atomic_write

SCHEMA = pa.schema([(name, pa.string()) for name in ("source", "file", "row", "kind", "reason")])
OPENING = SCHEMA.append(pa.field("number", pa.int32()))  # of the source in the plan
GROUP_ROWS = 2**14
SHOWN = 20  # rows of a source that an error shows


class OpeningTable:
    """What could not be opened, while readers report it: see `writing_opening`."""

    def __init__(self, writer: pq.ParquetWriter) -> None:
        self._writer = writer
        self._pending: list[dict[str, object]] = []

    def of_source(self, number: int, name: str) -> OnBad:
        """What the reader of one source takes as its `on_bad`."""

        def add(file: str, row: str, error: DataError) -> None:
            texts = {"source": name, "file": file, "row": row, "kind": error.kind, "reason": str(error)}
            self._pending.append({"number": number, **{key: printable(text) for key, text in texts.items()}})
            if len(self._pending) >= GROUP_ROWS:
                self.flush()

        return add

    def flush(self) -> None:
        self._writer.write_table(pa.Table.from_pylist(self._pending, OPENING))
        self._pending = []


@contextmanager
def writing_opening(out: Path) -> Iterator[OpeningTable]:
    """OUT/.work/opening.parquet, whole or not at all."""
    path = out / ".work" / "opening.parquet"
    with atomic_write(path) as temporary, pq.ParquetWriter(temporary, OPENING) as writer:
        table = OpeningTable(writer)
        yield table
        table.flush()


def opening(out: Path) -> Iterator[pa.Table]:
    """What could not be opened, a few thousand rows at a time."""
    with pq.ParquetFile(out / ".work" / "opening.parquet") as file:
        for batch in file.iter_batches(GROUP_ROWS):
            yield pa.Table.from_batches([batch])


class Bad:
    """The bad rows of one source."""

    def __init__(self) -> None:
        self.at_opening = 0
        self.kinds: Counter[str] = Counter()
        self.first: list[BadRow] = []

    def add(self, rows: pa.Table) -> None:
        """Rows of `SCHEMA`."""
        for entry in pc.value_counts(rows["kind"]).to_pylist():
            self.kinds[entry["values"]] += entry["counts"]
        for row in rows.slice(0, max(0, SHOWN - len(self.first))).to_pylist():
            self.first.append(BadRow(row["file"], row["row"], row["kind"], row["reason"]))

    def table(self) -> str:
        """One line a kind with its count, then the first rows."""
        lines = [f"  {count:>8,}  {kind}" for kind, count in self.kinds.most_common()]
        return "\n".join([*lines, *(f"  {bad.file}: {bad.row}: {bad.reason}" for bad in self.first)])


def write(out: Path, plan: Plan) -> None:
    """Write OUT/quarantine.parquet, then raise DataError if a source has more bad rows than `max_bad_share`."""
    sources: defaultdict[int, Bad] = defaultdict(Bad)
    target = out / "quarantine.parquet"
    with atomic_write(target) as temporary, pq.ParquetWriter(temporary, SCHEMA) as writer:
        for rows in opening(out):
            writer.write_table(rows.select(SCHEMA.names))
            for number in rows["number"].unique().to_pylist():
                of_source = rows.filter(pc.equal(rows["number"], number))
                sources[number].add(of_source.select(SCHEMA.names))
                sources[number].at_opening += len(of_source)
        for number in range(len(plan.sources)):
            for rows in _of_units(out, plan, number):
                writer.write_table(rows)
                sources[number].add(rows)
    for number, source in enumerate(plan.sources):
        bad, total = sources[number], source.rows + sources[number].at_opening
        if total and bad.kinds.total() > plan.settings.max_bad_share * total:
            raise DataError(
                f"{source.name}: {bad.kinds.total()} of {total} rows are bad, more than "
                f"{plan.settings.max_bad_share:.1%}; mend the data or raise max_bad_share, and prepare into another "
                f"--out\n{bad.table()}\nall of them: {target}"
            )


def _of_units(out: Path, plan: Plan, number: int) -> Iterator[pa.Table]:
    """The bad rows of a source's units, about `GROUP_ROWS` at a time; their file is what stands before ': '."""
    pending = SCHEMA.empty_table()
    for part in plan.parts_of(number):
        rows = work.read_rows(out, part, ["status", "record", "kind", "reason"])
        bad = rows.filter(pc.equal(rows["status"], "bad"))
        files = pc.list_element(pc.split_pattern(bad["reason"], ": ", max_splits=1), 0)
        source = pa.array([plan.sources[number].name] * len(bad), pa.string())
        columns = [source, files, bad["record"], bad["kind"], bad["reason"]]
        pending = pa.concat_tables([pending, pa.table(columns, schema=SCHEMA)])
        if len(pending) >= GROUP_ROWS:
            yield pending
            pending = SCHEMA.empty_table()
    if len(pending):
        yield pending
