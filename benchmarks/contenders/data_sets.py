"""Data sets of made-up pictures to time readers on, written by the formats' own libraries.

    .venv-tfds/bin/python benchmarks/contenders/data_sets.py rlds OUT         BridgeData V2's fields, four cameras
    .venv-lerobot/bin/python benchmarks/contenders/data_sets.py video OUT     LeRobotDataset v3.0, two cameras, AV1
    .venv-lerobot/bin/python benchmarks/contenders/data_sets.py image OUT     the same with PNG in Parquet

Pictures of 256 x 256: smooth shapes that move, and sensor noise of standard deviation 3, so that JPEGs have about the
size of real ones.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

SIDE, STEPS, FPS = 256, 50, 10
EPISODES = {"rlds": 30, "video": 30, "image": 10}
CAMERAS = ("front", "wrist")


def pictures(seed: int, cameras: int) -> Iterator[list[np.ndarray]]:
    """The cameras' pictures of each step of an episode."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    waves = rng.uniform(1, 12, (cameras, 6, 2))
    shades = rng.uniform(-40, 40, (cameras, 6, 3))
    for t in range(STEPS):
        images = []
        for c in range(cameras):
            image = np.full((SIDE, SIDE, 3), 128.0)
            for (u, v), shade in zip(waves[c], shades[c], strict=True):
                image += np.sin(2 * np.pi * (u * x + v * y) + 0.1 * t)[..., None] * shade
            image[40 + t : 90 + t, 60 + 2 * t : 110 + 2 * t] = 255 * (shades[c, 0] > 0)
            images.append(np.clip(image + rng.normal(0, 3, image.shape), 0, 255).astype(np.uint8))
        yield images


def rlds(out: Path) -> None:
    import tensorflow_datasets as tfds

    vector = tfds.features.Tensor(shape=(7,), dtype=np.float32)
    flag = tfds.features.Scalar(np.bool_)

    class BridgeDataset(tfds.core.GeneratorBasedBuilder):
        VERSION = tfds.core.Version("1.0.0")

        def _info(self) -> Any:
            image = tfds.features.Image(shape=(SIDE, SIDE, 3), encoding_format="jpeg")
            step = {
                "observation": {**{f"image_{i}": image for i in range(4)}, "state": vector},
                "action": vector,
                "is_first": flag,
                "is_last": flag,
                "language_instruction": tfds.features.Text(),
            }
            features = tfds.features.FeaturesDict({"steps": tfds.features.Dataset(step)})
            return tfds.core.DatasetInfo(builder=self, features=features)

        def _split_generators(self, _: object) -> dict[str, Any]:
            return {"train": self._generate_examples()}

        def _generate_examples(self) -> Iterator[tuple[int, dict[str, Any]]]:
            for e in range(EPISODES["rlds"]):
                numbers = np.random.default_rng((1, e)).normal(size=(STEPS, 2, 7)).astype(np.float32)
                steps = [
                    {
                        "observation": {**{f"image_{i}": p for i, p in enumerate(images)}, "state": numbers[t, 0]},
                        "action": numbers[t, 1],
                        "is_first": t == 0,
                        "is_last": t == STEPS - 1,
                        "language_instruction": "put the spoon on the towel",
                    }
                    for t, images in enumerate(pictures(e, 4))
                ]
                yield e, {"steps": steps}

    BridgeDataset(data_dir=str(out)).download_and_prepare()


def lerobot(out: Path, video: bool) -> None:
    os.environ["HF_HUB_OFFLINE"] = "1"
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    image = {"dtype": "video" if video else "image", "shape": (SIDE, SIDE, 3), "names": ["height", "width", "channels"]}
    vector = {"dtype": "float32", "shape": (7,), "names": [f"joint {i}" for i in range(7)]}
    features = {"observation.state": vector, "action": vector}
    features |= {f"observation.images.{camera}": image for camera in CAMERAS}
    data = LeRobotDataset.create("local/benchmark", FPS, features, root=out, robot_type="arm", use_videos=video)
    for e in range(EPISODES["video" if video else "image"]):
        numbers = np.random.default_rng((1, e)).normal(size=(STEPS, 2, 7)).astype(np.float32)
        for t, images in enumerate(pictures(e, len(CAMERAS))):
            frame = {f"observation.images.{camera}": p for camera, p in zip(CAMERAS, images, strict=True)}
            frame |= {"observation.state": numbers[t, 0], "action": numbers[t, 1]}
            data.add_frame({**frame, "task": "put the spoon on the towel"})
        data.save_episode()
    data.finalize()


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in ("rlds", "video", "image"):
        sys.exit(__doc__)
    kind, place = sys.argv[1], Path(sys.argv[2])
    if kind == "rlds":
        rlds(place)
    else:
        lerobot(place, kind == "video")
