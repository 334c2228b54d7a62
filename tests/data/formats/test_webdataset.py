"""Shards are read back by our reader, and by the `webdataset` package where it is installed."""

import dataclasses
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest

from polymath.data.formats.webdataset.reader import WebDatasetPairs
from polymath.data.formats.webdataset.writer import WebDatasetWriter
from polymath.errors import DataError, PolymathError
from polymath.types import ImageText

Y, X = np.mgrid[:32, :32]


def make_pairs(count: int) -> list[ImageText]:
    shade = np.stack([4 * X, 4 * Y, 2 * (X + Y)], axis=-1)
    return [ImageText((shade + i).astype(np.uint8), f"picture {i}, größer 大") for i in range(count)]


def write(out: Path, pairs: list[ImageText], per_shard: int = 3) -> Path:
    with WebDatasetWriter(out, per_shard, metadata={"renderer": "none"}) as writer:
        for i, pair in enumerate(pairs):
            writer.add(pair, {"index": i})
    return out


def members(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as tar:
        return {info.name: tar.extractfile(info).read() for info in tar}


def pack(path: Path, content: dict[str, bytes]) -> None:
    with tarfile.open(path, "w") as tar:
        for name, data in content.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def test_round_trip(tmp_path: Path) -> None:
    pairs = make_pairs(8)
    root = write(tmp_path / "set", pairs)
    assert sorted(path.name for path in root.iterdir()) == [
        "recording.json",
        "shard-000000.tar",
        "shard-000001.tar",
        "shard-000002.tar",
    ]
    opened = WebDatasetPairs(root)
    assert len(opened) == 8
    assert opened.recording == {"renderer": "none"}
    for i in (7, 0, 3):
        assert opened.text(i) == pairs[i].text
        assert np.abs(opened.image(i).astype(int) - pairs[i].image).mean() < 2
    assert opened[2].text == pairs[2].text
    assert len(WebDatasetPairs(root / "shard-000002.tar")) == 2
    assert list(members(root / "shard-000000.tar"))[:3] == ["000000000.jpg", "000000000.txt", "000000000.json"]


def test_the_same_pairs_give_the_same_bytes(tmp_path: Path) -> None:
    one, two = (write(tmp_path / name, make_pairs(4)) for name in ("one", "two"))
    for name in ("shard-000000.tar", "shard-000001.tar", "recording.json"):
        assert (one / name).read_bytes() == (two / name).read_bytes()


def test_the_webdataset_package_reads_them(tmp_path: Path) -> None:
    webdataset = pytest.importorskip("webdataset")
    root = write(tmp_path / "set", make_pairs(4))
    opened = WebDatasetPairs(root)
    shards = [str(path) for path in sorted(root.glob("*.tar"))]
    samples = list(webdataset.WebDataset(shards, shardshuffle=False).decode("rgb8"))
    assert len(samples) == 4
    for i, sample in enumerate(samples):
        assert sample["txt"] == opened.text(i)
        assert sample["json"] == {"index": i}
        assert np.abs(sample["jpg"].astype(int) - opened.image(i)).max() <= 2


def test_shards_of_other_writers(tmp_path: Path) -> None:
    """Folders, dots in the extension, directories and png are all in use out there."""
    jpg = members(write(tmp_path / "set", make_pairs(1)) / "shard-000000.tar")["000000000.jpg"]
    content = {"a/1.jpg": jpg, "a/1.txt": b"one", "b/1.jpeg": jpg, "b/1.seg.png": b"", "b/1.txt": b"two"}
    pack(tmp_path / "other.tar", content)
    pairs = WebDatasetPairs(tmp_path / "other.tar")
    assert [pairs.text(i) for i in range(len(pairs))] == ["one", "two"]


@pytest.mark.parametrize("cut", [1, 512, 700, 1024, 10_000])
def test_truncated_shards(tmp_path: Path, cut: int) -> None:
    shard = write(tmp_path / "set", make_pairs(3)) / "shard-000000.tar"
    with tarfile.open(shard) as tar:
        end = tar.getmembers()[-1].offset_data + 512  # json of the last sample takes one block
    shard.write_bytes(shard.read_bytes()[: end + 1024 - cut])
    with pytest.raises(DataError, match=r"shard-000000\.tar: .*truncated.*copy it again|000000002\.txt"):
        WebDatasetPairs(tmp_path / "set")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"000000001.txt": None}, r"shard\.tar: sample '000000001' has no 000000001\.txt"),
        ({"000000001.jpg": None}, r"shard\.tar: sample '000000001' has no picture"),
        ({"000000001.txt": b" \n"}, r"shard\.tar: 000000001\.txt: the caption is empty"),
        ({"000000001.txt": b"caf\xe9"}, r"shard\.tar: 000000001\.txt: not UTF-8"),
    ],
)
def test_samples_that_are_not_whole(tmp_path: Path, change: dict[str, bytes | None], message: str) -> None:
    content = members(write(tmp_path / "set", make_pairs(3)) / "shard-000000.tar") | change
    pack(tmp_path / "shard.tar", {name: data for name, data in content.items() if data is not None})
    with pytest.raises(DataError, match=message):
        WebDatasetPairs(tmp_path / "shard.tar")


def test_a_corrupt_jpeg_is_named_when_it_is_read(tmp_path: Path) -> None:
    content = members(write(tmp_path / "set", make_pairs(3)) / "shard-000000.tar")
    content["000000001.jpg"] = content["000000001.jpg"][:300]
    pack(tmp_path / "shard.tar", content)
    pairs = WebDatasetPairs(tmp_path / "shard.tar")
    pairs.image(0)
    with pytest.raises(DataError, match=r"shard\.tar: 000000001\.jpg: cannot decode"):
        pairs.image(1)


def test_no_shards(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no \*\.tar"):
        WebDatasetPairs(tmp_path)
    with pytest.raises(DataError, match=r"none\.tar: no such file"):
        WebDatasetPairs(tmp_path / "none.tar")
    (tmp_path / "text.tar").write_text("this is no tar\n" * 100)
    with pytest.raises(DataError, match=r"text\.tar: truncated or not a tar"):
        WebDatasetPairs(tmp_path / "text.tar")


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    pair = make_pairs(1)[0]
    with pytest.raises(KeyboardInterrupt), WebDatasetWriter(tmp_path / "set") as writer:
        writer.add(pair)
        raise KeyboardInterrupt
    with pytest.raises(DataError, match=r"pair 0\.text: is empty"), WebDatasetWriter(tmp_path / "set") as writer:
        writer.add(dataclasses.replace(pair, text=""))
    with pytest.raises(DataError, match="no image-text pair"), WebDatasetWriter(tmp_path / "set"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk(small_disk: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    with pytest.raises(PolymathError, match="the disk is full"), WebDatasetWriter(small_disk / "set") as writer:
        for _ in range(200):
            writer.add(ImageText(noise, "noise"))
    assert list(small_disk.iterdir()) == []
