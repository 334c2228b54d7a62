"""Captions and pointing questions from recorded places; the camera's numbers are a pinhole camera's by hand."""

import json
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from polymath.benchmarks.libero import captions as c
from polymath.benchmarks.libero.native import LiberoWriter
from polymath.data.formats.webdataset.reader import WebDatasetPairs
from polymath.errors import ConfigError, DataError
from polymath.types import Episode

NAMES = ("alphabet_soup_1", "akita_black_bowl_1", "akita_black_bowl_2", "basket_1")
PLACES = np.array([[0.1, -0.2, 0.0], [0.0, 0.0, 0.1], [0.2, 0.2, 0.0], [0.0, 0.3, 0.05]])
# A camera at (0, 0, 2) that looks straight down, x to the right and y up in its picture, of 90 degrees: the ray through
# (x, y, 0) meets the picture at (x / 2, -y / 2), as tan(45) = 1.
CAMERA = np.array([[1.0, 0, 0, 0], [0, -1.0, 0, 0], [0, 0, -1.0, 2.0]])
WORDS = "pick up the alphabet soup and place it in the basket"
FRAME = c.Frame(NAMES, PLACES, np.array([0.0, 0.1, 0.2]), 0.04, CAMERA, WORDS, ("alphabet_soup_1", "basket_1"))


def test_pictures_are_upright_and_mirrored() -> None:
    assert FRAME.pixel(np.array([0.1, -0.2, 0.0])) == pytest.approx((-0.05, 0.1))
    assert FRAME.pixel(np.array([0.0, 0.4, 1.0])) == pytest.approx((0.0, -0.4))


def test_words() -> None:
    assert [c.word(name) for name in NAMES] == ["alphabet soup", "black bowl", "black bowl", "basket"]
    assert FRAME.unique == ["alphabet_soup_1", "basket_1"]  # two bowls have one word


def test_a_question_and_its_answer() -> None:
    seen = set()
    for seed in range(40):
        question = c.pointing(FRAME, 8, 7, np.random.default_rng(seed))
        targets, mask = np.array(question["targets"]), np.array(question["mask"])
        seen.add(question["question"])
        assert mask[3].tolist() == [True] * 4 + [False] * 3
        assert targets[3, 2:4] == pytest.approx([1 / 3, 1.0], abs=1e-4)  # (0.2 m - 0.15 m) / 0.15 m up, open
        # all four things, the leftmost first: columns are x / (z - 2), mirrored
        assert mask[4:6].tolist() == [[True] * 6 + [False], [True] * 2 + [False] * 5]
        assert not mask[6:].any()
        assert (np.diff(np.r_[targets[4, 0:6:2], targets[5, 0]]) >= 0).all()
        assert sorted([*targets[4, 0:6:2].tolist(), targets[5, 0]]) == pytest.approx([-0.1, -0.05, 0, 0], abs=1e-4)
        if question["question"] == WORDS:
            assert mask[:3, 0].tolist() == [True, True, False]
            # (0.1, -0.2, 0) - (0, 0.1, 0.2), over 0.3 m
            assert targets[0, 2:5] == pytest.approx([1 / 3, -1, -2 / 3], abs=1e-4)
            assert targets[1, :2] == pytest.approx([-0.0, -0.3 / 1.95], abs=1e-4)
        else:
            assert mask[:3, 0].sum() == question["question"].count("the ")
    assert seen == {WORDS, "the basket", "the alphabet soup", "the alphabet soup, the basket",
                    "the basket, the alphabet soup"}  # fmt: skip


def test_a_place_that_is_no_thing_is_masked() -> None:
    frame = replace(FRAME, goal=("alphabet_soup_1", "main_table"))
    questions = [c.pointing(frame, 8, 7, np.random.default_rng(seed)) for seed in range(20)]
    own = [np.array(each["mask"])[:2, 0].tolist() for each in questions if each["question"] == WORDS]
    assert own
    assert all(rows == [True, False] for rows in own)


