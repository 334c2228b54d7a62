"""Preparation of small sets counted by hand; a row ends in one place; a killed run ends with the same bytes."""

import errno
import hashlib
import os
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from polymath.data.files.array_records import index
from polymath.data.loading import record
from polymath.data.loading.packed_index import PackedIndex
from polymath.data.prepare import units
from polymath.data.prepare.pipeline import prepare
from polymath.data.prepare.settings import Filter, Settings
from polymath.errors import ConfigError, DataError, PolymathError
from polymath.tokenizer import Tokenizer

from .conftest import LAYOUT

SETTINGS = Settings(pairs_per_shard=16, episodes_per_shard=2, max_bad_share=0.5)


@pytest.fixture(scope="session")
def prepared(sources: list[str], tokenizer_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("prepared") / "out"
    prepare(sources, tokenizer_file, LAYOUT, out, SETTINGS)
    return out


def documents(out: Path, folder: str) -> list[record.Stored]:
    """All documents of a source, from its shards."""
    shards = sorted((out / folder).glob("*.array_record"))
    return [d for shard in shards for r in index(shard)[0] for d in record.decode_record(r.read(), LAYOUT, "here")]


def folder(out: Path, number: int) -> str:
    return next(path.name for path in sorted(out.glob(f"{number:02d}-*")))


def test_every_row_is_kept_dropped_or_set_aside(prepared: Path, sources: list[str], tokenizer_file: Path) -> None:
    summary = prepare(sources, tokenizer_file, LAYOUT, prepared, SETTINGS)["sources"]
    counts = {
        f["kind"] + str(i): (f["rows"], f["kept"], f["dropped"], f["bad"]) for i, f in enumerate(summary.values())
    }
    # pairs: row 5 has no text and is not opened, 3 is damaged, 7 too small, 9 a copy of 8; RLDS: one has no instruction
    assert counts == {
        "pairs0": (40, 36, 2, 2),
        "documents1": (3, 2, 0, 1),
        "episodes2": (3, 3, 0, 0),
        "episodes3": (3, 2, 0, 1),
    }
    bad = Counter(pq.read_table(prepared / "quarantine.parquet")["kind"].to_pylist())
    assert bad == {"instruction": 2, "picture": 1, "schema": 1}
    dropped = pq.read_table(prepared / "dropped.parquet").to_pylist()
    assert {(row["row"], row["kind"]) for row in dropped} == {(6, "picture too small"), (8, "duplicate")}
    assert not (prepared / ".work").exists()


def test_documents_are_those_of_the_rows(prepared: Path, tokenizer_file: Path) -> None:
    tokenizer = Tokenizer.load(tokenizer_file)
    pairs = documents(prepared, folder(prepared, 0))
    texts = [tokenizer.decode([int(t) for t in d.document.tokens if t >= tokenizer.control.size]) for d in pairs]
    expected = {f"a picture of noise with the number {i}" for i in range(40)} - {
        f"a picture of noise with the number {i}" for i in (3, 5, 7, 9)
    }
    assert Counter(texts) == Counter(expected)
    assert all(len(d.jpegs) == 1 and d.cameras == 1 for d in pairs)
    episodes = documents(prepared, folder(prepared, 2))
    assert len(episodes) == 5 + 7 + 4, "a window for every control step of tests/oracles/write_lerobot.py"
    assert all(d.cameras == 2 and len(d.jpegs) == 2 for d in episodes)
    (mixed,) = [d for d in documents(prepared, folder(prepared, 1)) if d.jpegs]
    starts = mixed.document.image_starts.tolist()
    assert mixed.document.loss_weights[starts[0] : starts[0] + 4].tolist() == [0, 0, 0, 0]
    assert mixed.document.loss_weights[1 : starts[0]].all()


def test_the_index_counts_what_is_there(prepared: Path) -> None:
    for number in range(4):
        name = folder(prepared, number)
        opened, stored = PackedIndex.open(prepared / name), documents(prepared, name)
        assert opened.documents == len(stored)
        assert opened.tokens == sum(len(d.document.tokens) for d in stored)


def test_the_card_tells_what_was_left_out(prepared: Path) -> None:
    card = (prepared / "card.html").read_text()
    assert "picture too small" in card
    assert "duplicate" in card
    assert card.count("data:image/jpeg;base64,") > 10
    assert "http" not in card


def test_another_plan_in_the_same_place_is_refused(prepared: Path, sources: list[str], tokenizer_file: Path) -> None:
    with pytest.raises(ConfigError, match=r"plan\.json: settings is another one there"):
        prepare(sources, tokenizer_file, LAYOUT, prepared, replace(SETTINGS, seed=1))
    with pytest.raises(ConfigError, match=r"plan\.json: sources is another one there"):
        prepare(sources[:1], tokenizer_file, LAYOUT, prepared, SETTINGS)


def test_a_new_set_in_the_place_of_a_deleted_one_owes_it_nothing(
    prepared: Path, sources: list[str], tokenizer_file: Path, tmp_path: Path
) -> None:
    """In one process, which keeps opened sources and plans."""
    out = tmp_path / "out"
    prepare(sources[2:3], tokenizer_file, LAYOUT, out, SETTINGS)
    shutil.rmtree(out)
    prepare(sources[:1], tokenizer_file, LAYOUT, out, SETTINGS)
    name = folder(prepared, 0)
    for file in sorted((prepared / name).iterdir()):
        assert (out / name / file.name).read_bytes() == file.read_bytes(), file.name


def test_too_many_bad_rows_stop_the_job_with_the_table(
    sources: list[str], tokenizer_file: Path, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=r"2 of 40 rows are bad, more than 1\.0%") as caught:
        prepare(sources[:1], tokenizer_file, LAYOUT, tmp_path / "out", replace(SETTINGS, max_bad_share=0.01))
    assert "cannot decode the picture" in str(caught.value)
    assert len(pq.read_table(tmp_path / "out" / "quarantine.parquet")) == 2
    assert not (tmp_path / "out" / "prepared.json").exists()


def test_filters_by_language_and_repetition(sources: list[str], tokenizer_file: Path, tmp_path: Path) -> None:
    bounds = Filter(languages=("en",), max_same_caption=1)
    summary = prepare(sources[:1], tokenizer_file, LAYOUT, tmp_path / "out", replace(SETTINGS, filter=bounds))
    (facts,) = summary["sources"].values()
    assert facts["kept"] == 36, "all captions are English; 8 and 9 are the only twins"
    with pytest.raises(DataError, match="no row was kept"):
        german = Filter(languages=("de",))
        prepare(sources[:1], tokenizer_file, LAYOUT, tmp_path / "de", replace(SETTINGS, filter=german))


def test_a_robot_that_the_layout_has_no_room_for(sources: list[str], tokenizer_file: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"robot 'widowx-bridge' needs layout\.action_dim of 7, but it has 4"):
        prepare(sources[3:], tokenizer_file, replace(LAYOUT, action_dim=4), tmp_path / "out", SETTINGS)


def digests(out: Path) -> dict[str, str]:
    files = [file for file in out.rglob("*") if file.is_file()]
    return {str(file.relative_to(out)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


@pytest.mark.parametrize("after", [3, 12])
def test_a_run_killed_after_any_unit_ends_with_the_same_bytes(
    after: int, prepared: Path, sources: list[str], tokenizer_file: Path, tmp_path: Path
) -> None:
    """SIGKILL in the middle of the unit after so many: its half-written file is on disk then."""
    script = tmp_path / "victim.py"
    script.write_text(KILLED)
    out = tmp_path / "out"
    command = [sys.executable, script, str(after), str(out), str(tokenizer_file), *sources]
    paths = os.pathsep.join([str(Path(__file__).parents[3]), os.environ.get("PYTHONPATH", "")])
    ran = subprocess.run(command, capture_output=True, check=False, env={**os.environ, "PYTHONPATH": paths})
    assert ran.returncode == -9, ran.stderr.decode()
    assert list(out.rglob(".*.partial")), "something half-written is there"
    prepare(sources, tokenizer_file, LAYOUT, out, SETTINGS)
    assert digests(out) == digests(prepared)


KILLED = """
import os, signal, sys
from pathlib import Path
from polymath.data.prepare import units
from polymath.data.prepare.pipeline import prepare
from tests.data.prepare.conftest import LAYOUT
from tests.data.prepare.test_pipeline import SETTINGS

after, out, tokenizer, *sources = sys.argv[1:]
done, write = [0], units.atomic_write

def dying(path):
    done[0] += 1
    if done[0] > int(after):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).with_name(f".{Path(path).name}.1.partial").write_bytes(b"half")
        os.kill(os.getpid(), signal.SIGKILL)
    return write(path)

units.atomic_write = dying
prepare(sources, Path(tokenizer), LAYOUT, Path(out), SETTINGS)
"""


def test_units_do_nothing_twice(
    sources: list[str], tokenizer_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A finished unit is not made again."""
    out = tmp_path / "out"
    monkeypatch.setattr("polymath.data.prepare.pipeline.finish", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        prepare(sources[:1], tokenizer_file, LAYOUT, out, SETTINGS)
    times = {file: file.stat().st_mtime_ns for file in out.rglob("*.parquet")}
    for number in range(3):
        units.make_documents(str(out), number)
        units.write_shard(str(out), number)
    assert {file: file.stat().st_mtime_ns for file in out.rglob("*.parquet")} == times


@pytest.mark.parametrize("workers", [1, 2])
def test_a_full_disk_is_reported_and_recovered_from(
    workers: int, prepared: Path, sources: list[str], tokenizer_file: Path, small_disk: Path, tmp_path: Path
) -> None:
    """1 MiB is too little for the shards beside the documents; what was finished is kept on a larger disk."""
    with pytest.raises(PolymathError, match=r": the disk is full .* then run the same command again"):
        prepare(sources, tokenizer_file, LAYOUT, small_disk / "out", SETTINGS, workers=workers)
    assert not list(small_disk.rglob("*.partial"))
    out = shutil.copytree(small_disk / "out", tmp_path / "out")
    prepare(sources, tokenizer_file, LAYOUT, out, SETTINGS)
    assert digests(out) == digests(prepared)


def test_a_disk_that_fills_while_a_shard_is_written(small_disk: Path) -> None:
    from array_record.python.array_record_module import ArrayRecordWriter

    with pytest.raises(OSError, match="No space left on device") as caught, units._full_disk():
        writer = ArrayRecordWriter(str(small_disk / "shard"), "group_size:1,zstd:3")
        for seed in range(20):
            writer.write(np.random.default_rng(seed).bytes(100_000))
        writer.close()
    assert caught.value.errno == errno.ENOSPC


def test_a_record_that_is_none() -> None:
    with pytest.raises(DataError, match="here: not a packed sequence"):
        record.decode_record(b"\x81\xa1a\x01", LAYOUT, "here")
    with pytest.raises(DataError, match="here: not a packed sequence"):
        record.decode_record(b"\xc1", LAYOUT, "here")
