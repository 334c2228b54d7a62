"""Parquet pairs and JSON lines as they come: read right, or one line with file and row."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from polymath.data.files.images import encode_jpeg
from polymath.data.files.quarantine import Quarantine
from polymath.data.formats.opening import open_source
from polymath.errors import DataError

JPG = encode_jpeg(np.full((16, 16, 3), 90, np.uint8))
GOOD = b'{"parts": [{"text": "ok"}]}\n'


@pytest.mark.parametrize(
    "table",
    [
        {"image": [JPG], "caption": [["", "t"]]},
        {"image": pa.array([JPG], pa.large_binary()), "text": pa.array(["t"], pa.large_string())},
        {"image": [JPG], "caption": [["  ", "t"]]},
        {"image": ["p.jpg"], "text": ["t"]},
        {"image": pa.array(["p.jpg"], pa.large_string()), "text": ["t"]},
        {"image": pa.array(["p.jpg"]).dictionary_encode(), "text": ["t"]},
        {"image": pa.array([JPG]).dictionary_encode(), "text": ["t"]},
        {"image": [{"bytes": None, "path": "p.jpg"}], "text": ["t"]},
        {"image": [{"bytes": JPG, "path": "gone.jpg"}], "text": [b"\xef\xbb\xbft\r\n"]},
        {"data": [{"image": {"bytes": JPG, "path": "x"}, "caption": "t"}], "id": [1]},
        {"data": [{"image": JPG, "caption": "t"}]},
        {"image": [JPG], "text": pa.array(["t"]).dictionary_encode()},
    ],
)
def test_tables_that_read_right(tmp_path: Path, table: dict[str, Any]) -> None:
    (tmp_path / "p.jpg").write_bytes(JPG)
    pq.write_table(pa.table(table), tmp_path / "a.parquet")
    (tmp_path / "._a.parquet").write_bytes(b"mac")
    source = open_source(tmp_path)
    assert (len(source), source.text(0), source.image(0).mean()) == (1, "t", 90)


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (None, "there is none"),
        ({"bytes": None, "path": None}, "there is none"),
        ({"bytes": b"", "path": "../../etc/passwd"}, "lies outside of the data set"),
        ({"bytes": None, "path": "/etc/passwd"}, "lies outside of the data set"),
        ({"bytes": None, "path": "gone.jpg"}, r"picture 'gone\.jpg' cannot be read"),
    ],
)
def test_pictures_that_are_not_there(tmp_path: Path, picture: Any, message: str) -> None:
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    table = {"image": pa.array([{"bytes": JPG, "path": "x"}, picture], kind), "text": ["a", "b"]}
    pq.write_table(pa.table(table), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=rf"a\.parquet: row group 0, row 1: .*{message}"):
        open_source(tmp_path).image(1)


@pytest.mark.parametrize("caption", [5, {"en": "a"}, [], [None], None, "  ", b"\xff"])
def test_captions_that_are_none(tmp_path: Path, caption: Any) -> None:
    pq.write_table(pa.table({"image": [JPG], "text": pa.array([caption])}), tmp_path / "a.parquet")
    quarantine = Quarantine()
    assert len(open_source(tmp_path, on_bad=quarantine.add)) == 0
    assert [bad.row for bad in quarantine.rows] == ["row group 0, row 0"]


def test_a_column_that_stands_twice(tmp_path: Path) -> None:
    columns = [pa.array([JPG]), pa.array(["a"]), pa.array(["b"])]
    pq.write_table(pa.Table.from_arrays(columns, names=["image", "text", "text"]), tmp_path / "a.parquet")
    with pytest.raises(DataError, match="has two columns text"):
        open_source(tmp_path)


def test_lines_end_with_a_newline_and_nowhere_else(tmp_path: Path) -> None:
    text = '{"parts": [{"text": "a\u2028b\x85c"}]}\r\n\r\n\n'
    (tmp_path / "a.jsonl").write_bytes(b"\xef\xbb\xbf" + text.encode() + GOOD.strip())
    source = open_source(tmp_path)
    assert [source.document(i).parts for i in range(2)] == [("a\u2028b\x85c",), ("ok",)]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"[1, 2]", "a list, not an object"),
        (b"5", "a int, not an object"),
        (b"null", "not an object"),
        (b'{"parts": [{"text": "\xff"}]}', "not UTF-8"),
        (b'{"parts": [{"text": "a", "image": "p.jpg"}]}', "a part has 2 entries"),
        (b'{"parts": [{}]}', "a part has 0 entries"),
        (b'{"parts": ["x"]}', "not a document"),
        (b'{"parts": null}', "not a document"),
        (b'{"parts": [{"text": ["a", "b"]}]}', "neither text nor the path"),
        (b'{"texts": ["a"], "images": ["p.jpg"]}', "do not take turns"),
        (b'{"texts": [null], "images": [null]}', "do not take turns"),
        (b'{"texts": ["a", null], "images": [null]}', "do not take turns"),
        (b'{"texts": "ab", "images": "cd"}', "not two lists"),
        (b'{"parts": [{"text": "a"}, {"image": "a\\u0000b"}]}', "lies outside"),
        (b'{"parts": [{"text": "\\ud800"}]}', "half a surrogate pair"),
        (b'{"parts": ' + b"[" * 200_000, "RecursionError"),
    ],
)
def test_bad_lines_are_named_by_their_number(tmp_path: Path, line: bytes, message: str) -> None:
    (tmp_path / "a.jsonl").write_bytes(GOOD + line + b"\n" + GOOD)
    with pytest.raises(DataError, match=rf"a\.jsonl: line 2: .*{message}") as caught:
        open_source(tmp_path)
    assert len(str(caught.value)) < 400
    quarantine = Quarantine()
    assert len(open_source(tmp_path, on_bad=quarantine.add)) == 2
    assert [bad.row for bad in quarantine.rows] == ["line 2"]


def test_a_text_column_that_is_no_utf8(tmp_path: Path) -> None:
    """Arrow writes and reads the bytes of a string column as they are."""
    offsets, texts = pa.py_buffer(np.array([0, 2, 4], np.int32)), pa.py_buffer(b"ok\xff\xfe")
    text = pa.Array.from_buffers(pa.string(), 2, [None, offsets, texts])
    pq.write_table(pa.table({"image": [JPG, JPG], "text": text}), tmp_path / "a.parquet")
    quarantine = Quarantine()
    source = open_source(tmp_path, on_bad=quarantine.add)
    assert (len(source), source.text(0)) == (1, "ok")
    assert [bad.row for bad in quarantine.rows] == ["row group 0, row 1"]
    assert "not UTF-8" in quarantine.rows[0].reason


def test_compressed_lines_beside_others_are_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(GOOD)
    (tmp_path / "b.jsonl.gz").write_bytes(b"\x1f\x8b")
    with pytest.raises(DataError, match=r"b\.jsonl\.gz: is compressed or unfinished; unpack it"):
        open_source(tmp_path)
    quarantine = Quarantine()
    assert len(open_source(tmp_path, on_bad=quarantine.add)) == 1
    assert [bad.file for bad in quarantine.rows] == [str(tmp_path / "b.jsonl.gz")]
