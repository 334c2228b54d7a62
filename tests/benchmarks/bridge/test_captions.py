"""Captions and pointing questions from recorded frames; the camera looks straight down, so pixels are known by hand."""

from pathlib import Path

import numpy as np
import pytest

from polymath.benchmarks.bridge import captions as c
from polymath.benchmarks.bridge.benchmark import BENCHMARK
from polymath.benchmarks.places import METRES
from polymath.data.formats.webdataset.reader import WebDatasetPairs
from polymath.errors import ConfigError
from polymath.types import Episode

STACK = "widowx_stack_cube"
DOWN = np.array([[2.0, 0, 0, 0], [0, 2.0, 0, 0], [0, 0, 0, 1.0]])  # column = 2 x, row = 2 y
STATE = np.array([0.1, 0.0, 0.12, 0, 0, 0, 1.0], np.float32)
PLACES = np.array([[0.2, -0.1, 0.02, 0.0, 1.0], [0.3, 0.1, 0.02, 1.0, 0.0]])


def frame() -> c.Frame:
    return c.Frame(STATE, PLACES, DOWN, c.THINGS[STACK], "stack the green block on the yellow block")


def questions() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    asked = [c.pointing(frame(), 8, 7, np.random.default_rng(seed)) for seed in range(60)]
    return {str(each["question"]): (np.array(each["targets"]), np.array(each["mask"])) for each in asked}


def test_a_question_is_the_instruction_or_names_things() -> None:
    assert set(questions()) == {
        "stack the green block on the yellow block",
        "the green block",
        "the yellow block",
        "the green block, the yellow block",
        "the yellow block, the green block",
    }


def test_the_answer_is_where_things_are_in_the_picture_and_from_the_gripper() -> None:
    targets, mask = questions()["stack the green block on the yellow block"]
    source = [0.4, -0.2, 0.1 / METRES, -0.1 / METRES, -0.1 / METRES, 0.0, 1.0]
    np.testing.assert_allclose(targets[0], source, atol=1e-4)
    np.testing.assert_allclose(targets[1, :2], [0.6, 0.2], atol=1e-4)
    assert mask[0].all()
    assert mask[1].tolist() == [True] * 5 + [False] * 2  # how the target is turned does not matter
    np.testing.assert_array_equal((targets[2:4], mask[2:4]), (targets[:2], mask[:2]))
    assert not mask[5:].any()


def test_three_rows_are_the_same_whatever_is_asked() -> None:
    for targets, mask in questions().values():
        np.testing.assert_allclose(targets[2:4, :2], [[0.4, -0.2], [0.6, 0.2]], atol=1e-4)
        np.testing.assert_allclose(targets[4, :4], [0.2, 0.0, 0.0, 1.0], atol=1e-4)
        assert mask[2:5].tolist() == [[True] * 7, [True] * 5 + [False] * 2, [True] * 4 + [False] * 3]


def test_one_thing_asked_for_leaves_the_second_row_open() -> None:
    targets, mask = questions()["the yellow block"]
    np.testing.assert_allclose(targets[0, :2], [0.6, 0.2], atol=1e-4)
    assert not mask[1].any()


def test_captions_say_right_and_left_as_the_arm_sees_them() -> None:
    """y is the arm's left, x away from its base."""
    sentences = {s for seed in range(40) for s in c.caption(frame(), np.random.default_rng(seed)).split(", the ")}
    text = " ".join(sentences)
    assert "green block is 10 cm right of the gripper, 10 cm behind it and 10 cm below" in text
    assert "yellow block is 10 cm left of the gripper, 20 cm behind it and 10 cm below" in text


def test_frames_and_drawn_scenes_of_an_episode_are_written(tmp_path: Path) -> None:
    pictures = np.full((2, 16, 16, 3), 90, np.uint8)
    episode = Episode(
        images={c.CAMERA: pictures},
        states=np.stack([STATE] * 2),
        actions=np.zeros((2, 7), np.float32),
        instruction="stack the green block on the yellow block",
        task=STACK,
        embodiment="widowx-bridge",
    )
    extras = {"places": np.stack([PLACES] * 2), "camera": DOWN}
    scenes = {
        "scene_pictures": np.full((3, 16, 16, 3), 200, np.uint8),
        "scene_states": np.stack([STATE] * 3),
        "scene_places": np.stack([PLACES] * 3),
    }
    with c.CaptionWriter(tmp_path / "pairs") as writer:
        writer.add(episode, extras)
        writer.add(episode, extras | scenes)
    pairs = WebDatasetPairs(tmp_path / "pairs")
    assert len(pairs) == 2 + 2 + 3
    assert [round(float(pairs.image(i).mean()), -1) for i in range(7)] == [90] * 4 + [200] * 3
    assert pairs.pointing(6).targets.shape == (8, 7)


def test_every_task_has_names_for_its_things() -> None:
    assert tuple(c.THINGS) == BENCHMARK.tasks


def test_a_chunk_too_small_for_the_answers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="chunk of 4 x 7: pointing needs 5 x 7"):
        c.CaptionWriter(tmp_path / "pairs", chunk_length=4)
    assert not (tmp_path / "pairs").exists()
