"""What is written is what is read, bit for bit for pictures in Parquet; the oracle in tests/oracles asks lerobot.

The layout (paths, columns, dtypes) was read off data sets that lerobot 0.6.1 wrote itself.
"""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from polymath.data.files.images import encode_png
from polymath.data.formats.lerobot import layout as fmt
from polymath.data.formats.lerobot.reader import LeRobotEpisodes
from polymath.data.formats.lerobot.writer import LeRobotWriter
from polymath.data.formats.opening import open_source
from polymath.errors import DataError, PolymathError
from polymath.types import Embodiment, Episode

SIZE = 32


@pytest.fixture(scope="module")
def episodes(make_episode) -> list[Episode]:
    return [make_episode(i, steps=4 + i, size=SIZE, instruction=f"push thing {i % 2}") for i in range(4)]


def write(out: Path, robot: Embodiment, episodes: list[Episode], video: bool = False) -> Path:
    with LeRobotWriter(out, robot, 10, SIZE, video, {"renderer": "none"}) as writer:
        assert [writer.add(episode) for episode in episodes] == list(range(len(episodes)))
    return out


@pytest.mark.parametrize("video", [False, True])
def test_round_trip(tmp_path: Path, robot: Embodiment, episodes: list[Episode], video: bool) -> None:
    source = LeRobotEpisodes(write(tmp_path / "set", robot, episodes, video))
    assert source.embodiment == robot
    assert source.recording == {"renderer": "none"}
    assert source.fps == 10
    assert len(source) == 4
    for i, expected in enumerate(episodes):
        episode = source.episode(i)
        for name in ("instruction", "task", "embodiment", "metadata"):
            assert getattr(episode, name) == getattr(expected, name)
        np.testing.assert_array_equal(episode.states, expected.states)
        np.testing.assert_array_equal(episode.actions, expected.actions)
        for camera in robot.cameras:
            difference = np.abs(episode.images[camera].astype(int) - expected.images[camera])
            assert difference.max() <= (3 if video else 0)  # flat grey pictures survive h264 almost exactly
    np.testing.assert_array_equal(source.frames(3, [5, 0]), source.frames(3, range(7))[[5, 0]])


