"""TFRecord files: written here by the drawing in the module, damaged in every way; foreign Examples."""

from pathlib import Path

import pytest

from polymath.data.files.quarantine import Quarantine
from polymath.data.formats.rlds import tf_example, tfrecord
from polymath.data.formats.rlds.reader import RldsEpisodes
from polymath.errors import DataError

BRIDGE = Path(__file__).parents[2] / "fixtures" / "data" / "rlds" / "tfrecord" / "bridge_dataset" / "1.0.0"
NAME = "bridge_dataset-train.tfrecord-00000-of-00002"


def copy(tmp_path: Path) -> Path:
    for file in BRIDGE.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


def test_the_checksum_is_that_of_the_format() -> None:
    """RFC 3720, B.4: crc32c of 32 zero bytes is 0x8a9136aa; masked by hand."""
    crc = 0x8A9136AA
    assert tfrecord.masked(bytes(32)) == (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def test_a_flipped_bit_is_a_named_record(tmp_path: Path) -> None:
    path = copy(tmp_path) / NAME
    data = bytearray(path.read_bytes())
    data[500] ^= 1
    path.write_bytes(data)
    episodes = RldsEpisodes(tmp_path)
    with pytest.raises(DataError, match=r"00000-of-00002: record at byte 0: the checksum does not fit") as caught:
        episodes.actions(0)
    assert caught.value.kind == "checksum"
    assert len(episodes.actions(1)) > 0


@pytest.mark.parametrize("keep", [5, 11, 12, 400, -1, -5])
def test_a_truncated_file(tmp_path: Path, keep: int) -> None:
    path = copy(tmp_path) / NAME
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match="truncated or damaged at byte") as caught:
        RldsEpisodes(tmp_path)
    assert caught.value.kind == "truncated"
    quarantine = Quarantine()
    assert len(RldsEpisodes(tmp_path, on_bad=quarantine.add)) == (2 if keep < 0 else 1)
    assert quarantine.counts() == {"truncated": 1}


def test_a_missing_shard_of_records(tmp_path: Path) -> None:
    """A file cut between two records is whole by itself; dataset_info.json knows better."""
    path = copy(tmp_path) / NAME
    records, _ = tfrecord.index(path)
    path.write_bytes(path.read_bytes()[: records[1].offset - 12])
    with pytest.raises(DataError, match="1 records, expected 2"):
        RldsEpisodes(tmp_path)


def test_bytes_that_are_no_example() -> None:
    with pytest.raises(DataError, match=r"here: not a tf\.train\.Example"):
        tf_example.parse(b"\xff\xff\xff", "here")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("split", "test"), "has no files of split 'test', only of"),
        (("features.json", "{"), "not valid JSON"),
        (("dataset_info.json", '{"fileFormat": "riegeli"}'), "'riegeli' is none of tfrecord, array_record"),
    ],
)
def test_sets_that_cannot_be_opened(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    copy(tmp_path)
    if change[0] != "split":
        (tmp_path / change[0]).write_text(change[1])
    with pytest.raises(DataError, match=message):
        RldsEpisodes(tmp_path, split=change[1] if change[0] == "split" else "train")
