"""Captions and pointing questions from CALVIN's frames; the expected pixels are PyBullet's own."""

import numpy as np
import pytest

from polymath.benchmarks.calvin import captions as c
from polymath.data.formats.webdataset.reader import WebDatasetPairs
from polymath.errors import ConfigError, DataError

RED, BLUE, PINK = (0.05, -0.12, 0.46), (-0.24, 0.0924, 0.461), (0.07, 0.0924, 0.461)


def scene_obs(red=RED, blue=BLUE, pink=PINK, slider=0.28, drawer=0.0, led=1.0):
    return np.array([slider, drawer, 0, 0.088, 1.0, led, *red, 0, 0, 0, *blue, 0, 0, 0, *pink, 0, 0, 0])


def frame(**scene):
    return c.Frame(np.array([0.05, -0.12, 0.56]), 0.04, scene_obs(**scene), "D")


@pytest.mark.parametrize(
    ("point", "expected"),
    [  # computeProjectionMatrixFOV(10, 1, 0.01, 10) @ computeViewMatrix of calvin_env's static camera, pybullet 3.2.7
        ((0.05, -0.12, 0.46), (-0.06285, 0.04262)),
        ((-0.24, 0.0924, 0.461), (-0.32235, -0.36848)),
        ((0.3, -0.05, 0.55), (0.45014, -0.26679)),
    ],
)
def test_pixels_are_those_of_the_static_camera(point, expected):
    assert c.pixel(np.array(point)) == pytest.approx(expected, abs=1e-4)


def test_the_sliding_door_hides_the_shelf_that_it_stands_before():
    assert frame(slider=0.28).visible == ["red", "pink"]  # left: blue's shelf
    assert frame(slider=0.0).visible == ["red", "blue"]


def test_the_closed_drawer_hides_its_block():
    """Blocks in the drawer of recordings lie at 0.36 m, on the table at 0.46 m."""
    in_drawer = (0.1, -0.28, 0.362)
    assert "red" not in frame(red=in_drawer, drawer=0.0).visible
    assert "red" in frame(red=in_drawer, drawer=0.22).visible


def test_a_question_is_about_a_visible_block_and_masks_the_hidden_one():
    question = c.pointing(frame(), 10, 7, np.random.default_rng(0))
    targets, mask = np.array(question["targets"]), np.array(question["mask"])
    assert question["question"] in ("the red block", "the pink block")
    assert mask.shape == targets.shape == (10, 7)
    assert mask[1, :5].all()
    assert not mask[2].any()  # blue
    assert not mask[6:].any()
    assert targets[1, 2:5] == pytest.approx([0, 0, -0.1 / c.METRES], abs=1e-4)  # red is 10 cm below the gripper
    assert targets[4, :2] == pytest.approx(c.pixel(np.array([0.05, -0.12, 0.56])), abs=1e-4)
    assert targets[5, :5].tolist() == [1, -1, 1, 1, 1]  # door left, drawer closed, switch and both lights on


def test_no_question_where_every_block_is_hidden():
    assert c.pointing(frame(red=BLUE, pink=BLUE), 10, 7, np.random.default_rng(0)) is None


def test_captions_say_what_the_numbers_say():
    said = {c.caption(frame(drawer=0.22, led=0.0), np.random.default_rng(seed)) for seed in range(200)}
    parts = {sentence for text in said for sentence in text.split(", ")}
    assert {"the drawer is open", "the led light is off", "the light bulb is on"} <= parts
    assert "the sliding door is on the left" in parts
    assert not any("blue" in part for part in parts)


def calvin_split(place, scene=None, names=("rgb_static", "robot_obs", "rel_actions", "scene_obs")):
    split = place / "training"
    (split / "lang_annotations").mkdir(parents=True)
    arrays = {
        "rgb_static": np.full((200, 200, 3), 90, np.uint8),
        "robot_obs": np.array([0.05, -0.12, 0.56, *[0.0] * 12]),
        "rel_actions": np.zeros(7),
        "scene_obs": scene_obs() if scene is None else scene,
    }
    for i in range(6):
        np.savez(split / f"episode_{i:07d}.npz", **{name: arrays[name] for name in names})
    language = {"language": {"ann": ["open the drawer"], "task": ["open_drawer"]}, "info": {"indx": [(0, 5)]}}
    np.save(split / "lang_annotations" / "auto_lang_ann.npy", np.array(language, dtype=object), allow_pickle=True)
    info = {"calvin_scene_D": [0, 5]}
    np.save(split / "scene_info.npy", np.array(info, dtype=object), allow_pickle=True)
    return split


def test_pairs_of_a_split(tmp_path):
    assert c.write_pairs(calvin_split(tmp_path / "set"), tmp_path / "pairs", 4, 0, 32) == 4
    pairs = WebDatasetPairs(tmp_path / "pairs")
    assert len(pairs) == 4
    assert pairs.image(0).shape == (32, 32, 3)
    assert pairs.pointing(0).targets.shape == (10, 7)


def test_what_cannot_be_done_is_named(tmp_path):
    split = calvin_split(tmp_path / "set")
    with pytest.raises(DataError, match="6 annotated frames, but 7 pairs"):
        c.write_pairs(split, tmp_path / "a", 7, 0, 32)
    with pytest.raises(ConfigError, match="6 x 5 numbers"):
        c.write_pairs(split, tmp_path / "a", 2, 0, 32, chunk_length=4)
    bare = calvin_split(tmp_path / "bare", names=("rgb_static", "robot_obs", "rel_actions"))
    with pytest.raises(DataError, match="scene_obs"):
        c.write_pairs(bare, tmp_path / "b", 2, 0, 32)
    narrow = calvin_split(tmp_path / "narrow", scene=np.zeros(23))
    with pytest.raises(DataError, match="24 finite numbers"):
        c.write_pairs(narrow, tmp_path / "c", 2, 0, 32)
    for count, size in ((0, 32), (-1, 32), (2, 0)):
        with pytest.raises(ConfigError, match="at least 1 pair and 2 pixels"):
            c.write_pairs(split, tmp_path / "d", count, 0, size)
    np.save(split / "scene_info.npy", np.array({"calvin_scene_D": 5}, dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="a first and a last frame"):
        c.write_pairs(split, tmp_path / "d", 2, 0, 32)
    (split / "scene_info.npy").unlink()
    with pytest.raises(DataError, match=r"scene_info\.npy"):
        c.write_pairs(split, tmp_path / "d", 2, 0, 32)
    assert not (tmp_path / "a").exists()
