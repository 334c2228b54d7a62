"""Writes small RLDS data sets with the real `tensorflow_datasets`, and beside each what tfds itself reads back.

    python tests/oracles/write_tfds.py OUT_DIR

OUT_DIR/{tfrecord,array_record}/NAME/1.0.0/…   the data sets
OUT_DIR/expected/NAME.npz                       PATH_E for every field of episode E as tfds decodes it (JPEG: the bytes)
"""

import shutil
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

LENGTHS = (4, 6, 3)
IMAGE = tfds.features.Image(shape=(24, 32, 3), encoding_format="jpeg")


def vector(width: int, dtype: type = np.float32) -> tfds.features.Tensor:
    return tfds.features.Tensor(shape=(width,), dtype=dtype)


STEP = {
    "discount": tfds.features.Scalar(np.float32),
    "reward": tfds.features.Scalar(np.float32),
    "is_first": tfds.features.Scalar(np.bool_),
    "is_last": tfds.features.Scalar(np.bool_),
    "is_terminal": tfds.features.Scalar(np.bool_),
}


def picture(rng: np.random.Generator) -> np.ndarray:
    y, x = np.mgrid[:24, :32]
    image = np.stack([6 * x + 40, 6 * y + 40, 3 * (x + y) + 40], axis=-1).astype(np.uint8)
    row, column = rng.integers(0, 16, 2)
    image[row : row + 8, column : column + 8] = rng.integers(0, 256, 3)
    return image


def markers(t: int, length: int) -> dict:
    last = t == length - 1
    return {"discount": 1.0, "reward": float(last), "is_first": t == 0, "is_last": last, "is_terminal": last}


class BridgeDataset(tfds.core.GeneratorBasedBuilder):
    """The schema of the official BridgeData V2 builder, with smaller pictures."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> tfds.core.DatasetInfo:
        observation = {**{f"image_{i}": IMAGE for i in range(4)}, "state": vector(7)}
        step = {
            "observation": observation,
            "action": vector(7),
            **STEP,
            "language_instruction": tfds.features.Text(),
            "language_embedding": vector(16),
        }
        metadata = {
            "file_path": tfds.features.Text(),
            "has_image_0": tfds.features.Scalar(np.bool_),
            "has_language": tfds.features.Scalar(np.bool_),
            "episode_id": tfds.features.Scalar(np.int32),
        }
        features = {"steps": tfds.features.Dataset(step), "episode_metadata": metadata}
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, _: object) -> dict:
        return {"train": self._generate_examples(0), "val": self._generate_examples(1)}

    def _generate_examples(self, seed: int):
        for e, length in enumerate(LENGTHS):
            rng = np.random.default_rng((seed, e))
            steps = [self.step(rng, t, length, e) for t in range(length)]
            path = f"/nfs/raw/{e}.npy"
            facts = {"file_path": path, "has_image_0": True, "has_language": e != 2, "episode_id": e - 1}
            yield path, {"steps": steps, "episode_metadata": facts}

    def step(self, rng: np.random.Generator, t: int, length: int, episode: int) -> dict:
        black = np.zeros((24, 32, 3), np.uint8)
        images = {"image_0": picture(rng), "image_1": picture(rng), "image_2": black, "image_3": black}
        grip = [0.97, 0.5, 0.3, 0.02, 0.6, 1.0][t]
        action = np.concatenate([rng.normal(0, 0.02, 6), [grip]]) if t < length - 1 else np.zeros(7)
        return {
            "observation": {**images, "state": rng.normal(size=7).astype(np.float32)},
            "action": action.astype(np.float32),
            **markers(t, length),
            "language_instruction": "" if episode == 2 else f"put the spoon № {episode} on the towel",
            "language_embedding": rng.normal(size=16).astype(np.float32),
        }


class Fractal20220817Data(tfds.core.GeneratorBasedBuilder):
    """The fields of RT-1's data that the standardisation reads: nested actions, language in the observation."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> tfds.core.DatasetInfo:
        observation = {
            "image": IMAGE,
            "natural_language_instruction": tfds.features.Text(),
            "base_pose_tool_reached": vector(7),
            "gripper_closed": vector(1),
        }
        action = {
            "world_vector": vector(3),
            "rotation_delta": vector(3),
            "gripper_closedness_action": vector(1),
            "terminate_episode": vector(3, np.int32),
        }
        step = {"observation": observation, "action": action, **STEP}
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict({"steps": tfds.features.Dataset(step)})
        )

    def _split_generators(self, _: object) -> dict:
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        for e, length in enumerate(LENGTHS):
            rng = np.random.default_rng((2, e))
            yield e, {"steps": [self.step(rng, t, length) for t in range(length)]}

    def step(self, rng: np.random.Generator, t: int, length: int) -> dict:
        return {
            "observation": {
                "image": picture(rng),
                "natural_language_instruction": "pick coke can",
                "base_pose_tool_reached": rng.normal(size=7).astype(np.float32),
                "gripper_closed": rng.uniform(size=1).astype(np.float32),
            },
            "action": {
                "world_vector": rng.normal(size=3).astype(np.float32),
                "rotation_delta": rng.normal(size=3).astype(np.float32),
                "gripper_closedness_action": np.array([[0, 0, 1, 0, -1, 0][t]], np.float32),
                "terminate_episode": np.array([0, 1, -5], np.int32),
            },
            **markers(t, length),
        }


