"""RLDS sets written here record by record, damaged in one place each."""

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from polymath.data.files.images import encode_jpeg
from polymath.data.files.quarantine import Quarantine
from polymath.data.formats.opening import open_source
from polymath.data.formats.rlds import tf_example, tfrecord
from polymath.data.interface import episode_name
from polymath.errors import ConfigError, DataError

JPG = encode_jpeg(np.full((16, 16, 3), 90, np.uint8))
Fields = dict[str, Any]


def tensor(dtype: str, *shape: int | str | None, encoding: str = "none") -> Fields:
    dimensions = [None if size is None else str(size) for size in shape]
    return {"tensor": {"dtype": dtype, "shape": {"dimensions": dimensions}, "encoding": encoding}}


def image(dtype: str, *shape: int) -> Fields:
    return {"image": {"dtype": dtype, "shape": {"dimensions": list(map(str, shape))}}}


def example(values: Fields) -> bytes:
    message = tf_example._Example()
    for name, value in values.items():
        feature = message.features.feature[name]
        if isinstance(value, list):
            feature.bytes_list.value.extend(value)
        elif value.dtype.kind == "f":
            feature.float_list.value.extend(value.ravel().tolist())
        else:
            feature.int64_list.value.extend(value.ravel().tolist())
    return message.SerializeToString()


def record(payload: bytes) -> bytes:
    length = struct.pack("<Q", len(payload))
    checksums = [struct.pack("<I", tfrecord.masked(part)) for part in (length, payload)]
    return length + checksums[0] + payload + checksums[1]


