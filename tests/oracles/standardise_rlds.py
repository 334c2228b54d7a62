"""Writes a small RLDS data set for each row of `field_maps` with the real `tensorflow_datasets`, and beside it what
Octo's own standardisation makes of it.

    python tests/oracles/standardise_rlds.py OCTO OUT_DIR

OCTO is a checkout of octo-models/octo, of which octo/data is imported (it wants importlib_resources too).
OUT_DIR/NAME/1.0.0 are the data sets: fields as the catalogue of tensorflow-datasets lists them, made-up contents;
OUT_DIR/expected/NAME.npz holds action_E, proprio_E and language_E of episode E after
`OXE_STANDARDIZATION_TRANSFORMS[NAME]`. Data sets that Octo has no transform for are left out.
"""

import shutil
import sys
import zlib
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

LENGTHS = (7, 5)
TEXT = tfds.features.Text()
PICTURE = tfds.features.Image(shape=(8, 8, 3), encoding_format="png")
FLAG = tfds.features.Scalar(np.bool_)


def floats(*shape: int, **options: Any) -> tfds.features.Tensor:
    return tfds.features.Tensor(shape=shape, dtype=np.float32, **options)


MOTION = {"world_vector": floats(3), "rotation_delta": floats(3)}
LANGUAGE = {"natural_language_instruction": TEXT}
SCHEMAS: dict[str, dict[str, Any]] = {
    "bridge_dataset": {
        "observation": {"image_0": PICTURE, "image_1": PICTURE, "state": floats(7)},
        "action": floats(7),
        "language_instruction": TEXT,
    },
    "fractal20220817_data": {
        "observation": {
            "image": PICTURE,
            "base_pose_tool_reached": floats(7),
            "gripper_closed": floats(1),
            **LANGUAGE,
        },
        "action": {**MOTION, "gripper_closedness_action": floats(1)},
    },
    "kuka": {
        "observation": {
            "image": PICTURE,
            "clip_function_input/base_pose_tool_reached": floats(7, encoding="zlib"),
            "gripper_closed": floats(1, encoding="zlib"),
            **LANGUAGE,
        },
        "action": {**MOTION, "gripper_closedness_action": floats(1)},
    },
    "taco_play": {
        "observation": {"rgb_static": PICTURE, "rgb_gripper": PICTURE, "robot_obs": floats(15), **LANGUAGE},
        "action": {"rel_actions_world": floats(7)},
    },
    "jaco_play": {
        "observation": {
            "image": PICTURE,
            "image_wrist": PICTURE,
            "end_effector_cartesian_pos": floats(7),
            **LANGUAGE,
        },
        "action": {"world_vector": floats(3), "gripper_closedness_action": floats(1)},
    },
    "berkeley_autolab_ur5": {
        "observation": {
            "image": PICTURE,
            "hand_image": PICTURE,
            "image_with_depth": floats(2, 2, 1),
            "robot_state": floats(15),
            **LANGUAGE,
        },
        "action": {**MOTION, "gripper_closedness_action": tfds.features.Scalar(np.float32)},
    },
    "bc_z": {
        "observation": {
            "image": PICTURE,
            "present/xyz": floats(3),
            "present/axis_angle": floats(3),
            "present/sensed_close": floats(1),
            **LANGUAGE,
        },
        "action": {
            "future/xyz_residual": floats(30),
            "future/axis_angle_residual": floats(30),
            "future/target_close": tfds.features.Tensor(shape=(10,), dtype=np.int64),
        },
    },
    "berkeley_fanuc_manipulation": {
        "observation": {"image": PICTURE, "wrist_image": PICTURE, "state": floats(13)},
        "action": floats(6),
        "language_instruction": TEXT,
    },
    "cmu_stretch": {
        "observation": {"image": PICTURE, "state": floats(4)},
        "action": floats(8),
        "language_instruction": TEXT,
    },
    "language_table": {
        "observation": {
            "rgb": PICTURE,
            "effector_translation": floats(2),
            "instruction": tfds.features.Tensor(shape=(512,), dtype=np.int32),
        },
        "action": floats(2),
    },
    "maniskill_dataset_converted_externally_to_rlds": {
        "observation": {"image": PICTURE, "wrist_image": PICTURE, "state": floats(18), "tcp_pose": floats(7)},
        "action": floats(7),
        "language_instruction": TEXT,
    },
}


