"""Shards as they come: each reads right, or is one line with file and key, and one entry of the quarantine."""

import io
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from polymath.data.files.images import encode_jpeg
from polymath.data.files.quarantine import Quarantine
from polymath.data.formats.opening import open_source
from polymath.errors import DataError

JPG = encode_jpeg(np.full((16, 16, 3), 90, np.uint8))
ONE, TWO = [("a.jpg", JPG), ("a.txt", b"one")], [("b.jpg", JPG), ("b.txt", b"two")]
Members = list[tuple[str, bytes]]


def tar(path: Path, items: Members, mode: str = "w", **options: int) -> Path:
    with tarfile.open(path, mode, **options) as archive:  # type: ignore[call-overload]
        for name, data in items:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


@pytest.mark.parametrize(
    ("items", "texts"),
    [
        (ONE + TWO, ["one", "two"]),
        (
            [("._a.jpg", b"mac"), *ONE[:1], ("._a.txt", b"m"), ONE[1], (".DS_Store", b"z"), ("__MACOSX/b.jpg", b"q")],
            ["one"],
        ),
        ([("a.jpg", JPG), ("a.txt", b"\xef\xbb\xbfa dog\r\nruns\r\n")], ["a dog\nruns"]),
        ([("a.jpg", JPG), ("a.txt", "a\u2028b".encode())], ["a\u2028b"]),
        ([("a.jpg", JPG), ("a.json", b'{"caption": ["", "x y", "z"]}')], ["x y"]),
        ([("a.jpg", JPG), ("a.json", b'\xef\xbb\xbf{"text": "t"}')], ["t"]),
        ([("a.JPG", JPG), ("a.TXT", b"t")], ["t"]),
        ([("./d/a.jpg", JPG), ("./d/a.txt", b"1"), ("./e/a.jpg", JPG), ("./e/a.txt", b"2")], ["1", "2"]),
    ],
)
def test_shards_that_read_right(tmp_path: Path, items: Members, texts: list[str]) -> None:
    source = open_source(tar(tmp_path / "s.tar", items))
    assert [source.text(i) for i in range(len(source))] == texts
    assert source.image(len(source) - 1).mean() == 90


def test_long_names_in_pax_headers(tmp_path: Path) -> None:
    name = "ü" * 120
    shard = tar(tmp_path / "s.tar", [(f"{name}.jpg", JPG), (f"{name}.txt", b"t")], format=tarfile.PAX_FORMAT)
    assert open_source(shard).image(0).mean() == 90


def test_a_second_archive_behind_the_first(tmp_path: Path) -> None:
    archives = [tar(tmp_path / "1", ONE).read_bytes(), tar(tmp_path / "2", TWO).read_bytes()]
    (tmp_path / "s.tar").write_bytes(b"".join(archives))
    source = open_source(tmp_path / "s.tar")
    assert [source.text(i) for i in range(len(source))] == ["one", "two"]
    assert source.image(1).mean() == 90


def test_something_else_behind_the_archive(tmp_path: Path) -> None:
    shard = tar(tmp_path / "s.tar", ONE)
    shard.write_bytes(shard.read_bytes() + b"x" * 5000)
    quarantine = Quarantine()
    assert len(open_source(shard, on_bad=quarantine.add)) == 1
    assert "is no archive" in quarantine.rows[0].reason


@pytest.mark.parametrize(
    ("items", "key", "message"),
    [
        ([*ONE, ("a.txt", b"other")], "a", r"sample 'a' has its \.txt twice"),
        ([*TWO, *ONE, ("b.jpg", JPG)], "b", "sample 'b' comes a second time"),
        ([("a.jpg", JPG)], "a", r"sample 'a' has no a\.txt, nor a json with a caption, only jpg"),
        ([("a.txt", b"t")], "a", "sample 'a' has no picture"),
        ([("a.jpg", JPG), ("a.json", b"{oops")], "a", r"a\.json: not valid JSON"),
        ([("a.jpg", JPG), ("a.json", b"[1]")], "a", r"a\.json: is no JSON object"),
        ([("a.jpg", JPG), ("a.json", b"[" * 100_000)], "a", r"a\.json: not valid JSON"),
        ([("a.jpg", JPG), ("a.json", b'{"caption": 5}')], "a", "the caption is 5, not a text"),
        ([("a.jpg", JPG), ("a.json", b'{"caption": null}')], "a", "the caption is empty"),
        ([("a.jpg", JPG), ("a.json", b'{"caption": "\\ud800"}')], "a", "half a surrogate pair"),
        ([("a.jpg", JPG), ("a.txt", b"\xe9")], "a", r"a\.txt: not UTF-8"),
    ],
)
def test_bad_samples_are_named_by_their_key(tmp_path: Path, items: Members, key: str, message: str) -> None:
    shard = tar(tmp_path / "s.tar", [*items, ("z.jpg", JPG), ("z.txt", b"good")])
    with pytest.raises(DataError, match=message) as caught:
        open_source(shard)
    assert "\n" not in str(caught.value)
    quarantine = Quarantine()
    source = open_source(shard, on_bad=quarantine.add)
    assert source.text(len(source) - 1) == "good"
    assert [bad.row for bad in quarantine.rows] == [key]


