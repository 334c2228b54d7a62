"""CALVIN, BridgeData V2 raw, robomimic and ALOHA, written here as their own recorders do: numpy, pickle, h5py."""

import pickle
from pathlib import Path

import h5py
import numpy as np
import pytest

from polymath.data.files.images import encode_jpeg, fit
from polymath.data.files.quarantine import Quarantine
from polymath.data.formats.bridge_raw import BridgeRawEpisodes
from polymath.data.formats.calvin import CalvinEpisodes
from polymath.data.formats.hdf5 import open_hdf5
from polymath.data.formats.opening import open_source
from polymath.data.interface import camera_frames
from polymath.data.robots.embodiments import LIBERO
from polymath.errors import ConfigError, DataError

RNG = np.random.default_rng(0)
RLDS = Path(__file__).parents[2] / "fixtures" / "data" / "rlds" / "array_record" / "bridge_dataset"


class Evil:
    def __reduce__(self) -> tuple:
        return exec, ("raise SystemExit('ran')",)


@pytest.fixture
def calvin(tmp_path: Path) -> Path:
    """Frames 5 to 14 of a split, two annotated stretches; shapes as the data set's README has them."""
    split = tmp_path / "task_D_D" / "training"
    (split / "lang_annotations").mkdir(parents=True)
    for frame in range(5, 15):
        np.savez(
            split / f"episode_{frame:07d}.npz",
            rgb_static=np.full((200, 200, 3), frame, np.uint8),
            rgb_gripper=np.full((84, 84, 3), 100 + frame, np.uint8),
            robot_obs=np.arange(15.0) + frame,
            actions=np.zeros(7),
            rel_actions=np.linspace(-1, 1, 7) * frame / 20,
            scene_obs=np.zeros(24),
        )
    language = {
        "ann": ["open the drawer", "push the blue block"],
        "task": ["open_drawer", "push_blue"],
        "emb": np.ones(3),
    }
    info = {"episodes": [], "indx": [(5, 8), (10, 14)]}
    np.save(split / "lang_annotations" / "auto_lang_ann.npy", {"language": language, "info": info})  # type: ignore[arg-type]
    return tmp_path / "task_D_D"


def test_calvin(calvin: Path) -> None:
    episodes = open_source(calvin, image_size=84)
    assert [episodes.instruction(0), episodes.task(1)] == ["open the drawer", "push_blue"]
    np.testing.assert_array_equal(episodes.states(1)[0], np.arange(15, dtype=np.float32) + 10)
    np.testing.assert_array_equal(
        episodes.actions(0), [(np.linspace(-1, 1, 7) * f / 20).astype("f4") for f in range(5, 9)]
    )
    frames = episodes.frames(1, [4, 0])
    assert frames.shape == (2, 2, 84, 84, 3)
    assert frames[:, :, 0, 0, 0].tolist() == [[14, 114], [10, 110]]


def test_another_split_than_the_place_is_refused(calvin: Path) -> None:
    with pytest.raises(ConfigError, match="is a split itself, not 'validation'; leave split out"):
        open_source(f"{calvin / 'training'}?split=validation")
    assert len(open_source(f"{calvin / 'training'}?split=training")) == 2


def test_calvins_cameras_differ_in_size(calvin: Path) -> None:
    with pytest.raises(DataError, match="cameras of different sizes; open it with an image_size"):
        CalvinEpisodes(calvin).frames(0, [0])


def test_calvin_with_a_foreign_class(calvin: Path) -> None:
    file = calvin / "training" / "lang_annotations" / "auto_lang_ann.npy"
    np.save(file, {"language": Evil()})  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"auto_lang_ann\.npy: the pickle names builtins\.exec.*refused"):
        CalvinEpisodes(calvin)


def test_calvins_bad_frames_are_named(calvin: Path) -> None:
    episodes = CalvinEpisodes(calvin)
    frame = calvin / "training" / "episode_0000006.npz"
    whole = frame.read_bytes()
    frame.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"episode_0000006\.npz: not a whole npz file") as caught:
        episodes.actions(0)
    assert caught.value.kind == "truncated"
    np.savez(frame, robot_obs=np.full(15, np.nan), rel_actions=np.zeros(7))
    with pytest.raises(DataError, match="NaN or infinity at control step 1"):
        CalvinEpisodes(calvin).states(0)