def test_many_files(
    tmp_path: Path, robot: Embodiment, episodes: list[Episode], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every episode starts a new file when files may have no byte, and a new chunk after two files."""
    for name in ("DATA_MEGABYTES", "VIDEO_MEGABYTES"):
        monkeypatch.setattr(fmt, name, 0)
    monkeypatch.setattr(fmt, "FILES_PER_CHUNK", 2)
    for video in (False, True):
        root = write(tmp_path / f"set{video}", robot, episodes, video)
        names = sorted(str(path.relative_to(root / "data")) for path in root.glob("data/*/*"))
        assert names == [f"chunk-{c:03d}/file-{f:03d}.parquet" for c in (0, 1) for f in (0, 1)]
        assert len(list(root.glob("videos/*/*/*.mp4"))) == (8 if video else 0)
        source = LeRobotEpisodes(root)
        for i, expected in enumerate(episodes):
            np.testing.assert_array_equal(source.states(i), expected.states)
            assert np.abs(source.frames(i, [2])[0, 1].astype(int) - expected.images["wrist"][2]).max() <= 3


def test_the_files_are_as_lerobot_writes_them(tmp_path: Path, robot: Embodiment, episodes: list[Episode]) -> None:
    root = write(tmp_path / "set", robot, episodes)
    data = pq.read_schema(root / "data/chunk-000/file-000.parquet")
    assert data.field("observation.state").type == pa.list_(pa.float32(), 3)
    assert data.field("observation.images.front").type == pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    assert data.field("timestamp").type == pa.float32()
    assert {data.field(name).type for name in ("frame_index", "episode_index", "index", "task_index")} == {pa.int64()}
    described = json.loads(data.metadata[b"huggingface"])["info"]["features"]
    assert described["observation.images.wrist"] == {"_type": "Image"}
    assert described["action"] == {"feature": {"dtype": "float32", "_type": "Value"}, "length": 2, "_type": "List"}
    tasks = pq.read_table(root / "meta/tasks.parquet")
    assert tasks.to_pydict() == {"task_index": [0, 1], "task": ["push thing 0", "push thing 1"]}
    assert json.loads(tasks.schema.metadata[b"pandas"])["index_columns"] == ["task"]
    rows = pq.read_table(root / "meta/episodes/chunk-000/file-000.parquet").to_pylist()
    assert [(row["dataset_from_index"], row["dataset_to_index"]) for row in rows] == [(0, 4), (4, 9), (9, 15), (15, 22)]
    assert np.array(rows[0]["stats/observation.images.front/mean"]).shape == (3, 1, 1)
    info = json.loads((root / "meta/info.json").read_text())
    assert (info["codebase_version"], info["total_frames"], info["total_tasks"]) == ("v3.0", 22, 2)
    assert info["video_path"] is None
    assert info["features"]["action"] == {"dtype": "float32", "shape": [2], "names": ["dx", "g"]}


def test_statistics_of_the_set(tmp_path: Path, robot: Embodiment, episodes: list[Episode]) -> None:
    statistics = json.loads((write(tmp_path / "set", robot, episodes) / "meta/stats.json").read_text())
    actions = np.concatenate([episode.actions for episode in episodes]).astype(np.float64)
    np.testing.assert_allclose(statistics["action"]["mean"], actions.mean(0), rtol=1e-9)
    np.testing.assert_allclose(statistics["action"]["std"], actions.std(0), rtol=1e-9)
    assert statistics["action"]["count"] == [22]
    pixels = np.concatenate([episode.images["wrist"] for episode in episodes]) / 255
    np.testing.assert_allclose(
        statistics["observation.images.wrist"]["mean"], [[[pixels[..., c].mean()]] for c in range(3)]
    )
    np.testing.assert_allclose(
        statistics["observation.images.wrist"]["std"], [[[pixels[..., c].std()]] for c in range(3)]
    )
    assert statistics["observation.images.wrist"]["max"] == [[[pixels.max()]]] * 3
    assert set(statistics["index"]) == set(fmt.STATISTICS)


def test_vectors_of_one_number(tmp_path: Path, make_episode) -> None:
    """lerobot stores them as plain numbers, not as lists."""
    robot = Embodiment("lift", 0, ("front",), ("z",), ("dz",), (), 10.0)
    values = np.arange(3, dtype=np.float32)[:, None]
    images = {"front": np.zeros((3, SIZE, SIZE, 3), np.uint8)}
    root = write(tmp_path / "set", robot, [Episode(images, values, -values, "lift", "lift", "lift")])
    assert pq.read_schema(root / "data/chunk-000/file-000.parquet").field("action").type == pa.float32()
    np.testing.assert_array_equal(LeRobotEpisodes(root).actions(0), -values)


def test_a_set_from_elsewhere_has_a_derived_embodiment(
    tmp_path: Path, robot: Embodiment, episodes: list[Episode]
) -> None:
    root = write(tmp_path / "set", robot, episodes)
    (root / "meta/embodiment.json").unlink()
    (root / "meta/recording.json").unlink()
    source = LeRobotEpisodes(root)
    assert (source.embodiment.name, source.embodiment.cameras) == ("arm", ("front", "wrist"))
    assert source.embodiment.action_names == ("dx", "g")
    assert source.embodiment.gripper_dims == ()
    assert source.recording == {}


def test_tasks_of_early_writers(tmp_path: Path, robot: Embodiment, episodes: list[Episode]) -> None:
    """The first v3.0 data sets have the instructions in an index column without a name."""
    path = write(tmp_path / "set", robot, episodes) / "meta/tasks.parquet"
    pq.write_table(pq.read_table(path).rename_columns(["task_index", "__index_level_0__"]), path)
    assert LeRobotEpisodes(tmp_path / "set").instruction(1) == "push thing 1"
    pq.write_table(pq.read_table(path).rename_columns(["task_index", "other"]), path)
    with pytest.raises(DataError, match=r"tasks\.parquet: has no column 'task'"):
        LeRobotEpisodes(tmp_path / "set")


def test_an_episode_that_does_not_fit_adds_nothing(tmp_path: Path, robot: Embodiment, episodes: list[Episode]) -> None:
    nan = episodes[1].actions.copy()
    nan[2, 0] = np.nan
    small = {camera: images[:, :16, :16] for camera, images in episodes[1].images.items()}
    with LeRobotWriter(tmp_path / "set", robot, 10, SIZE) as writer:
        writer.add(episodes[0])
        for change, message in (
            ({"actions": nan}, r"episode 1\.actions: NaN or infinity at control step 2"),
            ({"actions": episodes[1].actions[:, :1]}, r"episode 1\.actions: width 1, but robot 'arm' has 2"),
            ({"images": small}, r"episode 1\.images\['front'\]: \(16, 16\) is not 32 x 32"),
        ):
            with pytest.raises(DataError, match=message):
                writer.add(dataclasses.replace(episodes[1], **change))
        assert writer.add(episodes[2]) == 1
    source = LeRobotEpisodes(tmp_path / "set")
    assert len(source) == 2
    np.testing.assert_array_equal(source.states(1), episodes[2].states)


@pytest.mark.parametrize("video", [False, True])
@pytest.mark.parametrize("error", [KeyboardInterrupt, DataError])
def test_nothing_is_left_behind(
    tmp_path: Path, robot: Embodiment, episodes: list[Episode], video: bool, error: type[BaseException]
) -> None:
    with pytest.raises(error), LeRobotWriter(tmp_path / "set", robot, 10, SIZE, video) as writer:
        writer.add(episodes[0])
        raise error
    assert list(tmp_path.iterdir()) == []


def test_an_empty_recording_is_an_error(tmp_path: Path, robot: Embodiment) -> None:
    with pytest.raises(DataError, match="no episode was recorded"), LeRobotWriter(tmp_path / "set", robot, 10, SIZE):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("video", [False, True])
def test_a_full_disk(small_disk: Path, robot: Embodiment, video: bool) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (20, 64, 64, 3), dtype=np.uint8)
    vectors = {"states": np.zeros((20, 3), np.float32), "actions": np.zeros((20, 2), np.float32)}
    episode = Episode(dict.fromkeys(robot.cameras, noise), **vectors, instruction="go", task="go", embodiment="arm")
    with (
        pytest.raises(PolymathError, match=r"the disk is full.*free some space"),
        LeRobotWriter(small_disk / "set", robot, 10, 64, video) as writer,
    ):
        for _ in range(20):
            writer.add(episode)
    assert list(small_disk.iterdir()) == []


def rewrite(path: Path, column: str, values: list) -> None:
    table = pq.read_table(path)
    place = table.schema.get_field_index(column)
    field = table.schema.field(column)
    if values and isinstance(values[0], list):
        field = pa.field(column, pa.list_(pa.float32(), len(values[0])))
    pq.write_table(table.set_column(place, field, pa.array(values, field.type)), path)


DATA = "data/chunk-000/file-000.parquet"


@pytest.mark.parametrize(
    ("column", "change", "message"),
    [
        ("action", lambda v: [row[:1] for row in v], r"episode 0, action: width 1, but robot 'arm' has 2"),
        ("action", lambda v: [*v[:6], [float("nan"), 0.0], *v[7:]], r"episode 1, action: NaN.*control step 2"),
        ("timestamp", lambda v: [*v[:2], 0.1, *v[3:]], r"episode 0, frame 2, timestamp: does not increase"),
        ("task_index", lambda v: [0, 1, *v[2:]], r"episode 0, task_index: 2 instructions in one episode"),
        ("task_index", lambda v: [9] * len(v), r"episode 0, task_index 9: no instruction"),
        ("episode_index", lambda v: v[::-1], r"episode 0, episode_index: the rows are of another episode"),
    ],
)
def test_bad_rows_are_named(
    tmp_path: Path, robot: Embodiment, episodes: list[Episode], column: str, change, message: str
) -> None:
    path = write(tmp_path / "set", robot, episodes) / DATA
    rewrite(path, column, change(pq.read_table(path)[column].to_pylist()))
    with pytest.raises(DataError, match=rf"file-000\.parquet: {message}"):
        LeRobotEpisodes(tmp_path / "set")


def test_an_empty_instruction(tmp_path: Path, robot: Embodiment, episodes: list[Episode]) -> None:
    root = write(tmp_path / "set", robot, episodes)
    rewrite(root / "meta/tasks.parquet", "task", ["push", "  "])
    with pytest.raises(DataError, match=r"episode 1, task_index 1: no instruction in meta/tasks\.parquet"):
        LeRobotEpisodes(root)


@pytest.mark.parametrize("name", [DATA, "meta/tasks.parquet", "meta/episodes/chunk-000/file-000.parquet"])
def test_truncated_and_missing_parquet(tmp_path: Path, robot: Embodiment, episodes: list[Episode], name: str) -> None:
    path = write(tmp_path / "set", robot, episodes) / name
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match=rf"{path.name}: not a complete Parquet file.*copy"):
        LeRobotEpisodes(tmp_path / "set")
    path.unlink()
    with pytest.raises(DataError, match=r"no such file|holds no episode"):
        LeRobotEpisodes(tmp_path / "set")


def change_pictures(path: Path, change) -> None:
    """`change(row, bytes)` for every picture of the wrist."""
    table = pq.read_table(path)
    rows = table["observation.images.wrist"].to_pylist()
    rows = [{**row, "bytes": change(i, row["bytes"])} for i, row in enumerate(rows)]
    place = table.schema.get_field_index("observation.images.wrist")
    field = table.schema.field(place)
    pq.write_table(table.set_column(place, field, pa.array(rows, field.type)), path)


def test_cameras_of_different_sizes(tmp_path: Path, robot: Embodiment, episodes: list[Episode]) -> None:
    root = write(tmp_path / "set", robot, episodes)
    small = encode_png(np.full((12, 20, 3), 77, np.uint8))
    change_pictures(root / DATA, lambda row, data: small)
    with pytest.raises(DataError, match=r"set: cameras of different sizes .*open it with an image_size"):
        LeRobotEpisodes(root).frames(0, [0])
    frames = LeRobotEpisodes(root, image_size=16).frames(1, [0, 3])
    assert frames.shape == (2, 2, 16, 16, 3)
    assert (frames[:, 1] == 77).all()
    assert (frames[1, 0] == 30).all()  # the fixture's shade of step 3


def test_pictures_are_padded_where_that_is_asked_for(
    tmp_path: Path, robot: Embodiment, episodes: list[Episode]
) -> None:
    """20 x 12 pixels on a square of 16 by openpi's formula: ratio 20 / 16, so 9 rows, 3 of the 7 left over above."""
    root = write(tmp_path / "set", robot, episodes)
    small = encode_png(np.full((12, 20, 3), 77, np.uint8))
    change_pictures(root / DATA, lambda row, data: small)
    frames = open_source(root, 16, image_fit="pad").frames(1, [0, 3])
    assert (frames[:, 1, 3:12] == 77).all()
    assert not frames[:, 1, :3].any()
    assert not frames[:, 1, 12:].any()
    assert (frames[1, 0] == 30).all()  # a square picture has no bars


def test_a_video_is_fitted_too(tmp_path: Path, robot: Embodiment, episodes: list[Episode]) -> None:
    root = write(tmp_path / "set", robot, episodes, video=True)
    frames = LeRobotEpisodes(root, image_size=16).frames(1, [3])
    assert frames.shape == (1, 2, 16, 16, 3)
    assert np.abs(frames[0, 0].astype(int) - 30).max() <= 3


def test_a_damaged_picture_is_named(tmp_path: Path, robot: Embodiment, episodes: list[Episode]) -> None:
    path = write(tmp_path / "set", robot, episodes) / DATA
    change_pictures(path, lambda row, data: data[:40] if row == 5 else data)
    source = LeRobotEpisodes(tmp_path / "set")
    with pytest.raises(
        DataError, match=r"file-000\.parquet: episode 1, frame 1, observation\.images\.wrist: cannot decode"
    ):
        source.frames(1, [1])


def test_rows_missing_from_the_end(tmp_path: Path, robot: Embodiment, episodes: list[Episode]) -> None:
    path = write(tmp_path / "set", robot, episodes) / DATA
    pq.write_table(pq.read_table(path).slice(0, 20), path)
    with pytest.raises(DataError, match="episode 3 needs 7 rows, 5 are there"):
        LeRobotEpisodes(tmp_path / "set")


def test_a_truncated_video(tmp_path: Path, robot: Embodiment, episodes: list[Episode]) -> None:
    root = write(tmp_path / "set", robot, episodes, video=True)
    path = root / "videos/observation.images.wrist/chunk-000/file-000.mp4"
    whole = path.read_bytes()
    for length in (0, 20, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"observation\.images\.wrist.*truncated.*copy"):
            LeRobotEpisodes(root)


def test_a_video_that_is_shorter_than_its_table(tmp_path: Path, robot: Embodiment, episodes: list[Episode]) -> None:
    root = write(tmp_path / "set", robot, episodes, video=True)
    other = write(tmp_path / "other", robot, episodes[:2], video=True)
    name = "videos/observation.images.wrist/chunk-000/file-000.mp4"
    (root / name).write_bytes((other / name).read_bytes())
    message = r"file-000\.mp4: ends at 0\.900 s \(9 frames\), but episode 2 is .*0\.900 to 1\.500 s; copy or record"
    with pytest.raises(DataError, match=message):
        LeRobotEpisodes(root)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"codebase_version": "v1.6"}, r"codebase_version: 'v1\.6' is none of v2\.0, v2\.1, v3\.0; convert"),
        ({"fps": None}, r"info\.json, fps: is missing"),
        ({"features": {}}, r"info\.json, features: is missing"),
    ],
)
def test_a_foreign_info(tmp_path: Path, robot: Embodiment, episodes: list[Episode], change: dict, message: str) -> None:
    path = write(tmp_path / "set", robot, episodes) / "meta/info.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(DataError, match=message):
        LeRobotEpisodes(tmp_path / "set")


def test_not_a_data_set(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"info\.json: no such file; is .* a LeRobot data set"):
        LeRobotEpisodes(tmp_path)
