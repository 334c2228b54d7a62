"""What became of rows, added up over parts: the same as over the whole, by numpy and by hand."""

from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa

from polymath.data.prepare.tally import Reason, Tally, mark_duplicates
from polymath.data.prepare.work import ROWS


def row(number: int, status: str = "kept", kind: str = "", reason: str = "", **facts: int) -> dict[str, Any]:
    empty = dict.fromkeys(("documents", "tokens", "images", "characters", "picture_hash", "text_hash"), 0)
    return {
        "source": 0,
        "row": number,
        "record": "",
        "status": status,
        "kind": kind,
        "reason": reason,
        **empty,
        **facts,
    }


def table(*rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), ROWS)


def test_parts_add_up_to_the_whole() -> None:
    rng = np.random.default_rng(0)
    rows = [
        row(n, documents=1 + n % 3, tokens=int(rng.integers(1, 300)), images=n % 2, characters=int(rng.integers(0, 9)))
        for n in range(100)
    ]
    rows[7] = row(7, "bad", "picture", "a.jpg: cut short")
    whole, parts = Tally(), Tally()
    whole.add(table(*rows))
    for start in range(0, 100, 33):
        parts.add(table(*rows[start : start + 33]))
    assert parts == whole
    assert whole.status == {"kept": 99, "bad": 1}
    kept = [one for one in rows if one["status"] == "kept"]
    assert whole.kept["tokens of a document"] == Counter(one["tokens"] // one["documents"] for one in kept)
    assert whole.kept["characters"] == Counter(one["characters"] for one in kept)


def test_a_reason_keeps_its_first_telling_message() -> None:
    tally = Tally()
    tally.add(table(row(0, "dropped", "text length", "text length"), row(1, "bad", "picture", "a.jpg: cut short")))
    tally.add(table(row(2, "bad", "picture", "b.jpg: no format")))
    assert tally.reasons == {"text length": Reason(1, ""), "picture": Reason(2, "a.jpg: cut short")}


def test_late_rows_are_dropped_and_the_others_stay() -> None:
    rows = table(row(4, tokens=9), row(5, tokens=8), row(6, "bad", "picture", "c.jpg: cut short"))
    marked = mark_duplicates(rows, np.array([1, 5, 9]))
    assert marked["status"].to_pylist() == ["kept", "dropped", "bad"]
    assert marked["kind"].to_pylist() == ["", "duplicate", "picture"]
    assert mark_duplicates(rows, np.array([], np.int64)).equals(rows)
