"""The bounded search for duplicates: the same rows as counting them all in memory, in chunks and files of any size."""

import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polymath.data.prepare import duplicates
from polymath.data.prepare.duplicates import Rule, late_rows, rules
from polymath.data.prepare.settings import Filter

RULES = rules(Filter(max_same_caption=3, max_same_picture=2))
Hashes = list[tuple[int, int]]
HASHES = st.lists(st.tuples(st.integers(-2, 2), st.integers(-2, 2)), min_size=1, max_size=60)


def counted(hashes: Hashes, rules: list[Rule]) -> list[int]:
    """Every row that comes after enough of its like, by a counter of all."""
    late = set()
    for rule in rules:
        seen: Counter[tuple[int, ...]] = Counter()
        for row, both in enumerate(hashes):
            values = dict(zip(("picture_hash", "text_hash"), both, strict=True))
            key = tuple(values[column] for column in rule.columns)
            if key[0]:
                seen[key] += 1
                if seen[key] > rule.most:
                    late.add(row)
    return sorted(late)


def table(hashes: Hashes, first: int) -> pa.Table:
    rows = np.arange(first, first + len(hashes))
    pictures, texts = (np.array([h[i] for h in hashes], np.int64) for i in (0, 1))
    return pa.table({"row": rows, "picture_hash": pictures, "text_hash": texts})


def search(hashes: Hashes, chunk: int, span: int, rules: list[Rule]) -> list[int]:
    chunks = [table(hashes[start : start + chunk], start) for start in range(0, len(hashes), chunk)]
    with tempfile.TemporaryDirectory() as place:
        spans = dict(late_rows(chunks, len(hashes), rules, Path(place) / "search", span))
    assert sorted(spans) == list(range(-(-len(hashes) // span)))
    assert all(row // span == number for number, rows in spans.items() for row in rows)
    return [int(row) for number in sorted(spans) for row in spans[number]]


@settings(max_examples=60, deadline=None)
@given(HASHES, st.integers(1, 70), st.integers(1, 70))
def test_late_rows_are_those_of_a_counter_of_all(hashes: Hashes, chunk: int, span: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(duplicates, "CHUNK_ROWS", 7)  # so that there are several files
        assert search(hashes, chunk, span, RULES) == counted(hashes, RULES)


def test_equal_values_leave_nothing_to_remember() -> None:
    """A caption that stands at every row goes on once a chunk, not once a row."""
    early, late = duplicates._split(duplicates._entries(table([(5, 5)] * 1000, 0), RULES[0]), 1)
    assert early["row"].tolist() == [0]
    assert late["row"].tolist() == list(range(1, 1000))


def test_values_that_are_alike_are_spread_over_the_files() -> None:
    """Difference hashes of similar pictures differ in a few bits."""
    entries = np.zeros(4096, duplicates.ENTRY)
    entries["first"] = np.arange(4096) << 50
    counts = np.bincount(duplicates._bucket(entries, 8), minlength=8)
    assert counts.min() > 4096 / 8 / 1.3
    assert counts.max() < 4096 / 8 * 1.3