def write_bridge(place: Path, pictures: int = 5, sentence: str = "put corn in pot\nconfidence: 1\n") -> Path:
    (place / "images0").mkdir(parents=True)
    for t in range(pictures):
        (place / "images0" / f"im_{t}.jpg").write_bytes(encode_jpeg(np.full((48, 64, 3), 10 * t, np.uint8)))
    states = [np.arange(7, dtype=np.float64) + t for t in range(pictures)]
    (place / "obs_dict.pkl").write_bytes(pickle.dumps({"full_state": states, "time_stamp": list(range(pictures))}))
    commands = [{"actions": np.full(7, 0.1 * t), "policy_type": "vr"} for t in range(pictures - 1)]
    (place / "policy_out.pkl").write_bytes(pickle.dumps(commands))
    (place / "lang.txt").write_text(sentence)
    return place


def bridge_place(tmp_path: Path, date: str, number: int = 0) -> Path:
    return tmp_path / "rss" / "toykitchen2" / "corn_in_pot" / "00" / date / "raw" / "traj_group0" / f"traj{number}"


def test_bridge_raw(tmp_path: Path) -> None:
    """Recorded after the latency was mended: T = 11 actions for 12 pictures, im_10 after im_9."""
    write_bridge(bridge_place(tmp_path, "2022-01-05_10-00-00"), pictures=12)
    episodes = open_source(tmp_path)
    assert (len(episodes), episodes.instruction(0), episodes.task(0)) == (1, "put corn in pot", "corn_in_pot")
    np.testing.assert_array_equal(episodes.actions(0), [np.full(7, 0.1 * t, np.float32) for t in range(11)])
    np.testing.assert_array_equal(episodes.states(0)[10], np.arange(7) + 10)
    assert episodes.frames(0, [10, 2])[:, 0, 0, 0, 0].tolist() == [100, 20]


def test_bridge_raw_of_before_the_latency_was_mended(tmp_path: Path) -> None:
    """Action t belongs to picture t + 1, and the last action to none."""
    write_bridge(bridge_place(tmp_path, "2021-07-01_10-00-00"))
    episodes = BridgeRawEpisodes(tmp_path)
    np.testing.assert_array_equal(episodes.states(0)[:, 0], [1, 2, 3])
    np.testing.assert_allclose(episodes.actions(0)[:, 0], [0, 0.1, 0.2], atol=1e-7)
    assert episodes.frames(0, [0])[0, 0, 0, 0, 0] == 10


def test_bad_bridge_trajectories_are_quarantined(tmp_path: Path) -> None:
    date = "2022-01-05_10-00-00"
    write_bridge(bridge_place(tmp_path, date, 0))
    (write_bridge(bridge_place(tmp_path, date, 1)) / "images0" / "im_0.jpg").unlink()
    write_bridge(bridge_place(tmp_path, date, 2), sentence="confidence: 0\n")
    (write_bridge(bridge_place(tmp_path, date, 3)) / "policy_out.pkl").write_bytes(pickle.dumps([Evil()]))
    (write_bridge(bridge_place(tmp_path, date, 4)) / "obs_dict.pkl").write_bytes(b"\x80")
    quarantine = Quarantine()
    assert len(BridgeRawEpisodes(tmp_path, on_bad=quarantine.add)) == 1
    assert quarantine.counts() == {"length": 1, "instruction": 1, "pickle": 1, "truncated": 1}
    with pytest.raises(DataError):
        BridgeRawEpisodes(tmp_path)


@pytest.fixture
def robomimic(tmp_path: Path) -> Path:
    with h5py.File(tmp_path / "lift.hdf5", "w") as file:
        for number in (0, 2, 10):
            demo = file.create_group(f"data/demo_{number}")
            demo["actions"] = RNG.uniform(-1, 1, (4, 7))
            demo["obs/robot0_eef_pos"] = np.full((4, 3), number, float)
            demo["obs/robot0_eef_quat"] = np.tile([0.0, 0, 0, 1], (4, 1))
            demo["obs/robot0_gripper_qpos"] = np.zeros((4, 2))
            demo["obs/agentview_image"] = np.full((4, 16, 16, 3), number, np.uint8)
    return tmp_path / "lift.hdf5"


def test_robomimic(robomimic: Path) -> None:
    episodes = open_source(f"hdf5:{robomimic}?instruction=lift the cube")
    assert episodes.embodiment.cameras == ("agentview_image",)
    assert (len(episodes), episodes.instruction(2)) == (3, "lift the cube")
    assert episodes.states(2)[0].tolist() == [10, 10, 10, 0, 0, 0, 1, 0, 0], "demo_10 comes after demo_2"
    assert (episodes.frames(1, [3]) == 2).all()
    with h5py.File(robomimic) as file:
        np.testing.assert_array_equal(episodes.actions(0), np.asarray(file["data/demo_0/actions"], np.float32))


def test_robomimic_has_no_sentences(robomimic: Path) -> None:
    with pytest.raises(DataError, match=r"demo_0: has no instruction; give one for all, as in hdf5:PATH\?instruction="):
        open_hdf5(robomimic)