@pytest.mark.parametrize(("name", "mode"), [("s.tar.gz", "w:gz"), ("s.tar", "w:gz"), ("s.tar.bz2", "w:bz2")])
def test_compressed_shards_are_refused_by_name(tmp_path: Path, name: str, mode: str) -> None:
    tar(tmp_path / name, ONE, mode)
    with pytest.raises(DataError, match=r"is compressed with (gzip|bzip2), .*; unpack it to a tar"):
        open_source(tmp_path)
    tar(tmp_path / "a.tar", TWO)
    quarantine = Quarantine()
    assert len(open_source(tmp_path, on_bad=quarantine.add)) == 1
    assert [Path(bad.file).name for bad in quarantine.rows] == [name]


def linked(archive: tarfile.TarFile, name: str, target: str, kind: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    archive.addfile(info)


def test_links_are_what_they_point_to(tmp_path: Path) -> None:
    shard = tar(tmp_path / "s.tar", ONE)
    with tarfile.open(shard, "a") as archive:
        for name, target in (("b", "a.jpg"), ("c", "gone.jpg")):
            linked(archive, f"{name}.jpg", target, tarfile.LNKTYPE)
            linked(archive, f"{name}.txt", "a.txt", tarfile.SYMTYPE)
    quarantine = Quarantine()
    source = open_source(shard, on_bad=quarantine.add)
    assert [source.image(i).mean() for i in range(len(source))] == [90, 90]
    assert [(bad.row, "is a link to gone.jpg" in bad.reason) for bad in quarantine.rows] == [("c", True)]


@pytest.mark.parametrize("layout", ["gnu", "posix"])
def test_sparse_members_are_refused_and_what_follows_is_read(tmp_path: Path, layout: str) -> None:
    """Written by GNU tar, which stores holes as a table."""
    if b"GNU tar" not in subprocess.run(["tar", "--version"], capture_output=True, check=False).stdout:
        pytest.skip("needs GNU tar")
    with (tmp_path / "a.jpg").open("wb") as file:
        file.write(JPG)
        file.seek(1 << 20)
        file.write(b"\0")
    for name, data in (("a.txt", b"sparse"), *TWO):
        (tmp_path / name).write_bytes(data)
    names = ["a.jpg", "a.txt", "b.jpg", "b.txt"]
    subprocess.run(["tar", "-S", "--format", layout, "-cf", "s.tar", *names], cwd=tmp_path, check=True)
    quarantine = Quarantine()
    source = open_source(tmp_path / "s.tar", on_bad=quarantine.add)
    assert (len(source), source.text(0), source.image(0).mean()) == (1, "two", 90)
    assert [bad.row for bad in quarantine.rows] == ["a"]


def damaged_recording(root: Path) -> None:
    tar(root / "s.tar", ONE)
    (root / "recording.json").write_text("[]")


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda root: (root / "s.tar").write_bytes(b""), "truncated or not a tar"),
        (lambda root: tar(root / "s.tar", []), "holds no pair"),
        (damaged_recording, r"recording\.json: is no JSON object"),
    ],
)
def test_files_of_no_use(tmp_path: Path, write: Callable[[Path], object], message: str) -> None:
    write(tmp_path)
    with pytest.raises(DataError, match=message):
        open_source(tmp_path)


def test_macs_copies_of_shards_are_no_shards(tmp_path: Path) -> None:
    tar(tmp_path / "s.tar", ONE)
    (tmp_path / "._s.tar").write_bytes(b"mac")
    assert len(open_source(tmp_path)) == 1
