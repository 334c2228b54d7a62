"""Pairs in Parquet, interleaved documents in JSON lines, and the same files through fsspec's URLs."""

import io
import json
import shutil
import sys
import tarfile
from pathlib import Path

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.data.formats.test_bad_robot_sets import aloha

from polymath.data.files.images import encode_png
from polymath.data.files.parquet import _unreadable
from polymath.data.files.paths import locate
from polymath.data.files.quarantine import Quarantine
from polymath.data.formats.jsonl import JsonlDocuments
from polymath.data.formats.opening import open_source, parse
from polymath.data.formats.parquet_pairs import ParquetPairs
from polymath.data.formats.webdataset.writer import WebDatasetWriter
from polymath.data.interface import row_name
from polymath.data.looking.inspection import summarise
from polymath.errors import ConfigError, DataError
from polymath.types import ImageText

FIXTURES = Path(__file__).parents[2] / "fixtures" / "data"


def grey(level: int) -> np.ndarray:
    return np.full((8, 8, 3), level, np.uint8)


@pytest.mark.parametrize("struct", [False, True])
def test_parquet_pairs(tmp_path: Path, struct: bool) -> None:
    pictures = [encode_png(grey(10 * i)) for i in range(5)]
    column = [{"bytes": p, "path": None} for p in pictures] if struct else pictures
    table = pa.table({"caption": [f"shade {i}" for i in range(5)], "image": column})
    pq.write_table(table, tmp_path / "part-0.parquet", row_group_size=2)
    pairs = open_source(tmp_path)
    assert [pairs.text(i) for i in range(5)] == [f"shade {i}" for i in range(5)]
    assert [int(pairs.image(i)[0, 0, 0]) for i in (4, 0, 3)] == [40, 0, 30]


def test_bad_parquet_is_quarantined(tmp_path: Path) -> None:
    picture = encode_png(grey(1))
    pq.write_table(pa.table({"image": [picture] * 3, "text": ["a", " ", None]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"image": [picture], "label": [3]}), tmp_path / "b.parquet")
    pq.write_table(pa.table({"image": [1.5], "text": ["a"]}), tmp_path / "c.parquet")
    (tmp_path / "d.parquet").write_bytes((tmp_path / "a.parquet").read_bytes()[:100])
    quarantine = Quarantine()
    assert len(ParquetPairs(tmp_path, on_bad=quarantine.add)) == 1
    assert quarantine.counts() == {"instruction": 2, "schema": 2, "truncated": 1}
    with pytest.raises(DataError, match=r"b\.parquet: has none of the columns text, .*, only image, label"):
        ParquetPairs(tmp_path / "b.parquet")
    table = pa.table({"image": [picture[:30], None], "text": ["a", "b"]})
    pq.write_table(table, tmp_path / "e.parquet")
    for row in (0, 1):
        with pytest.raises(DataError, match=rf"e\.parquet: row group 0, row {row}: cannot decode"):
            ParquetPairs(tmp_path / "e.parquet").image(row)


def test_interleaved_documents(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "1.png").write_bytes(encode_png(grey(7)))
    lines = [
        {"parts": [{"text": "First, "}, {"image": "pictures/1.png"}, {"text": "then stop."}]},
        {"texts": [None, "ein Bild"], "images": ["pictures/1.png", None]},
    ]
    (tmp_path / "docs.jsonl").write_text("\n\n".join(map(json.dumps, lines)))
    documents = open_source(tmp_path)
    assert [type(part) for part in documents.document(0).parts] == [str, bytes, str]
    assert documents.document(1).parts[1] == "ein Bild"


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("{", "schema"),
        ("[]", "schema"),
        ('{"parts": [{"video": "a"}]}', "schema"),
        ('{"parts": [{"text": "a"}, {"image": "../../etc/passwd"}]}', "schema"),
        ('{"parts": [{"text": "a"}, {"image": "/etc/passwd"}]}', "schema"),
        ('{"texts": ["a", "b"], "images": [null]}', "schema"),
        ('{"parts": [{"image": "1.png"}]}', "instruction"),
    ],
)
def test_bad_lines_are_quarantined(tmp_path: Path, line: str, kind: str) -> None:
    (tmp_path / "docs.jsonl").write_text('{"parts": [{"text": "well"}]}\n' + line + "\n")
    quarantine = Quarantine()
    assert len(JsonlDocuments(tmp_path, on_bad=quarantine.add)) == 1
    assert (quarantine.counts(), quarantine.rows[0].row) == ({kind: 1}, "line 2")
    with pytest.raises(DataError, match="line 2"):
        JsonlDocuments(tmp_path / "docs.jsonl")


def test_a_missing_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "docs.jsonl").write_text('{"parts": [{"text": "a"}, {"image": "gone.png"}]}\n')
    with pytest.raises(DataError, match=r"line 1, picture gone\.png: cannot be read"):
        JsonlDocuments(tmp_path / "docs.jsonl").document(0)


def upload(source: Path, name: str) -> str:
    """Into fsspec's file system in memory."""
    memory = fsspec.filesystem("memory")
    for file in source.rglob("*"):
        if file.is_file():
            memory.pipe_file(f"/{name}/{file.relative_to(source)}", file.read_bytes())
    return f"memory:///{name}"


