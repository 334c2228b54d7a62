"""Batches of prepared shards: a function of (seed, step); the same from any number of hosts and workers."""

import itertools
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from tests.data.prepare.conftest import LAYOUT, noise

from polymath.data.files.array_records import Record, index
from polymath.data.formats.webdataset.writer import WebDatasetWriter
from polymath.data.loading import record, resume
from polymath.data.loading.prepared import open_prepared
from polymath.data.loading.prepared_rows import PreparedRows
from polymath.data.loading.resume import LoaderState
from polymath.data.prepare.pipeline import prepare
from polymath.data.prepare.settings import Settings
from polymath.data.sequences.augment import Augmentation
from polymath.data.sequences.packing import collate
from polymath.errors import ConfigError, DataError
from polymath.tokenizer import Tokenizer
from polymath.types import Batch, ImageText

ROWS = 8


def rows_of(host: int, hosts: int) -> range:
    """The rows of a batch that a host loads where `hosts` divide it."""
    share = ROWS // hosts
    return range(host * share, (host + 1) * share)


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory, tokenizer: Tokenizer) -> Path:
    place = tmp_path_factory.mktemp("set")
    tokenizer.save(place / "tokenizer.json")
    for name, count in (("many", 120), ("few", 30)):
        with WebDatasetWriter(place / name) as writer:
            for i in range(count):
                writer.add(ImageText(noise(i, 32), f"{name} {i} " + "and more " * (i % 7)))
    names = [f"webdataset:{place / name}" for name in ("many", "few")]
    prepare(names, place / "tokenizer.json", LAYOUT, place / "out", Settings(pairs_per_shard=50))
    return place / "out"


def same(a: Batch, b: Batch) -> bool:
    return all((x == y).all() for x, y in zip(a, b, strict=True))


def joined(parts: list[Batch]) -> Batch:
    return Batch(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def test_a_batch_is_a_function_of_seed_and_step(out: Path) -> None:
    one, two = (open_prepared(out, ROWS, 0, augmentation=Augmentation(shift=2)) for _ in range(2))
    for step in (7, 0, 3):
        assert same(one.batch(step), two.batch(step))
    assert not same(open_prepared(out, ROWS, 1).batch(0), open_prepared(out, ROWS, 0).batch(0))


def test_an_epoch_holds_every_record_once(out: Path) -> None:
    loader = open_prepared(out, ROWS, 0, {"00-many": 3.0, "01-few": 1.0})
    counts = loader.rows_per_epoch()
    rows = [PreparedRows(out / name, LAYOUT) for name in counts]
    seen: dict[int, list[int]] = {0: [], 1: []}
    for row in range(40 * (counts["00-many"] + counts["01-few"])):
        source, k = loader.place(row)
        seen[source].append(rows[source].record((0, source), k))
    for source, total in enumerate(counts.values()):
        epochs = [seen[source][i : i + total] for i in range(0, len(seen[source]) - total, total)]
        assert len(epochs) > 5
        assert all(sorted(epoch) == list(range(total)) for epoch in epochs)
        assert epochs[0] != epochs[1]
    assert len(seen[0]) / len(seen[1]) == pytest.approx(3, rel=0.05)


def test_eight_hosts_then_four_then_two(out: Path, tmp_path: Path) -> None:
    """Hosts load their rows alone; the state after 30 steps restores on fewer hosts, and 200 follow as one."""
    whole = open_prepared(out, ROWS, 0)
    step, data = 0, open_prepared(out, ROWS, 0).state().data
    for hosts, steps in ((8, 30), (4, 57), (2, 143)):
        loaders = [open_prepared(out, ROWS, 0) for _ in range(hosts)]
        for _ in range(steps):
            parts = [loader.batch(step, rows_of(h, hosts)) for h, loader in enumerate(loaders)]
            assert same(joined(parts), whole.batch(step))
            step += 1
        LoaderState(step, 0, ROWS, data).save(tmp_path / "state.json")
        step = LoaderState(0, 0, ROWS, data).check(resume.load_state(tmp_path / "state.json"), tmp_path / "state.json")
    assert step == 230


def test_a_host_reads_its_own_records_and_no_others(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loader, read, original = open_prepared(out, ROWS, 0), list[Path](), Record.read

    def noted(self: Record) -> bytes:
        read.append(self.path)
        return original(self)

    monkeypatch.setattr(Record, "read", noted)
    loader.batch(3, rows_of(1, 4))
    sources = [loader.place(3 * ROWS + row)[0] for row in rows_of(1, 4)]
    assert [path.parent.name for path in read] == [("00-many", "01-few")[source] for source in sources]


def test_workers_do_not_change_the_order(out: Path) -> None:
    """Two processes of grain's, from step 5."""
    loader = open_prepared(out, ROWS, 0, augmentation=Augmentation())
    for step, batch in enumerate(itertools.islice(loader.iterate(5, rows=range(4, 8), workers=2, ahead=1), 6), start=5):
        assert same(Batch(*batch), loader.batch(step, range(4, 8)))


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_do_not_change_the_order(out: Path, threads: int) -> None:
    loader = open_prepared(out, ROWS, 0)
    for step, batch in enumerate(itertools.islice(loader.iterate(2, threads=threads), 8), start=2):
        assert same(batch, loader.batch(step))


def test_the_batch_is_the_records_laid_out(out: Path) -> None:
    loader = open_prepared(out, 1, 0, {"01-few": 1.0})
    number = PreparedRows(out / "01-few", LAYOUT).record((0, 0), 0)
    files = sorted((out / "01-few").glob("*.array_record"))
    stored_record = [r for file in files for r in index(file)[0]][number]
    rng = np.random.default_rng(0)
    stored = record.decode_record(stored_record.read(), LAYOUT, "here")
    expected = collate([[record.load(document, LAYOUT, None, rng, "here") for document in stored]], LAYOUT)
    assert same(loader.batch(0), expected)


def test_states_of_other_streams_are_refused(out: Path, tmp_path: Path) -> None:
    ours = LoaderState(0, 0, ROWS, open_prepared(out, ROWS, 0).state().data)
    path = tmp_path / "state.json"
    LoaderState(9, 1, ROWS, ours.data).save(path)
    with pytest.raises(ConfigError, match=r"state\.json, seed: 1 there, but 0 is asked for"):
        ours.check(resume.load_state(path), path)


def test_sets_that_cannot_be_opened(out: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="run it to the end"):
        open_prepared(tmp_path, ROWS, 0)
    with pytest.raises(ConfigError, match="has no source 'none', only 00-many, 01-few"):
        open_prepared(out, ROWS, 0, {"none": 1.0})


def test_every_document_is_in_an_epoch_once(out: Path) -> None:
    loader = open_prepared(out, 1, 0, {"01-few": 1.0})
    tokens: Counter[bytes] = Counter()
    for step in range(loader.rows_per_epoch()["01-few"]):
        batch = loader.batch(step)
        for segment in range(1, int(batch.segment_ids.max()) + 1):
            tokens[batch.tokens[0][batch.segment_ids[0] == segment].tobytes()] += 1
    assert len(tokens) == 30
    assert set(tokens.values()) == {1}
