"""Writes a small data set with the real `lerobot`, and beside it what was written and what lerobot reads back.

    python tests/oracles/write_lerobot.py OUT_DIR {image,video}
    python tests/oracles/write_lerobot.py OUT_DIR read

lerobot 0.4 and newer write version 3.0, lerobot 0.3 writes version 2.1: `make fixtures` runs the first line with both.
Version 2.0 is older than any release; the checkout before commit 3354d91 of huggingface/lerobot writes it, with
PYTHONPATH=CHECKOUT. The second line, for newer ones only (the decoder of 0.3 has gone from torchvision), fills in the
pictures of videos.
OUT_DIR/expected.npz holds states_E and actions_E [T, 4] as given to the writer and frames_E [T, 2, 32, 32, 3], the
given pictures, or for videos those that lerobot itself decodes.
"""

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_CACHE"] = tempfile.mkdtemp(prefix="lerobot-fixture-")

import numpy as np

try:
    from lerobot.datasets.lerobot_dataset import CODEBASE_VERSION, LeRobotDataset
except ImportError:
    from lerobot.common.datasets.lerobot_dataset import CODEBASE_VERSION, LeRobotDataset

SIZE, FPS, LENGTHS = 32, 10, (5, 7, 4)
CAMERAS = ("front", "wrist")
INSTRUCTIONS = ("open the drawer", "Öffne die Schublade", "open the drawer")


def episodes() -> list[dict[str, np.ndarray]]:
    """Numbers at random; pictures of moving squares on a slope, which a video codec can hold."""
    rng = np.random.default_rng(7)
    result = []
    for length in LENGTHS:
        y, x = np.mgrid[:SIZE, :SIZE]
        slope = np.stack([4 * x + 60, 4 * y + 60, 2 * (x + y) + 60], axis=-1).astype(np.uint8)
        frames = np.tile(slope, (length, len(CAMERAS), 1, 1, 1))
        for t in range(length):
            for c in range(len(CAMERAS)):
                frames[t, c, 2 * t : 2 * t + 8, 4 + 10 * c : 12 + 10 * c] = rng.integers(0, 256, 3)
        states, actions = rng.normal(size=(length, 4)), rng.uniform(-1, 1, (length, 4))
        result.append({"states": states.astype(np.float32), "actions": actions.astype(np.float32), "frames": frames})
    return result


def write(out: Path, video: bool) -> list[dict[str, np.ndarray]]:
    kind = {"dtype": "video" if video else "image", "shape": (SIZE, SIZE, 3), "names": ["height", "width", "channels"]}
    names = ["x", "y", "z", "gripper"]
    features = {
        "observation.state": {"dtype": "float32", "shape": (4,), "names": names},
        "action": {"dtype": "float32", "shape": (4,), "names": [f"d{name}" for name in names]},
        **{f"observation.images.{camera}": kind for camera in CAMERAS},
    }
    options = {"root": out, "robot_type": "test-arm", "use_videos": video}
    data = LeRobotDataset.create("local/fixture", FPS, features=features, **options)
    written = episodes()
    for episode, instruction in zip(written, INSTRUCTIONS, strict=True):
        for t in range(len(episode["actions"])):
            frame = {"observation.state": episode["states"][t], "action": episode["actions"][t]}
            frame |= {f"observation.images.{camera}": episode["frames"][t, c] for c, camera in enumerate(CAMERAS)}
            add_frame(data, frame, instruction)
        data.save_episode(*[instruction] if CODEBASE_VERSION == "v2.0" else [])
    if CODEBASE_VERSION == "v2.0":
        data.consolidate()
    if CODEBASE_VERSION == "v3.0":
        data.finalize()
    return written


def add_frame(data: LeRobotDataset, frame: dict[str, np.ndarray], instruction: str) -> None:
    """Version 3.0 takes the task within the frame, 2.1 beside it, 2.0 with the episode."""
    if CODEBASE_VERSION == "v2.0":
        data.add_frame(frame)
    elif CODEBASE_VERSION == "v2.1":
        data.add_frame(frame, task=instruction)
    else:
        data.add_frame({**frame, "task": instruction})


def read_back(out: Path, written: list[dict[str, np.ndarray]]) -> None:
    """Replace the pictures by those that lerobot decodes."""
    from lerobot.datasets.video_utils import decode_video_frames

    info = json.loads((out / "meta" / "info.json").read_text())
    start = 0.0
    for e, episode in enumerate(written):
        times = [start + t / FPS for t in range(len(episode["actions"]))]
        for c, camera in enumerate(CAMERAS):
            names = {"video_key": f"observation.images.{camera}", "chunk_index": 0, "file_index": 0}
            file = out / info["video_path"].format(**names, episode_chunk=0, episode_index=e)
            pictures = decode_video_frames(file, times, 1e-4, "pyav")
            # float32 [T, 3, h, w] in [0, 1]
            episode["frames"][:, c] = np.rint(pictures.numpy().transpose(0, 2, 3, 1) * 255)
        start += len(times) / FPS if info["codebase_version"] == "v3.0" else 0.0


def main(out: Path, kind: str) -> None:
    if kind == "read":
        written = episodes()
        read_back(out, written)
    else:
        shutil.rmtree(out, ignore_errors=True)
        written = write(out, kind == "video")
    shutil.rmtree(out / "images", ignore_errors=True)  # what lerobot leaves of its temporary pictures
    arrays = {f"{name}_{i}": value for i, episode in enumerate(written) for name, value in episode.items()}
    np.savez_compressed(out / "expected.npz", **arrays)


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[2] not in ("image", "video", "read"):
        sys.exit(__doc__)
    main(Path(sys.argv[1]), sys.argv[2])