def test_pairs_over_a_url(tmp_path: Path) -> None:
    with WebDatasetWriter(tmp_path / "pairs") as writer:
        for level in (10, 20):
            writer.add(ImageText(grey(level), f"level {level}"))
    for name in (upload(tmp_path / "pairs", "pairs"), f"file://{tmp_path / 'pairs'}"):
        pairs = open_source(f"webdataset:{name}")
        assert [pairs.text(i) for i in range(2)] == ["level 10", "level 20"]
        assert abs(int(pairs.image(1)[0, 0, 0]) - 20) <= 2
    assert parse(upload(tmp_path / "pairs", "again")).format.name == "webdataset"


@pytest.mark.parametrize("name", ["lerobot_v21_image", "lerobot_v3_image", "lerobot_v21_video", "lerobot_v3_video"])
def test_lerobot_over_a_url(name: str) -> None:
    episodes, expected = open_source(upload(FIXTURES / name, name)), np.load(FIXTURES / name / "expected.npz")
    np.testing.assert_array_equal(episodes.actions(2), expected["actions_2"])
    np.testing.assert_array_equal(episodes.frames(1, [3, 0]), expected["frames_1"][[3, 0]])


def test_rlds_over_a_url() -> None:
    remote = open_source(upload(FIXTURES / "rlds" / "tfrecord" / "bridge_dataset", "bridge_dataset"))
    local = open_source(FIXTURES / "rlds" / "tfrecord" / "bridge_dataset")
    np.testing.assert_array_equal(remote.actions(1), local.actions(1))
    np.testing.assert_array_equal(remote.frames(1, [0]), local.frames(1, [0]))


def test_names_that_cannot_be_opened(tmp_path: Path) -> None:
    for name, message in (
        (f"webdatset:{tmp_path}", "no format 'webdatset'; choose from lerobot"),
        (f"lerobot:{tmp_path}?split=a", "lerobot has no option 'split', only: cameras, state, action, task, pictures"),
    ):
        with pytest.raises(ConfigError, match=message):
            parse(name)
    with pytest.raises(DataError, match="holds none of the known formats: lerobot"):
        parse(tmp_path)
    with pytest.raises(DataError, match="nothing: no such file or directory"):
        parse(tmp_path / "nothing")


@pytest.mark.parametrize(("url", "package"), [("gs://bucket/set", "gcsfs"), ("s3://bucket/set", "s3fs")])
def test_a_scheme_without_its_driver_names_it(url: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)  # as if it were not installed
    monkeypatch.delitem(sys.modules["fsspec.registry"]._registry, url.partition(":")[0], raising=False)
    with pytest.raises(ConfigError, match=f"{package}.*install polymath-v"):
        locate(url)


def test_rows_are_called_by_their_own_place_though_others_were_left_out(tmp_path: Path) -> None:
    """The first row of each set is bad, so the only one that opens is the second of its file."""
    (tmp_path / "a.jsonl").write_text('{}\n{"texts": ["hello"], "images": [null]}\n')
    table = pa.table({"image": pa.array([b"x", b"x"]), "caption": ["", "hello"]})
    pq.write_table(table, tmp_path / "a.parquet")
    with tarfile.open(tmp_path / "a.tar", "w") as shard:
        for name, data in (("k.1.png", b"x"), ("n/k2.png", b"x"), ("n/k2.txt", b"hello")):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            shard.addfile(member, io.BytesIO(data))
    for suffix, name in (
        ("jsonl", "a.jsonl: line 2"),
        ("parquet", "a.parquet: row group 0, row 1"),
        ("tar", "a.tar: n/k2"),
    ):
        source = open_source(tmp_path / f"a.{suffix}", on_bad=Quarantine().add)
        assert (len(source), row_name(source, 0)) == (1, name)


def test_a_parquet_error_of_two_lines_is_one() -> None:
    assert "(one two)" in _unreadable(Path("a.parquet"), "one\ntwo\n")[0]


def test_files_in_subfolders_are_noted(tmp_path: Path) -> None:
    """Only those of the top level are read; pictures below documents are no such files, nor is what is hidden."""
    top, memory = tmp_path / "docs", fsspec.filesystem("memory")
    top.mkdir()
    line = json.dumps({"parts": [{"text": "stop"}]})
    for name in ("a.jsonl", "more/b.jsonl", "more/deeper/c.jsonl", ".git/d.jsonl", "pictures/1.png"):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(line)
        memory.pipe(f"/subfolders/{name}", line.encode())
    source = open_source(top)
    (note,) = source.notes
    assert note.startswith(f"2 files (.jsonl) in {top / 'more'} and 1 more subfolders not read; name each folder as a")
    assert summarise(source)["warnings"][0] == note
    assert open_source(top / "a.jsonl").notes == open_source(top / "more" / "deeper").notes == ()
    (note,) = open_source("jsonl:memory://subfolders").notes
    assert note.startswith("1 file (.jsonl) in memory://subfolders/more not read")


@pytest.mark.parametrize(("name", "kind"), [("shard-000000.tar", "webdataset"), ("a.hdf5", "hdf5")])
def test_shards_and_demonstrations_in_subfolders_are_noted(tmp_path: Path, name: str, kind: str) -> None:
    if kind == "webdataset":
        with WebDatasetWriter(tmp_path / "written", 4) as writer:
            writer.add(ImageText(grey(1), "one"))
        (tmp_path / "written" / name).rename(tmp_path / name)
    else:
        aloha(tmp_path / name, "cam_high")
    assert open_source(tmp_path).notes == ()
    (tmp_path / "part-2").mkdir()
    shutil.copy(tmp_path / name, tmp_path / "part-2" / name)
    (note,) = open_source(f"{kind}:{tmp_path}").notes
    assert f"in {tmp_path / 'part-2'} not read" in note