def test_captions_are_from_the_arm() -> None:
    said = {part for seed in range(50) for part in c.caption(FRAME, np.random.default_rng(seed)).split(", the ")}
    # the soup: 30 cm in -y, which is the arm's right; 10 cm ahead
    assert any(
        each.endswith("alphabet soup is 30 cm right of the gripper, 10 cm behind it and 20 cm below") for each in said
    )
    assert not any("bowl" in each for each in said)


def recording(out: Path, steps: int = 6) -> Path:
    random = np.random.default_rng(0)
    extras = {
        **{
            name: np.zeros((steps, width)) for name, width in (("states", 30), ("robot_states", 9), ("joint_states", 7))
        },
        "places": np.tile(PLACES, (steps, 1, 1)),
        "place_names": np.frombuffer(json.dumps(NAMES).encode(), np.uint8),
        "goal": np.frombuffer(json.dumps(FRAME.goal).encode(), np.uint8),
        "agentview": CAMERA,
        "bddl": np.frombuffer(b"(define (problem LIBERO_Floor_Manipulation))", np.uint8),
    }
    images = {"agentview_rgb": random.integers(0, 256, (steps, 16, 16, 3), dtype=np.uint8)}
    metadata = {"split": "seen", "seed": 0, "action_noise": 0.0, "renderer": "r", "initial": "[1.0]"}
    task = "pick_up_the_alphabet_soup_and_place_it_in_the_basket"
    states, actions = np.zeros((steps, 8), np.float32), np.zeros((steps, 7), np.float32)
    episode = Episode(images, states, actions, WORDS, task, "panda-libero", metadata)
    with LiberoWriter(out) as writer:
        writer.add(episode, extras)
    return out


def test_pairs_of_a_recording(tmp_path: Path) -> None:
    assert c.write_pairs(recording(tmp_path / "native"), tmp_path / "pairs", 4, 0, 16) == 4
    pairs = WebDatasetPairs(tmp_path / "pairs")
    assert len(pairs) == 4
    assert pairs.pointing(0).targets.shape == (8, 7)


def test_what_cannot_be_done_is_named(tmp_path: Path) -> None:
    native = recording(tmp_path / "native")
    with pytest.raises(DataError, match="6 frames, but 7 pairs"):
        c.write_pairs(native, tmp_path / "a", 7, 0, 16)
    with pytest.raises(ConfigError, match="4 x 5 numbers"):
        c.write_pairs(native, tmp_path / "a", 2, 0, 16, chunk_length=3)
    with pytest.raises(ConfigError, match="at least 1 pair"):
        c.write_pairs(native, tmp_path / "a", 0, 0, 16)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="record libero --native"):
        c.write_pairs(tmp_path / "empty", tmp_path / "a", 1, 0, 16)
    assert not (tmp_path / "a").exists()


def test_files_that_are_damaged_are_one_line(tmp_path: Path) -> None:
    native = recording(tmp_path / "native")
    (file,) = native.rglob("*.hdf5")

    def refused(match: str) -> None:
        with pytest.raises(DataError, match=match) as caught:
            c.write_pairs(native, tmp_path / "pairs", 2, 0, 16)
        assert "\n" not in str(caught.value)
        assert file.name in str(caught.value)

    whole = file.read_bytes()
    with h5py.File(file, "r+") as opened:
        opened["data/demo_0"].attrs["polymath_camera"] = np.full((3, 4), np.nan)
    refused("polymath_camera .* is not finite")
    file.write_bytes(whole)
    with h5py.File(file, "r+") as opened:
        del opened["data/demo_0"].attrs["polymath_goal"]
    refused("polymath_goal")
    with h5py.File(file, "r+") as opened:
        del opened["data/demo_0/polymath_places"]
    refused("no polymath_places")
    with h5py.File(file, "r+") as opened:
        del opened["data"]
    refused("has no data")
    file.write_bytes(whole[: len(whole) // 2])
    refused("not a whole HDF5 file")
    assert not (tmp_path / "pairs").exists()
