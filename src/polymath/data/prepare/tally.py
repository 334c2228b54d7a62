"""What became of a source's rows, added up part by part, so that a billion rows need no more memory than a thousand."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Int

MEASURES = ("tokens of a document", "characters", "documents", "images")


@dataclass
class Reason:
    """`example`: the first message that says more than the kind."""

    count: int = 0
    example: str = ""


@dataclass
class Tally:
    """status: rows by kept, dropped and bad; reasons: of what was left out, by kind; kept: how often each value of a
    measure occurs among the kept rows. An episode has a document for every control step.
    """

    status: Counter[str] = field(default_factory=Counter)
    reasons: dict[str, Reason] = field(default_factory=dict)
    kept: dict[str, Counter[int]] = field(default_factory=lambda: {name: Counter() for name in MEASURES})

    def add(self, rows: pa.Table) -> None:
        """Rows of `work.ROWS`."""
        for value in pc.value_counts(rows["status"]).to_pylist():
            self.status[value["values"]] += value["counts"]
        self.add_reasons(rows.filter(pc.not_equal(rows["status"], "kept")))
        kept = rows.filter(pc.equal(rows["status"], "kept"))
        documents = kept["documents"].to_numpy()
        _count(self.kept["tokens of a document"], kept["tokens"].to_numpy() // np.maximum(documents, 1))
        for name in MEASURES[1:]:
            _count(self.kept[name], kept[name].to_numpy())

    def add_reasons(self, rows: pa.Table) -> None:
        """Rows that were left out, with `kind` and `reason`."""
        explained = rows.filter(pc.not_equal(rows["reason"], rows["kind"]))
        for entry in pc.value_counts(rows["kind"]).to_pylist():
            reason = self.reasons.setdefault(entry["values"], Reason())
            reason.count += entry["counts"]
            if not reason.example:
                place = pc.index(explained["kind"], entry["values"]).as_py()
                reason.example = "" if place < 0 else explained["reason"][place].as_py()


def mark_duplicates(rows: pa.Table, late: Int[np.ndarray, " n"]) -> pa.Table:
    """Rows of one source, with those whose numbers are in `late`, because they occurred before, as dropped."""
    mask = pa.array(np.isin(rows["row"].to_numpy(), late))
    for name, value in (("status", "dropped"), ("kind", "duplicate"), ("reason", "duplicate")):
        column = pc.if_else(mask, pa.scalar(value), rows[name])
        rows = rows.set_column(rows.schema.get_field_index(name), name, column)
    return rows


def _count(counter: Counter[int], values: Int[np.ndarray, " n"]) -> None:
    for value, count in zip(*np.unique(values, return_counts=True), strict=True):
        counter[int(value)] += int(count)
