"""LIBERO's own layout, written without the simulator and read by the robomimic reader."""

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from polymath.benchmarks.libero.native import LiberoWriter
from polymath.data.formats.hdf5 import RobomimicEpisodes
from polymath.errors import DataError
from polymath.types import Episode

TASK = "pick_up_the_butter_and_place_it_in_the_basket"
WORDS = "pick up the butter and place it in the basket"
BDDL = b"(define (problem LIBERO_Floor_Manipulation)\n  (:domain robosuite)\n)"
STEPS = 5


def _episode(seed: int = 0) -> Episode:
    random = np.random.default_rng(seed)
    return Episode(
        images={
            camera: random.integers(0, 256, (STEPS, 8, 8, 3), dtype=np.uint8)
            for camera in ("agentview_rgb", "eye_in_hand_rgb")
        },
        states=random.standard_normal((STEPS, 8)).astype(np.float32),
        actions=random.uniform(-1, 1, (STEPS, 7)).astype(np.float32),
        instruction=WORDS,
        task=TASK,
        embodiment="panda-libero",
        metadata={"split": "seen", "seed": seed, "action_noise": 0.3, "renderer": "r", "initial": "[1.0, 2.0]"},
    )


def _extras() -> dict[str, np.ndarray]:
    widths = {"states": 30, "robot_states": 9, "joint_states": 7}
    rows = {name: np.full((STEPS, width), 0.5) for name, width in widths.items()}
    return {
        **rows,
        "places": np.zeros((STEPS, 2, 3)),
        "place_names": np.frombuffer(b'["butter_1", "basket_1"]', np.uint8),
        "goal": np.frombuffer(b'["butter_1", "basket_1"]', np.uint8),
        "agentview": np.eye(3, 4),
        "bddl": np.frombuffer(BDDL, np.uint8),
    }


def _write(out: Path, count: int = 2) -> list[Episode]:
    episodes = [_episode(seed) for seed in range(count)]
    with LiberoWriter(out) as writer:
        for episode in episodes:
            writer.add(episode, _extras())
    return episodes


def test_the_reader_of_liberos_files_reads_it(tmp_path: Path) -> None:
    episodes = _write(tmp_path / "native")
    read = RobomimicEpisodes(tmp_path / "native" / "libero_object" / f"{TASK}_demo.hdf5")
    assert len(read) == 2
    assert read.instruction(1) == WORDS
    np.testing.assert_array_equal(read.states(1), episodes[1].states)
    np.testing.assert_array_equal(read.actions(1), episodes[1].actions)
    pictures = read.frames(1, [0, STEPS - 1])
    for place, camera in enumerate(read.embodiment.cameras):
        upright = episodes[1].images[camera]
        # The files hold robosuite's pictures, upside down: the recorded ones turned back by 180 degrees.
        np.testing.assert_array_equal(pictures[:, place], upright[[0, STEPS - 1], ::-1, ::-1])


def test_raw_pictures_are_written_as_they_are(tmp_path: Path) -> None:
    episode = _episode()
    with LiberoWriter(tmp_path / "native", turned=False) as writer:
        writer.add(episode, _extras())
    with h5py.File(tmp_path / "native" / "libero_object" / f"{TASK}_demo.hdf5") as file:
        np.testing.assert_array_equal(file["data/demo_0/obs/agentview_rgb"], episode.images["agentview_rgb"])


def test_the_file_has_what_liberos_own_have(tmp_path: Path) -> None:
    _write(tmp_path / "native")
    # Names of https://github.com/Lifelong-Robot-Learning/LIBERO/blob/master/scripts/create_dataset.py
    with h5py.File(tmp_path / "native" / "libero_object" / f"{TASK}_demo.hdf5") as file:
        data: Any = file["data"]
        assert (data.attrs["num_demos"], data.attrs["total"]) == (2, 2 * STEPS)
        problem = json.loads(data.attrs["problem_info"])
        assert problem["problem_name"] == "libero_floor_manipulation"
        assert problem["language_instruction"] == WORDS
        assert json.loads(data.attrs["env_args"])["problem_name"] == "libero_floor_manipulation"
        assert data.attrs["bddl_file_name"].endswith(f"libero_object/{TASK}.bddl")
        demo = data["demo_1"]
        assert demo.attrs["num_samples"] == STEPS
        assert sorted(demo) == ["actions", "dones", "obs", "polymath_places", "rewards", "robot_states", "states"]
        assert sorted(demo["obs"]) == sorted(
            ["agentview_rgb", "eye_in_hand_rgb", "ee_states", "ee_pos", "ee_ori", "gripper_states", "joint_states"]
        )
        assert list(demo["dones"]) == [0] * (STEPS - 1) + [1]
        np.testing.assert_array_equal(demo.attrs["polymath_initial"], [1.0, 2.0])


def test_a_worker_that_sends_too_little_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    extras = _extras()
    del extras["joint_states"]
    with pytest.raises(DataError, match="sent no joint_states of 5 rows"), LiberoWriter(tmp_path / "native") as writer:
        writer.add(_episode(), extras)
    with pytest.raises(DataError, match="names no problem"), LiberoWriter(tmp_path / "native") as writer:
        writer.add(_episode(), {**_extras(), "bddl": np.frombuffer(b"(define)", np.uint8)})
    with pytest.raises(DataError, match="no episode"), LiberoWriter(tmp_path / "native"):
        pass
    assert not (tmp_path / "native").exists()
