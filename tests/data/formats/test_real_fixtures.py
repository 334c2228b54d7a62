"""What the formats' own libraries wrote (`make fixtures`: lerobot, tensorflow-datasets, webdataset, datasets).

Expected values are those given to the writer, or read back by the library itself (expected.npz, expected/*.npz).
"""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from polymath.data.formats.lerobot.reader import LeRobotEpisodes
from polymath.data.formats.opening import open_source, parse
from polymath.data.formats.rlds.field_maps import FIELD_MAPS
from polymath.data.formats.rlds.reader import RldsEpisodes
from polymath.data.formats.rlds.schema import generic, read_features
from polymath.data.robots.conversions import settled
from polymath.errors import DataError

FIXTURES = Path(__file__).parents[2] / "fixtures" / "data"
RLDS = FIXTURES / "rlds"
INSTRUCTIONS = ("open the drawer", "Öffne die Schublade", "open the drawer")  # tests/oracles/write_lerobot.py
CAPTIONS = ("a red cube", "größer 大", "two lines\nof text", "a cup", "the drawer is open")  # …/write_pairs.py


@pytest.mark.parametrize("name", ["v20_image", "v21_image", "v21_video", "v3_image", "v3_video"])
def test_lerobot(name: str) -> None:
    path = FIXTURES / f"lerobot_{name}"
    source, expected = open_source(path), np.load(path / "expected.npz")
    assert len(source) == 3
    assert source.embodiment.cameras == ("front", "wrist")
    for episode, instruction in enumerate(INSTRUCTIONS):
        assert source.instruction(episode) == instruction
        np.testing.assert_array_equal(source.states(episode), expected[f"states_{episode}"])
        np.testing.assert_array_equal(source.actions(episode), expected[f"actions_{episode}"])
        frames = expected[f"frames_{episode}"]
        np.testing.assert_array_equal(source.frames(episode, range(len(frames))), frames)


@pytest.mark.parametrize("version", ["v21", "v3"])
def test_lerobot_videos_frame_by_frame(version: str) -> None:
    """A cache too small for the set: frames are sought, in any order, and are the same."""
    path = FIXTURES / f"lerobot_{version}_video"
    source, expected = LeRobotEpisodes(path, cache_bytes=1), np.load(path / "expected.npz")
    for episode, steps in ((2, [3, 0, 3]), (1, [6, 0, 1, 5]), (0, [4])):
        np.testing.assert_array_equal(source.frames(episode, steps), expected[f"frames_{episode}"][steps])


def test_webdataset() -> None:
    """Written by webdataset.ShardWriter (tests/oracles/write_pairs.py): three JPEGs, then two PNGs."""
    source, expected = open_source(FIXTURES / "pairs" / "webdataset"), np.load(FIXTURES / "pairs" / "expected.npz")
    assert [source.text(i) for i in range(len(source))] == list(CAPTIONS)
    for i in range(5):
        if i < 3:
            theirs = np.asarray(Image.open(io.BytesIO(expected[f"jpeg_{i}"].tobytes())))
            assert np.abs(source.image(i).astype(int) - theirs).max() <= 2
        else:
            np.testing.assert_array_equal(source.image(i), expected["images"][i])


def test_parquet() -> None:
    """Written by `datasets` with its Image feature, in row groups of two."""
    source, expected = open_source(FIXTURES / "pairs" / "parquet"), np.load(FIXTURES / "pairs" / "expected.npz")
    assert [source.text(i) for i in range(len(source))] == list(CAPTIONS)
    for i in (4, 0, 3, 1, 2):
        np.testing.assert_array_equal(source.image(i), expected["images"][i])


def strings(packed: np.ndarray) -> list[bytes]:
    """The byte strings that tests/oracles/write_tfds.py laid end to end."""
    data = packed.tobytes()
    count = int(np.frombuffer(data[:8], "<i8")[0])
    lengths = np.frombuffer(data[8 : 8 + 8 * count], "<i8")
    ends = 8 + 8 * count + np.cumsum(lengths)
    return [data[end - length : end] for end, length in zip(ends, lengths, strict=True)]


