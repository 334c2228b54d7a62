"""CALVIN's own layout: our reader and the official loader's way of reading give back what was recorded."""

from pathlib import Path

import numpy as np
import pytest

from polymath.benchmarks.calvin.native import CalvinWriter
from polymath.data.formats.calvin import CalvinEpisodes
from polymath.errors import DataError
from polymath.types import Episode


def episode(seed: int, steps: int, split: str = "D") -> tuple[Episode, dict[str, np.ndarray]]:
    random = np.random.default_rng(seed)
    pictures = {
        name: random.integers(0, 256, (steps, 8, 8, 3), dtype=np.uint8) for name in ("rgb_static", "rgb_gripper")
    }
    made = Episode(
        images=pictures,
        states=random.normal(size=(steps, 15)).astype(np.float32),
        actions=random.uniform(-1, 1, (steps, 7)).astype(np.float32),
        instruction=f"sentence {seed}",
        task="open_drawer",
        embodiment="panda-calvin",
        metadata={"split": split, "seed": seed},
    )
    return made, {"scene_obs": random.normal(size=(steps, 24)), "actions": random.normal(size=(steps, 7))}


def written(out: Path, *episodes: tuple[Episode, dict[str, np.ndarray]]) -> Path:
    with CalvinWriter(out) as writer:
        for each in episodes:
            writer.add(*each)
    return out


def test_our_reader_gives_it_back(tmp_path: Path) -> None:
    episodes = [episode(0, 3), episode(1, 1), episode(2, 5)]
    read = CalvinEpisodes(written(tmp_path / "out", *episodes))
    assert len(read) == 3
    for i, (expected, _) in enumerate(episodes):
        np.testing.assert_array_equal(read.actions(i), expected.actions)
        np.testing.assert_array_equal(read.states(i), expected.states)
        frames = read.frames(i, range(len(expected.actions)))
        for camera, name in enumerate(read.embodiment.cameras):
            np.testing.assert_array_equal(frames[:, camera], expected.images[name])
        assert (read.instruction(i), read.task(i)) == (expected.instruction, expected.task)


def test_the_official_loaders_way_of_reading(tmp_path: Path) -> None:
    """As `DiskDataset` of calvin_models does: np.load(…, allow_pickle=True).item(), info.indx, language.emb."""
    yaml = pytest.importorskip("yaml")
    (first, extras), second = episode(0, 3, "A"), episode(1, 2, "D")
    split = written(tmp_path / "out", (first, extras), second) / "training"
    annotations = np.load(split / "lang_annotations/auto_lang_ann.npy", allow_pickle=True).item()
    assert annotations["info"]["indx"] == [(0, 2), (3, 4)]
    assert annotations["language"]["ann"] == ["sentence 0", "sentence 1"]
    assert annotations["language"]["emb"].shape == (2, 1, 384)
    assert np.isnan(annotations["language"]["emb"]).all()  # never a made-up embedding
    np.testing.assert_array_equal(np.load(split / "ep_start_end_ids.npy"), [[0, 2], [3, 4]])
    np.testing.assert_array_equal(np.load(split / "ep_lens.npy"), [3, 2])
    scenes = np.load(split / "scene_info.npy", allow_pickle=True).item()
    assert scenes == {"calvin_scene_A": [0, 2], "calvin_scene_D": [3, 4]}
    with np.load(split / "episode_0000001.npz") as frame:
        np.testing.assert_array_equal(frame["rel_actions"], first.actions[1])
        np.testing.assert_array_equal(frame["scene_obs"], extras["scene_obs"][1].astype(np.float32))
        assert {array.dtype for name, array in frame.items() if "rgb" not in name} == {np.dtype(np.float32)}
    statistics = yaml.safe_load((split / "statistics.yaml").read_text())
    states = np.concatenate([first.states, second[0].states])
    np.testing.assert_allclose(statistics["robot_obs"][0]["mean"], states.mean(0), rtol=1e-6)
    assert len(statistics["act_min_bound"]) == 7


def test_frames_of_a_scene_must_follow_one_another(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="calvin_scene_A: its episodes do not follow one another"):
        written(tmp_path / "out", episode(0, 2, "A"), episode(1, 2, "B"), episode(2, 2, "A"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("missing", ["scene_obs", "actions"])
def test_a_worker_that_sends_too_little_is_named(tmp_path: Path, missing: str) -> None:
    made, extras = episode(0, 3)
    del extras[missing]
    with pytest.raises(DataError, match=f"sent no {missing} of 3 rows"):
        written(tmp_path / "out", (made, extras))
    assert list(tmp_path.iterdir()) == []


def test_nothing_recorded_is_nothing_written(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no episode was recorded"):
        written(tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
