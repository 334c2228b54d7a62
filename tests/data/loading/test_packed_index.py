"""Expected places are counted by hand, or by writing every record out."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polymath.data.loading.packed_index import SCHEMA, PackedIndex, Shard, write_index
from polymath.errors import DataError


def index_of(counts: list[int], folder: Path = Path("set")) -> PackedIndex:
    names = [f"shard-{i:06d}" for i in range(len(counts))]
    columns = {
        "name": names,
        "records": counts,
        "documents": [7 * n for n in counts],
        "tokens": [9 * n for n in counts],
    }
    return PackedIndex(folder, pa.table(columns, schema=SCHEMA))


@given(st.lists(st.integers(1, 9), min_size=1, max_size=20))
def test_every_record_has_its_place(counts: list[int]) -> None:
    index = index_of(counts)
    expected = [(Path(f"set/shard-{i:06d}"), place) for i, count in enumerate(counts) for place in range(count)]
    assert len(index) == sum(counts)
    assert [index.locate(record) for record in range(len(index))] == expected
    for outside in (-1, len(index)):
        with pytest.raises(IndexError):
            index.locate(outside)


@pytest.mark.parametrize(("records", "seed"), [(1, 0), (7, 2**32 - 1), (300, 5), (1000, 2**63)])
def test_every_epoch_is_a_permutation(records: int, seed: int) -> None:
    index = index_of([records])
    for epoch in range(2):
        order = [index.shuffled(epoch * records + i, seed) for i in range(records)]
        assert sorted(order) == list(range(records))


def test_epochs_and_seeds_differ() -> None:
    index = index_of([100] * 20)
    orders = [[index.shuffled(start + i, seed) for i in range(2000)] for start, seed in ((0, 1), (2000, 1), (0, 2))]
    for a in range(3):
        assert np.mean(np.array(orders[a]) == np.arange(2000)) < 0.01
        for b in range(a):
            assert np.mean(np.array(orders[a]) == np.array(orders[b])) < 0.01


def test_written_and_opened(tmp_path: Path) -> None:
    write_index(tmp_path, [Shard("a.array_record", 3, 30, 12_000), Shard("b.array_record", 2, 11, 8000)])
    index = PackedIndex.open(tmp_path)
    assert (len(index), index.documents, index.tokens) == (5, 41, 20_000)
    assert index.locate(3) == (tmp_path / "b.array_record", 0)


def test_a_hundred_million_records_take_no_memory_of_their_own() -> None:
    """100,000 shards of 1,000 records: 8 bytes of end and the name each, in Arrow's buffers."""
    before = pa.total_allocated_bytes()
    index = index_of([1000] * 100_000)
    assert len(index) == 100_000_000
    assert pa.total_allocated_bytes() - before + index._ends.nbytes < 6_000_000
    assert index.locate(99_999_999) == (Path("set/shard-099999"), 999)
    assert 0 <= index.shuffled(3 * 10**8 + 5, seed=0) < 10**8


def test_a_missing_or_damaged_index_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"index\.parquet: no such file.*data prepare"):
        PackedIndex.open(tmp_path)
    (tmp_path / "index.parquet").write_bytes(b"PAR1 is not enough")
    with pytest.raises(DataError, match=r"index\.parquet: cannot be read"):
        PackedIndex.open(tmp_path)
    write_index(tmp_path, [])
    with pytest.raises(DataError, match="lists no shard"):
        PackedIndex.open(tmp_path)
    pq.write_table(pa.table({"name": ["a"]}), tmp_path / "index.parquet")
    with pytest.raises(DataError, match=r"index\.parquet: a column of name, records, documents, tokens is missing"):
        PackedIndex.open(tmp_path)