@pytest.mark.parametrize(
    ("kind", "name", "split"),
    [
        ("tfrecord", "bridge_dataset", "train"),
        ("tfrecord", "bridge_dataset", "val"),
        ("tfrecord", "fractal20220817_data", "train"),
        ("tfrecord", "all_kinds", "train"),
        ("array_record", "bridge_dataset", "train"),
    ],
)
def test_every_rlds_field_is_as_tfds_reads_it(kind: str, name: str, split: str) -> None:
    path = RLDS / kind / name
    expected = np.load(RLDS / "expected" / f"{name}-{split}.npz")
    features = read_features(json.loads((path / "1.0.0" / "features.json").read_text()))
    source = RldsEpisodes(path, split, fields=generic(features, name))
    assert len(source) == 3
    order = _in_tfds_order(source, expected)
    for field in (key.removeprefix("steps/") for key in features if key.startswith("steps/")):
        for place, episode in enumerate(order):
            values, written = source.field(episode, field), expected[f"{field.replace('/', '.')}_{place}"]
            if features[f"steps/{field}"].kind == "tensor":
                assert values.dtype == written.dtype, field
                np.testing.assert_array_equal(values, written, field)
            elif features[f"steps/{field}"].kind == "text":
                assert [text.encode() for text in values] == strings(written)
            else:
                assert values == strings(written), f"{field}: encoded bytes"


def _in_tfds_order(source: RldsEpisodes, expected: np.lib.npyio.NpzFile) -> list[int]:
    """tfds reads its shards in turns; episodes are told apart by their rewards' number and first action."""

    def key(length: int, values: np.ndarray) -> tuple[int, bytes]:
        return length, np.ascontiguousarray(values).tobytes()

    ours = {key(len(source.field(e, "reward")), source.field(e, "observation/" + _state(source))): e for e in range(3)}
    return [ours[key(len(expected[f"reward_{p}"]), expected[f"observation.{_state(source)}_{p}"])] for p in range(3)]


def _state(source: RldsEpisodes) -> str:
    return "state" if "steps/observation/state" in source.features else "base_pose_tool_reached"


def test_rlds_pictures_are_libjpeg_turbos_within_2() -> None:
    """Pillow decodes with libjpeg-turbo's accurate integer DCT."""
    source = open_source(f"rlds:{RLDS / 'tfrecord' / 'bridge_dataset'}?split=val")
    for episode in range(len(source)):
        ours = source.frames(episode, [0, 2])
        for c, camera in enumerate(("image_0", "image_1")):
            for n, step in enumerate((0, 2)):
                theirs = Image.open(io.BytesIO(source.field(episode, f"observation/{camera}")[step]))
                assert np.abs(ours[n, c].astype(int) - np.asarray(theirs)).max() <= 2


def test_bridge_is_standardised() -> None:
    """Six action numbers are differences of states; the gripper is -1 or 1; one step less (Octo's bridge transform)."""
    source = RldsEpisodes(RLDS / "tfrecord" / "bridge_dataset")
    assert source.embodiment.name == "widowx-bridge"
    for episode in range(3):
        state, action = source.field(episode, "observation/state"), source.field(episode, "action")
        np.testing.assert_array_equal(source.states(episode), state[:-1])
        np.testing.assert_array_equal(source.actions(episode)[:, :6], np.diff(state[:, :6], axis=0))
        np.testing.assert_array_equal(source.actions(episode)[:, 6], 2 * settled(action[:, 6])[:-1] - 1)
    assert {_instruction(source, episode) for episode in range(3)} == {
        "put the spoon № 0 on the towel",
        "put the spoon № 1 on the towel",
        "instruction",
    }


def _instruction(source: RldsEpisodes, episode: int) -> str:
    """The sentence, or the kind of the error if there is none."""
    try:
        return source.instruction(episode)
    except DataError as error:
        return error.kind


def test_fractal_is_standardised() -> None:
    source = RldsEpisodes(RLDS / "tfrecord" / "fractal20220817_data")
    longest = int(np.argmax([len(source.actions(e)) for e in range(3)]))
    # commands 0 0 1 0 -1 0 of tests/oracles/write_tfds.py: open until closed at step 2, open again at step 4
    np.testing.assert_array_equal(source.actions(longest)[:, 6], [1, 1, -1, -1, 1, 1])
    np.testing.assert_array_equal(source.actions(0)[:, :3], source.field(0, "action/world_vector"))
    assert source.instruction(0) == "pick coke can"
    assert source.states(0).shape[1] == 8


def test_field_maps_fit_their_robots() -> None:
    for name, fields in FIELD_MAPS.items():
        assert len(fields.images) == len(fields.robot.cameras), name


def test_formats_are_recognised_by_their_files() -> None:
    assert parse(FIXTURES / "lerobot_v21_image").format.name == "lerobot"
    assert parse(RLDS / "array_record" / "bridge_dataset").format.name == "rlds"
    assert parse(f"lerobot:{FIXTURES / 'lerobot_v3_image'}").format.name == "lerobot"