def test_libero_brings_its_sentence(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "task.hdf5", "w") as file:
        demo = file.create_group("data/demo_0")
        file["data"].attrs["problem_info"] = '{"language_instruction": "turn on the stove"}'
        demo["actions"] = np.zeros((2, 7))
        for name, width in (("ee_pos", 3), ("ee_ori", 3), ("gripper_states", 2)):
            demo[f"obs/{name}"] = np.zeros((2, width))
        demo["obs/agentview_rgb"] = np.zeros((2, 8, 8, 3), np.uint8)
        demo["obs/eye_in_hand_rgb"] = np.zeros((2, 8, 8, 3), np.uint8)
    episodes = open_hdf5(tmp_path)
    assert episodes.instruction(0) == "turn on the stove"
    assert episodes.embodiment.cameras == ("agentview_rgb", "eye_in_hand_rgb")
    assert episodes.embodiment == LIBERO, "so that the benchmark of that name takes a policy trained on it"


def write_aloha(path: Path, compressed: bool, width: int = 14) -> np.ndarray:
    qpos = RNG.normal(size=(3, width))
    with h5py.File(path, "w") as file:
        file.attrs["task"] = "transfer the cube"
        file["observations/qpos"], file["action"] = qpos, qpos + 1
        for c, camera in enumerate(("cam_high", "cam_left_wrist")):
            frames = np.stack([np.full((16, 16, 3), 10 * t + c, np.uint8) for t in range(3)])
            if compressed:  # as aloha's record_episodes.py: rows padded to the longest JPEG
                rows = [np.frombuffer(encode_jpeg(frame), np.uint8) for frame in frames]
                longest = max(map(len, rows)) + 7
                frames = np.stack([np.pad(row, (0, longest - len(row))) for row in rows])
            file[f"observations/images/{camera}"] = frames
    return qpos


@pytest.mark.parametrize("compressed", [False, True])
def test_aloha(tmp_path: Path, compressed: bool) -> None:
    qpos = write_aloha(tmp_path / "episode_0.hdf5", compressed)
    episodes = open_source(tmp_path)
    assert episodes.embodiment.cameras == ("cam_high", "cam_left_wrist")
    assert episodes.instruction(0) == "transfer the cube"
    np.testing.assert_array_equal(episodes.states(0), qpos.astype(np.float32))
    np.testing.assert_array_equal(episodes.actions(0), (qpos + 1).astype(np.float32))
    assert episodes.frames(0, [2, 0])[:, :, 3, 3, 0].tolist() == [[20, 21], [0, 1]]


def test_bad_hdf5_is_quarantined(tmp_path: Path) -> None:
    write_aloha(tmp_path / "episode_0.hdf5", False)
    write_aloha(tmp_path / "episode_1.hdf5", False, width=13)
    whole = (tmp_path / "episode_0.hdf5").read_bytes()
    (tmp_path / "episode_2.hdf5").write_bytes(whole[: len(whole) // 2])
    write_aloha(tmp_path / "episode_3.hdf5", False)
    with h5py.File(tmp_path / "episode_3.hdf5", "a") as file:
        del file["observations/images/cam_high"]
        file["observations/images/cam_high"] = np.zeros((2, 16, 16, 3), np.uint8)
    quarantine = Quarantine()
    assert len(open_hdf5(tmp_path, on_bad=quarantine.add)) == 1
    assert quarantine.counts() == {"width": 1, "truncated": 1, "length": 1}
    assert "cam_high: 2 pictures of 3 steps" in quarantine.rows[-1].reason


@pytest.mark.parametrize("name", ["bridge", "calvin", "aloha", "rlds"])
def test_every_format_pads_pictures_as_the_layout_says(tmp_path: Path, name: str, calvin: Path) -> None:
    """Against the reader's own pictures of their own size, padded afterwards; bridge's and aloha's are no squares."""
    place = {"rlds": RLDS, "calvin": calvin}.get(name, tmp_path)
    if name == "bridge":
        write_bridge(bridge_place(tmp_path, "2022-01-05_10-00-00"))
    if name == "aloha":
        write_aloha(tmp_path / "episode_0.hdf5", compressed=False)
        with h5py.File(tmp_path / "episode_0.hdf5", "a") as file:
            del file["observations/images/cam_high"]
            file["observations/images/cam_high"] = RNG.integers(0, 256, (3, 11, 16, 3), np.uint8)
        place = tmp_path / "episode_0.hdf5"
    native, padded = open_source(place), open_source(place, 25, image_fit="pad")
    for camera in range(len(native.embodiment.cameras)):
        whole = camera_frames(native, 0, camera, [1])[0]
        np.testing.assert_array_equal(padded.frames(0, [1])[0, camera], fit(whole, 25, "pad"))