class AllKinds(tfds.core.GeneratorBasedBuilder):
    """Every kind of number that a feature may have, and pictures as PNG."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> tfds.core.DatasetInfo:
        kinds = {"f64": np.float64, "u8": np.uint8, "i32": np.int32, "i64": np.int64, "b": np.bool_}
        observation = {name: tfds.features.Tensor(shape=(2, 3), dtype=kind) for name, kind in kinds.items()}
        observation["image"] = tfds.features.Image(shape=(24, 32, 3), encoding_format="png")
        observation["state"] = vector(3)
        observation["zlib"] = tfds.features.Tensor(shape=(5,), dtype=np.float32, encoding="zlib")
        observation["raw"] = tfds.features.Tensor(shape=(5,), dtype=np.float32, encoding="bytes")
        step = {"observation": observation, "action": vector(2), **STEP, "language_instruction": tfds.features.Text()}
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict({"steps": tfds.features.Dataset(step)})
        )

    def _split_generators(self, _: object) -> dict:
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        for e, length in enumerate(LENGTHS):
            rng = np.random.default_rng((3, e))
            yield e, {"steps": [self.step(rng, t, length) for t in range(length)]}

    def step(self, rng: np.random.Generator, t: int, length: int) -> dict:
        whole = rng.integers(-(2**31), 2**31, (2, 3))
        observation = {
            "f64": rng.normal(size=(2, 3)),
            "u8": rng.integers(0, 256, (2, 3), dtype=np.uint8),
            "i32": whole.astype(np.int32),
            "i64": whole << 20,
            "b": whole > 0,
            "image": picture(rng),
            "state": rng.normal(size=3).astype(np.float32),
            "zlib": rng.normal(size=5).astype(np.float32),
            "raw": rng.normal(size=5).astype(np.float32),
        }
        action = rng.uniform(-1, 1, 2).astype(np.float32)
        return {"observation": observation, "action": action, **markers(t, length), "language_instruction": "turn it"}


def expected(builder: tfds.core.DatasetBuilder, split: str) -> dict[str, np.ndarray]:
    """Every field as tfds gives it; pictures as their encoded bytes."""
    decoders = {"steps": {"observation": {}}}
    for name, feature in builder.info.features["steps"]["observation"].items():
        if isinstance(feature, tfds.features.Image):
            decoders["steps"]["observation"][name] = tfds.decode.SkipDecoding()
    arrays = {}
    for e, episode in enumerate(builder.as_dataset(split=split, decoders=decoders, shuffle_files=False)):
        steps = [tf.nest.map_structure(lambda value: value.numpy(), step) for step in episode["steps"]]
        for path, _ in _flat(steps[0], ""):
            values = [dict(_flat(step, ""))[path] for step in steps]
            dtype = object if isinstance(values[0], bytes) else None
            array = np.array(values, dtype)
            arrays[f"{path.replace('/', '.')}_{e}"] = _bytes_array(values) if dtype else array
    return arrays


def _bytes_array(values: list[bytes]) -> np.ndarray:
    """Byte strings end to end, with their lengths in front: no pickled objects in the npz."""
    lengths = np.array([len(value) for value in values], "<i8")
    head = np.frombuffer(np.array([len(values)], "<i8").tobytes() + lengths.tobytes(), np.uint8)
    return np.concatenate([head, np.frombuffer(b"".join(values), np.uint8)])


def _flat(tree: dict, prefix: str) -> list[tuple[str, object]]:
    leaves = []
    for name, value in tree.items():
        path = f"{prefix}/{name}" if prefix else name
        leaves += _flat(value, path) if isinstance(value, dict) else [(path, value)]
    return leaves


def main(out: Path) -> None:
    shutil.rmtree(out, ignore_errors=True)
    (out / "expected").mkdir(parents=True)
    for kind, makers in (
        ("tfrecord", (BridgeDataset, Fractal20220817Data, AllKinds)),
        ("array_record", (BridgeDataset,)),
    ):
        for make in makers:
            builder = make(data_dir=str(out / kind), file_format=kind)
            config = tfds.download.DownloadConfig(num_shards=2)
            builder.download_and_prepare(download_config=config)
            if kind == "tfrecord":
                for split in builder.info.splits:
                    np.savez_compressed(out / "expected" / f"{builder.name}-{split}.npz", **expected(builder, split))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