def write(
    root: Path,
    values: Fields | None = None,
    observation: Fields | None = None,
    without: str = "",
    info: Any = None,
    shards: int = 1,
    missing: int = -1,
) -> Path:
    """Two episodes of 3 steps a shard, the second with `values` instead of its own; None there leaves a field out."""
    features = {
        "is_first": tensor("bool"),
        "observation": {
            "featuresDict": {
                "features": {"image": image("uint8", 16, 16, 3), "state": tensor("float32", 4), **(observation or {})}
            }
        },
        "action": tensor("float32", 2),
        "language_instruction": {"text": {}},
    }
    features.pop(without, None)
    steps = {"steps": {"sequence": {"feature": {"featuresDict": {"features": features}}}}}
    (root / "features.json").write_text(json.dumps({"featuresDict": {"features": steps}}))
    default = {"name": "toy", "splits": [{"name": "train", "shardLengths": ["2"] * shards}]}
    (root / "dataset_info.json").write_text(json.dumps(default if info is None else info))
    good: Fields = {
        "steps/is_first": np.array([1, 0, 0]),
        "steps/observation/image": [JPG] * 3,
        "steps/observation/state": np.zeros((3, 4), np.float32),
        "steps/action": np.ones((3, 2), np.float32),
        "steps/language_instruction": [b"do it"] * 3,
    }
    bad = {name: value for name, value in {**good, **(values or {})}.items() if value is not None}
    for shard in range(shards):
        if shard != missing:
            file = root / f"toy-train.tfrecord-{shard:05d}-of-{shards:05d}"
            file.write_bytes(record(example(good)) + record(example(bad)))
    return root


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"steps/observation/image": None}, "observation/image: is missing"),
        ({"steps/observation/image": np.ones(3)}, "observation/image: not 3 byte strings"),
        ({"steps/action": None}, "action: is missing"),
        ({"steps/action": np.ones(5, np.float32)}, "action: 5 numbers, expected 3 steps"),
        ({"steps/action": np.full((3, 2), np.nan, np.float32)}, "action: NaN or infinity at control step 0"),
        ({"steps/action": [b"x"] * 6}, "action: .* values are no float32"),
        ({"steps/language_instruction": None}, "language_instruction: is missing"),
        ({"steps/language_instruction": [b""] * 3}, "language_instruction: is empty"),
        ({"steps/language_instruction": [b"\xe9"] * 3}, "language_instruction: not UTF-8"),
        ({"steps/is_first": np.zeros(0, int)}, "0 steps in steps/is_first"),
    ],
)
def test_bad_episodes_are_named(tmp_path: Path, values: Fields, message: str) -> None:
    source = open_source(write(tmp_path, values))
    assert (source.instruction(0), episode_name(source, 1)) == ("do it", "episode 1")
    with pytest.raises(DataError, match=rf"-of-00001: record at byte \d+ \(episode 1\).*{message}"):
        source.instruction(1), source.states(1), source.actions(1), source.frames(1, [0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"without": "language_instruction"}, "no field for the instruction among .*entry point 'polymath.field_maps'"),
        ({"without": "action"}, "no field for the action"),
        ({"without": "is_first"}, "has no steps/is_first, which holds flags"),
        ({"observation": {"state": tensor("bfloat16", 4)}}, "no field for the state"),
        ({"observation": {"state": tensor("float32", "-1")}}, "observation/state: its width is not fixed"),
        ({"observation": {"state": tensor("float32", None)}}, "observation/state: its width is not fixed"),
        ({"observation": {"state": 5}}, r"features\.json: not as TFDS writes it"),
        ({"observation": {"image": image("uint16", 16, 16, 1)}}, "camera 'image' is left out: its pixels are uint16"),
        ({"info": [1]}, r"dataset_info\.json: is no JSON object"),
        ({"info": {"name": "toy", "splits": "x"}}, r"dataset_info\.json, splits: not as TFDS writes it"),
        ({"info": {"name": "toy", "splits": [{"name": "train", "shardLengths": ["5"]}]}}, "2 records, expected 5"),
        ({"info": {"name": "toy", "fileFormat": "riegeli"}}, "'riegeli' is none of tfrecord, array_record"),
    ],
)
def test_sets_of_no_use(tmp_path: Path, change: Fields, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        open_source(write(tmp_path, **change))
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("dtype", ["uint8", "float8_weird"])
def test_numbers_that_are_not_of_their_dtype(tmp_path: Path, dtype: str) -> None:
    """-1 is no uint8: it must not wrap around to 255."""
    source = open_source(
        write(
            tmp_path,
            {"steps/observation/image": np.full((3, 4, 4, 3), -1)},
            {"image": tensor("uint8", 4, 4, 3), "other": tensor(dtype, 4)},
        )
    )
    with pytest.raises(DataError, match="holds numbers that are no uint8"):
        source.frames(1, [0])


def test_pictures_as_plain_numbers(tmp_path: Path) -> None:
    pixels = {"steps/observation/image": np.full((3, 4, 4, 3), 70)}
    assert open_source(write(tmp_path, pixels, {"image": tensor("uint8", 4, 4, 3)})).frames(1, [2]).max() == 70


def test_depth_is_left_out_by_name(tmp_path: Path) -> None:
    source = open_source(write(tmp_path, observation={"depth": image("uint16", 16, 16, 1)}))
    assert source.embodiment.cameras == ("image",)
    assert source.notes == ("camera 'depth' is left out: its pixels are uint16, no colour picture",)


def test_a_missing_shard_is_reported_and_the_numbers_stay(tmp_path: Path) -> None:
    write(tmp_path, shards=3, missing=1)
    with pytest.raises(DataError, match=r"train\.tfrecord-00001-of-00003: no such file"):
        open_source(tmp_path)
    quarantine = Quarantine()
    source = open_source(tmp_path, on_bad=quarantine.add)
    assert [episode_name(source, i) for i in range(len(source))] == [f"episode {n}" for n in (0, 1, 4, 5)]
    assert [bad.kind for bad in quarantine.rows] == ["truncated"]


def test_a_map_by_name(tmp_path: Path) -> None:
    write(tmp_path)
    with pytest.raises(ConfigError, match="no FieldMap 'nobody'; choose from bridge_dataset"):
        open_source(f"{tmp_path}?map=nobody")
    with pytest.raises(DataError, match="has no steps/observation/present/xyz, which holds numbers"):
        open_source(f"{tmp_path}?map=bc_z")


def edited(root: Path, edit: Callable[[bytes], bytes]) -> Path:
    file = write(root) / "toy-train.tfrecord-00000-of-00001"
    file.write_bytes(edit(file.read_bytes()))
    return root


def test_a_record_that_is_no_example(tmp_path: Path) -> None:
    source = open_source(edited(tmp_path, lambda data: record(b"\xff\xff\xff") + data), on_bad=Quarantine().add)
    with pytest.raises(DataError, match=r"episode 0\): not a tf\.train\.Example"):
        source.actions(0)
