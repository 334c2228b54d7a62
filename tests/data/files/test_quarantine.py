"""Sets with a few bad rows: they are reported with file, row and kind, and left out; the rest is read as before."""

import shutil
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from polymath.data.files.images import decode
from polymath.data.files.quarantine import BadRow, Quarantine
from polymath.data.formats.lerobot.reader import LeRobotEpisodes
from polymath.data.formats.webdataset.reader import WebDatasetPairs
from polymath.data.formats.webdataset.writer import WebDatasetWriter
from polymath.errors import DataError
from polymath.types import ImageText

FIXTURES = Path(__file__).parents[2] / "fixtures" / "data"
V3, V21 = "data/chunk-000/file-000.parquet", "data/chunk-000/episode_{:06d}.parquet"


def copy(name: str, tmp_path: Path) -> Path:
    return Path(shutil.copytree(FIXTURES / name, tmp_path / name))


def change(path: Path, column: str, row: int, value: object) -> None:
    table = pq.read_table(path)
    values = table[column].to_pylist()
    values[row] = value
    place = table.schema.get_field_index(column)
    pq.write_table(
        table.set_column(place, table.schema.field(column), pa.array(values, table.schema.types[place])), path
    )


@pytest.mark.parametrize(
    ("column", "value", "kind"),
    [("action", [np.nan] * 4, "nan"), ("timestamp", 9.0, "timestamps"), ("task_index", 7, "instruction")],
)
def test_one_bad_episode_of_a_shared_file(tmp_path: Path, column: str, value: object, kind: str) -> None:
    """Rows 5 to 11 are episode 1 (tests/oracles/write_lerobot.py: 5, 7, 4 steps)."""
    path = copy("lerobot_v3_image", tmp_path)
    change(path / V3, column, 6, value)
    quarantine = Quarantine()
    episodes = LeRobotEpisodes(path, on_bad=quarantine.add)
    assert [(bad.row, bad.kind) for bad in quarantine.rows] == [("episode 1", kind)]
    expected = np.load(path / "expected.npz")
    assert len(episodes) == 2
    np.testing.assert_array_equal(episodes.actions(1), expected["actions_2"])
    np.testing.assert_array_equal(episodes.frames(1, [3]), expected["frames_2"][[3]])
    with pytest.raises(DataError):
        LeRobotEpisodes(path)


def test_files_of_their_own(tmp_path: Path) -> None:
    """Version 2.1: another width in one file, half of another one, a video cut short."""
    path = copy("lerobot_v21_video", tmp_path)
    narrow = path / V21.format(0)
    table = pq.read_table(narrow)
    place = table.schema.get_field_index("action")
    actions = pa.array([row[:3] for row in table["action"].to_pylist()], pa.list_(pa.float32()))
    pq.write_table(table.set_column(place, "action", actions), narrow)
    (path / V21.format(1)).write_bytes((path / V21.format(1)).read_bytes()[:500])
    video = path / "videos/chunk-000/observation.images.wrist/episode_000002.mp4"
    video.write_bytes(video.read_bytes()[:-20])
    quarantine = Quarantine()
    assert len(LeRobotEpisodes(path, on_bad=quarantine.add)) == 0
    assert [bad.kind for bad in quarantine.rows] == ["width", "truncated", "video"]
    assert quarantine.rows[1].file.endswith("episode_000001.parquet")


def test_a_video_shorter_than_its_table(tmp_path: Path) -> None:
    path = copy("lerobot_v21_video", tmp_path)
    videos = path / "videos/chunk-000/observation.images.wrist"
    shutil.copy(videos / "episode_000002.mp4", videos / "episode_000001.mp4")  # 4 frames instead of 7
    message = r"episode_000001\.mp4: has 4 frames .* for episode 1 of 7 rows; none at 0\.400 s, where frame 4 is"
    with pytest.raises(DataError, match=message) as caught:
        LeRobotEpisodes(path)
    assert caught.value.kind == "video"
    quarantine = Quarantine()
    assert len(LeRobotEpisodes(path, on_bad=quarantine.add)) == 2
    assert [(bad.row, bad.kind) for bad in quarantine.rows] == [("episode 1", "video")]


def test_a_truncated_tar_keeps_what_is_whole(tmp_path: Path) -> None:
    with WebDatasetWriter(tmp_path / "pairs") as writer:
        for level in range(6):
            writer.add(ImageText(np.full((32, 32, 3), level, np.uint8), f"level {level}"))
    (shard,) = (tmp_path / "pairs").glob("*.tar")
    whole = WebDatasetPairs(tmp_path / "pairs")
    shard.write_bytes(shard.read_bytes()[: shard.stat().st_size // 2])
    quarantine = Quarantine()
    pairs = WebDatasetPairs(tmp_path / "pairs", on_bad=quarantine.add)
    assert 0 < len(pairs) < len(whole)
    assert [pairs.text(i) for i in range(len(pairs))] == [whole.text(i) for i in range(len(pairs))]
    assert quarantine.counts() == {"truncated": 1}


def test_a_decompression_bomb_is_told_from_a_damaged_picture() -> None:
    """A PNG whose header says 60,000 x 60,000; nothing of it is decoded."""
    header = b"IHDR" + (60_000).to_bytes(4, "big") * 2 + b"\x08\x02\0\0\0"
    picture = b"\x89PNG\r\n\x1a\n\0\0\0\r" + header + zlib.crc32(header).to_bytes(4, "big")
    picture += b"\0\0\0\0IDAT" + zlib.crc32(b"IDAT").to_bytes(4, "big")
    with pytest.raises(DataError, match="cannot decode") as caught:
        decode(picture, "here")
    assert caught.value.kind == "dimensions"


def test_the_share_of_bad_rows() -> None:
    rows = [BadRow("a.tar", str(i), "picture" if i else "truncated", f"a.tar: {i}: bad") for i in range(3)]
    Quarantine(rows).check(good=97, limit=0.03)
    with pytest.raises(DataError, match=r"3 of 100 rows are bad, more than 2\.0%.*\n +2  picture\n +1  truncated\n"):
        Quarantine(rows).check(good=97, limit=0.02)