def made_up(name: str, feature: Any, rng: np.random.Generator) -> Any:
    """A value of the feature. Grippers' commands are 0 in between; the last number of a vector covers [-0.2, 1.2]."""
    if isinstance(feature, dict):
        return {key: made_up(key, inner, rng) for key, inner in feature.items()}
    if feature is TEXT:
        return "put the spoon № 1 on the towel"
    if feature is PICTURE:
        return rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    if feature is FLAG:
        return False
    if name == "instruction":
        sentence = np.array([ord(letter) for letter in "push the red star left"], np.int32)
        return np.pad(sentence, (0, 512 - len(sentence)))
    if name == "gripper_closedness_action":
        return np.full(feature.shape, rng.choice([-1, 0, 0, 1]), np.float32)
    if feature.np_dtype == np.int64:
        return rng.integers(0, 2, feature.shape)
    values = rng.normal(size=feature.shape).astype(np.float32)
    values[..., -1:] = rng.choice([-0.2, 0.0, 0.02, 0.3, 0.6, 0.97, 1.0, 1.2], values[..., -1:].shape)
    return values


def builder(name: str, schema: dict[str, Any], out: Path) -> tfds.core.DatasetBuilder:
    step = {**schema, "is_first": FLAG, "is_last": FLAG}

    def episodes() -> Any:
        for e, length in enumerate(LENGTHS):
            rng = np.random.default_rng((e, len(name)))
            steps = [made_up("", step, rng) for _ in range(length)]
            steps[0]["is_first"] = steps[-1]["is_last"] = True
            yield e, {"steps": steps}

    return tfds.dataset_builders.store_as_tfds_dataset(
        name=name,
        version="1.0.0",
        features=tfds.features.FeaturesDict({"steps": tfds.features.Dataset(step)}),
        split_datasets={"train": list(episodes())},
        data_dir=out,
    )


def trajectory(steps: Any, schema: dict[str, Any]) -> dict[str, Any]:
    """The episode with a leading time axis, as Octo's pipeline has it: floats stored as zlib are still compressed."""
    batched = next(iter(steps.batch(100)))
    return {key: value for key, value in batched.items() if key in (*schema, "is_first")}


def main(octo: Path, out: Path) -> None:
    sys.path.insert(0, str(octo))
    sys.modules["dlimp"] = MagicMock()  # Octo's pipeline, not on PyPI; no transform uses it
    from octo.data.oxe.oxe_standardization_transforms import OXE_STANDARDIZATION_TRANSFORMS

    shutil.rmtree(out, ignore_errors=True)
    (out / "expected").mkdir(parents=True)
    for name, schema in SCHEMAS.items():
        built, expected = builder(name, schema, out), {}
        for e, episode in enumerate(built.as_dataset(split="train", shuffle_files=False)):
            standardised = OXE_STANDARDIZATION_TRANSFORMS[name](compressed(name, trajectory(episode["steps"], schema)))
            expected[f"action_{e}"] = standardised["action"].numpy()
            expected[f"proprio_{e}"] = standardised["observation"]["proprio"].numpy()
            expected[f"language_{e}"] = np.frombuffer(sentence(name, standardised), np.uint8)
        np.savez_compressed(out / "expected" / f"{name}.npz", **expected)
    shutil.rmtree(out / "downloads")


def compressed(name: str, episode: dict[str, Any]) -> dict[str, Any]:
    """Octo reads Kuka's state before tfds has decompressed it."""
    if name == "kuka":
        for field in ("clip_function_input/base_pose_tool_reached", "gripper_closed"):
            rows = episode["observation"][field].numpy()
            episode["observation"][field] = tf.constant([zlib.compress(row.tobytes()) for row in rows])
    return episode


def sentence(name: str, standardised: dict[str, Any]) -> bytes:
    """Kuka's "pick anything" is emptied by Octo; we keep what the robot was told."""
    if name == "kuka":
        return standardised["observation"]["natural_language_instruction"].numpy()[0]
    return standardised["language_instruction"].numpy()[0]


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
