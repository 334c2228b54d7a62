"""HDF5, CALVIN and BridgeData as they come: each reads right, or is one line and one entry of the quarantine."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from polymath.data.files.images import encode_jpeg
from polymath.data.files.quarantine import Quarantine
from polymath.data.formats.opening import open_source
from polymath.data.interface import episode_name
from polymath.errors import DataError

JPG = encode_jpeg(np.full((16, 16, 3), 90, np.uint8))
STATE = {"robot0_eef_pos": 3, "robot0_eef_quat": 4, "robot0_gripper_qpos": 2}
CAMERA = "obs/agentview_image"


def robomimic(path: Path, *names: str) -> Path:
    with h5py.File(path, "w") as file:
        for name in names:
            demo = file.create_group(f"data/{name}")
            demo["actions"] = np.zeros((3, 7))
            demo[CAMERA] = np.full((3, 16, 16, 3), 7, np.uint8)
            for key, width in STATE.items():
                demo[f"obs/{key}"] = np.zeros((3, width))
    return path


def replaced(path: Path, key: str, value: Any) -> None:
    with h5py.File(path, "a") as file:
        if key in file:
            del file[key]
        if value is not None:
            file[key] = value


def test_demonstrations_are_called_as_they_are(tmp_path: Path) -> None:
    path = robomimic(tmp_path / "a.hdf5", "demo", "lift_a", "demo_10", "demo_2")
    source = open_source(f"{path}?instruction=lift")
    assert [episode_name(source, i) for i in range(4)] == ["demo", "demo_2", "demo_10", "lift_a"]
    robomimic(tmp_path / "b.h5", "demo_0")
    source = open_source(f"hdf5:{tmp_path}?instruction=lift&episodes=b.h5/*")
    assert [episode_name(source, i) for i in range(len(source))] == ["b.h5/demo_0"]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("obs", None, "has no obs, only actions"),
        ("actions", None, "has no actions, only obs"),
        ("actions", ["a", "b", "c"], "actions: is object of shape"),
        ("actions", 3.0, r"actions: is float64 of shape \(\)"),
        ("actions", np.zeros((3, 7), complex), "actions: is complex128"),
        ("actions", np.zeros((0, 7)), "3 states and 0 actions"),
        ("actions", np.full((3, 7), np.nan), "actions: NaN or infinity"),
        ("actions", h5py.SoftLink("/gone"), "not a whole HDF5 file"),
        ("obs/robot0_eef_pos", None, "has no robot0_eef_pos, only agentview_image"),
        (CAMERA, None, "agentview_image: is missing"),
        (CAMERA, ["a.png", "b.png", "c.png"], "agentview_image: no colour pictures, it is text"),
        (CAMERA, np.zeros((3, 16, 16, 3), np.uint16), "it is uint16, not uint8"),
        (CAMERA, np.zeros((3, 3, 16, 16), np.uint8), r"a picture is \(3, 16, 16\)"),
        (CAMERA, np.zeros((2, 16, 16, 3), np.uint8), "2 pictures of 3 steps"),
    ],
)
def test_bad_demonstrations_are_named(tmp_path: Path, key: str, value: Any, message: str) -> None:
    path = robomimic(tmp_path / "a.hdf5", "demo_0", "demo_7")
    replaced(path, f"data/demo_7/{key}", value)
    with pytest.raises(DataError, match=rf"demo_7.*{message}") as caught:
        open_source(f"{path}?instruction=lift")
    assert "\n" not in str(caught.value)
    quarantine = Quarantine()
    assert len(open_source(f"{path}?instruction=lift", on_bad=quarantine.add)) == 1
    assert [bad.row for bad in quarantine.rows] == ["demo_7"]


def test_depth_is_left_out_by_name(tmp_path: Path) -> None:
    path = robomimic(tmp_path / "a.hdf5", "demo_0")
    replaced(path, "data/demo_0/obs/agentview_depth", np.zeros((3, 16, 16, 1), np.float32))
    source = open_source(f"{path}?instruction=lift")
    assert source.embodiment.cameras == ("agentview_image",)
    assert source.notes == ("camera 'agentview_depth' is left out: it is float32, not uint8",)
    replaced(path, f"data/demo_0/{CAMERA}", None)
    with pytest.raises(DataError, match=r"no camera with colour pictures .agentview_depth: it is float32"):
        open_source(f"{path}?instruction=lift")


def test_encoded_pictures_of_different_lengths(tmp_path: Path) -> None:
    path = robomimic(tmp_path / "a.hdf5", "demo_0")
    with h5py.File(path, "a") as file:
        del file[f"data/demo_0/{CAMERA}"]
        rows = file.create_dataset(f"data/demo_0/{CAMERA}", (3,), h5py.vlen_dtype(np.uint8))
        for step in range(3):
            rows[step] = np.frombuffer(JPG, np.uint8)
    assert open_source(f"{path}?instruction=lift").frames(0, [2])[0, 0, 0, 0, 0] == 90


@pytest.mark.parametrize(
    ("info", "outcome"),
    [
        ({"language_instruction": ["a b", "c"]}, "a b"),
        ({"language_instruction": 5}, "the instruction is 5, not text"),
        ([1], "is no JSON object"),
    ],
)
def test_sentences_of_a_file(tmp_path: Path, info: Any, outcome: str) -> None:
    path = robomimic(tmp_path / "a.hdf5", "demo_0")
    with h5py.File(path, "a") as file:
        file["data"].attrs["problem_info"] = np.bytes_(json.dumps(info))
    if " " in outcome and len(outcome) == 3:
        assert open_source(path).instruction(0) == outcome
    else:
        with pytest.raises(DataError, match=outcome):
            open_source(path)


def test_a_truncated_file_beside_a_whole_one(tmp_path: Path) -> None:
    whole = robomimic(tmp_path / "b.hdf5", "demo_0")
    (tmp_path / "a.hdf5").write_bytes(whole.read_bytes()[:2000])
    (tmp_path / "._b.hdf5").write_bytes(b"mac")
    quarantine = Quarantine()
    assert len(open_source(f"{tmp_path}?instruction=lift", on_bad=quarantine.add)) == 1
    assert [Path(bad.file).name for bad in quarantine.rows] == ["a.hdf5"]
    whole.unlink()
    with pytest.raises(DataError, match=r"a\.hdf5: not a whole HDF5 file"):
        open_source(f"{tmp_path}?instruction=lift", on_bad=quarantine.add)


def test_a_file_of_no_demonstration_is_counted(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file.create_group("data")
    quarantine = Quarantine()
    assert len(open_source(tmp_path, on_bad=quarantine.add)) == 0
    assert "holds no demonstration" in quarantine.rows[0].reason


def calvin(root: Path, sentence: Any = "open", task: Any = "o", span: Any = (5, 8), missing: int = 0) -> Path:
    """Frames 5 to 14; the second annotation is always good."""
    split = root / "training"
    (split / "lang_annotations").mkdir(parents=True)
    for frame in range(5, 15):
        arrays = {"rgb_static": np.full((20, 20, 3), frame, np.uint8), "rgb_gripper": np.zeros((8, 8, 3), np.uint8)}
        vectors = {"robot_obs": np.zeros(15), "rel_actions": np.zeros(7)}
        if frame != missing:
            np.savez(split / f"episode_{frame:07d}.npz", **arrays, **vectors)
    language = {"ann": [sentence, "push"], "task": [task, "p"]}
    content = {"language": language, "info": {"indx": [span, (10, 14)]}}
    np.save(split / "lang_annotations" / "auto_lang_ann.npy", content)  # type: ignore[arg-type]
    return root


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"span": (8, 5)}, "its span 8 to 5 runs backwards"),
        ({"span": (5, 99)}, r"frame 15 of its span 5 to 99 has no episode_0000015\.npz"),
        ({"span": (5, 10**12)}, "frame 15 of its span"),
        ({"missing": 7}, "frame 7 of its span 5 to 8"),
        ({"span": (-3, 5)}, "is not a first and a last frame"),
        ({"span": (5.5, 8)}, "is not a first and a last frame"),
        ({"span": (float("nan"), 8)}, "is not a first and a last frame"),
        ({"span": (1, 2, 3)}, "is not a first and a last frame"),
        ({"span": None}, "is not a first and a last frame"),
        ({"sentence": None}, "None is not a text"),
        ({"sentence": " "}, "its sentence is empty"),
    ],
)
def test_bad_annotations_are_named_by_their_number(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    root = calvin(tmp_path, **change)
    with pytest.raises(DataError, match=rf"annotation 0.*{message}"):
        open_source(root)
    quarantine = Quarantine()
    source = open_source(root, on_bad=quarantine.add)
    assert [episode_name(source, i) for i in range(len(source))] == ["annotation 1"]
    assert [bad.row for bad in quarantine.rows] == ["annotation 0"]


def test_annotations_of_other_types(tmp_path: Path) -> None:
    source = open_source(f"{calvin(tmp_path, ['a b', 'c'], [b'x'], (6, 6))}?cameras=rgb_static")
    assert (source.instruction(0), source.task(0), len(source.actions(0))) == ("a b", "x", 1)
    assert source.frames(0, [0])[0, :, 0, 0, 0].tolist() == [6]  # without an image_size: the other camera is smaller


def bridge(root: Path, date: str = "2022-01-05_10-00-00") -> Path:
    place = root / "rss" / "kitchen" / "corn" / "00" / date / "raw" / "traj_group0" / "traj3"
    (place / "images0").mkdir(parents=True)
    for t in range(4):
        (place / "images0" / f"im_{t}.jpg").write_bytes(JPG)
    (place / "obs_dict.pkl").write_bytes(pickle.dumps({"full_state": [np.zeros(7)] * 4}))
    (place / "policy_out.pkl").write_bytes(pickle.dumps([{"actions": np.zeros(7)}] * 3))
    (place / "lang.txt").write_bytes("\ufeffput\u2028corn\r\nconfidence: 1\n".encode())
    return place


def pickled(name: str, value: Any) -> Callable[[Path], object]:
    return lambda place: (place / name).write_bytes(pickle.dumps(value))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (pickled("policy_out.pkl", None), "holds a NoneType, not a list of actions"),
        (pickled("policy_out.pkl", {"actions": np.zeros((3, 7))}), "holds a dict, not a list of actions"),
        (pickled("policy_out.pkl", [np.zeros(7), np.zeros(6), np.zeros(7)]), "not a list of equal vectors"),
        (pickled("obs_dict.pkl", [1]), "full_state: not a list of equal vectors"),
        (lambda p: (p / "obs_dict.pkl").write_bytes(b""), "not a whole pickle"),
        (lambda p: (p / "obs_dict.pkl").write_bytes(b"\x80\x04\x8e" + b"\xff" * 8), "not a whole pickle"),
        (lambda p: (p / "images0" / "im_1.jpg").rename(p / "images0" / "im_4.jpg"), "not numbered from im_0"),
        (lambda p: (p / "lang.txt").write_bytes(b"\xe9"), "not UTF-8"),
    ],
)
def test_bad_trajectories_are_named_by_their_folder(
    tmp_path: Path, damage: Callable[[Path], object], message: str
) -> None:
    damage(bridge(tmp_path))
    with pytest.raises(DataError, match=message):
        open_source(tmp_path)
    quarantine = Quarantine()
    assert len(open_source(tmp_path, on_bad=quarantine.add)) == 0
    assert [bad.row for bad in quarantine.rows] == [
        "rss/kitchen/corn/00/2022-01-05_10-00-00/raw/traj_group0/traj3",
    ]


def test_a_folder_that_is_no_date(tmp_path: Path) -> None:
    bridge(tmp_path, "2022-99-05_10-00-00")
    with pytest.raises(DataError, match="2022-99-05_10-00-00 is no date"):
        open_source(tmp_path)


def test_a_label_ends_with_its_line(tmp_path: Path) -> None:
    bridge(tmp_path)
    assert open_source(tmp_path).instruction(0) == "put\u2028corn"


@pytest.mark.parametrize("value", [h5py.Empty("u1"), np.zeros((3, 0, 0, 3), np.uint8)])
def test_pictures_without_a_pixel(tmp_path: Path, value: Any) -> None:
    path = robomimic(tmp_path / "a.hdf5", "demo_0", "demo_1")
    replaced(path, f"data/demo_0/{CAMERA}", value)
    quarantine = Quarantine()
    source = open_source(f"{path}?instruction=lift", on_bad=quarantine.add)
    assert [episode_name(source, i) for i in range(len(source))] == ["demo_1"]
    assert [(bad.row, bad.kind) for bad in quarantine.rows] == [("demo_0", "schema")]


def aloha(path: Path, *cameras: str) -> Path:
    with h5py.File(path, "w") as file:
        file.attrs["task"] = "open the cap"
        file["action"] = np.zeros((3, 14))
        file["observations/qpos"] = np.zeros((3, 14))
        for camera in cameras:
            file[f"observations/images/{camera}"] = np.full((3, 16, 16, 3), 7, np.uint8)
    return path


def test_aloha_files_of_one_stem_are_called_by_their_whole_name(tmp_path: Path) -> None:
    for name in ("episode_0.h5", "episode_0.hdf5", "episode_1.hdf5"):
        aloha(tmp_path / name, "cam_high")
    source = open_source(f"hdf5:{tmp_path}")
    assert [episode_name(source, i) for i in range(3)] == ["episode_0.h5", "episode_0.hdf5", "episode_1"]
    assert len(open_source(f"hdf5:{tmp_path}?episodes=episode_0.h5")) == 1


def test_a_camera_that_only_later_demonstrations_have_is_noted(tmp_path: Path) -> None:
    note = "camera {!r} is left out: {} has it, but not the first episode; to take it, put the episodes that have it "
    path = robomimic(tmp_path / "a.hdf5", "demo_0", "demo_1", "demo_2")
    assert open_source(f"{path}?instruction=lift").notes == ()
    for name in ("demo_1", "demo_2"):
        replaced(path, f"data/{name}/obs/side_image", np.full((3, 16, 16, 3), 7, np.uint8))
        replaced(path, f"data/{name}/obs/depth", np.zeros((3, 16, 16, 1), np.float32))
    (only,) = open_source(f"{path}?instruction=lift").notes
    assert only.startswith(note.format("side_image", "demo_1"))

    (tmp_path / "aloha").mkdir()
    aloha(tmp_path / "aloha" / "episode_0.hdf5", "cam_high")
    aloha(tmp_path / "aloha" / "episode_1.hdf5", "cam_high", "cam_low")
    (only,) = open_source(tmp_path / "aloha").notes
    assert only.startswith(note.format("cam_low", "episode_1"))
