"""Opens a recorded data set with the real `lerobot` and compares every frame with our own reader.

    python tests/oracles/lerobot_opens.py DATASET_DIR

Runs in an environment that has lerobot (0.4.4 on Python 3.11, 0.6 on newer ones) and polymath: `make lerobot-check`.
Nothing is downloaded: HF_HUB_OFFLINE=1. Exits with 1 and says what differs if anything does.
"""

import os
import sys
import tempfile
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_CACHE"] = tempfile.mkdtemp(prefix="lerobot-check-")

import numpy as np
from lerobot import __version__ as lerobot_version
from lerobot.datasets.lerobot_dataset import LeRobotDataset

from polymath.data.formats.lerobot import layout as fmt
from polymath.data.formats.lerobot.reader import LeRobotEpisodes


def main(directory: Path) -> int:
    """The number of frames compared; raises AssertionError at the first difference."""
    ours = LeRobotEpisodes(directory)
    theirs = LeRobotDataset("local/check", root=directory)
    steps = [len(ours.actions(i)) for i in range(len(ours))]
    assert theirs.num_episodes == len(ours), f"episodes: {theirs.num_episodes} != {len(ours)}"
    assert len(theirs) == sum(steps), f"frames: {len(theirs)} != {sum(steps)}"
    assert theirs.fps == ours.fps, f"fps: {theirs.fps} != {ours.fps}"
    check_statistics(theirs, ours)
    check_chunks(directory, ours)
    index = 0
    for episode in range(len(ours)):
        frames = ours.frames(episode, range(steps[episode]))
        for step in range(steps[episode]):
            check_frame(theirs[index], ours, episode, step, frames[step])
            index += 1
    return index


def check_frame(item: dict, ours: LeRobotEpisodes, episode: int, step: int, pictures: np.ndarray) -> None:
    where = f"episode {episode}, frame {step}"
    assert int(item["episode_index"]) == episode, where
    assert int(item["frame_index"]) == step, where
    assert np.isclose(float(item["timestamp"]), step / ours.fps), where
    assert item["task"] == ours.instruction(episode), f"{where}: {item['task']!r} != {ours.instruction(episode)!r}"
    np.testing.assert_array_equal(item[fmt.STATE].numpy(), ours.states(episode)[step], where)
    np.testing.assert_array_equal(item[fmt.ACTION].numpy(), ours.actions(episode)[step], where)
    for camera, picture in zip(ours.embodiment.cameras, pictures, strict=True):
        # lerobot gives float32 [3, height, width] in [0, 1]
        returned = np.rint(item[fmt.IMAGES + camera].numpy().transpose(1, 2, 0) * 255).astype(np.uint8)
        np.testing.assert_array_equal(returned, picture, f"{where}, {camera}")


def check_statistics(theirs: LeRobotDataset, ours: LeRobotEpisodes) -> None:
    """meta/stats.json as lerobot loads it, against numpy over our reader's values."""
    for key, values in ((fmt.STATE, ours.states), (fmt.ACTION, ours.actions)):
        rows = np.concatenate([values(i) for i in range(len(ours))]).astype(np.float64)
        statistics = theirs.meta.stats[key]
        np.testing.assert_allclose(statistics["mean"], rows.mean(0), atol=1e-6, err_msg=key)
        np.testing.assert_allclose(statistics["std"], rows.std(0), atol=1e-6, err_msg=key)
        np.testing.assert_allclose(statistics["min"], rows.min(0), atol=1e-6, err_msg=key)
        np.testing.assert_allclose(statistics["max"], rows.max(0), atol=1e-6, err_msg=key)


def check_chunks(directory: Path, ours: LeRobotEpisodes, length: int = 4) -> None:
    """lerobot's own action chunks over the end of episode 0, with its padding mask."""
    deltas = {fmt.ACTION: [i / ours.fps for i in range(length)]}
    chunked = LeRobotDataset("local/check", root=directory, delta_timestamps=deltas)
    actions = ours.actions(0)
    for step in range(len(actions)):
        item = chunked[step]
        real = min(length, len(actions) - step)
        np.testing.assert_array_equal(item[fmt.ACTION].numpy()[:real], actions[step : step + real])
        assert item["action_is_pad"].tolist() == [i >= real for i in range(length)], f"chunk at frame {step}"


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    compared = main(Path(sys.argv[1]))
    print(f"lerobot {lerobot_version} gives all {compared} frames of {sys.argv[1]} exactly as our own reader")
