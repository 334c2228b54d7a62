"""features.json of a TFDS data set: what an episode's fields are, and how their values stand in a tf.train.Example.

Keys are '/'-joined paths (`steps/observation/image_0`). A field of the steps holds its T values end to end: pictures,
text and tensors stored as bytes one string each, floats (float64 too, as float32) in a float list, integers, bool and
uint8 in an int64 list.
"""

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from polymath.data.formats.rlds.field_maps import FieldMap, Part
from polymath.errors import DataError
from polymath.types import Embodiment

LANGUAGE = ("language_instruction", "observation/natural_language_instruction")
STATES = ("observation/state", "observation/proprio", "observation/robot_state")


@dataclass(frozen=True)
class Feature:
    """kind: image, text or tensor; encoding of a tensor: none, bytes or zlib."""

    kind: str
    dtype: str = "uint8"
    shape: tuple[int, ...] = ()
    encoding: str = "none"


def read_features(described: dict[str, Any], prefix: str = "") -> dict[str, Feature]:
    """Path -> feature, without the ones of other kinds (nested ragged sequences, videos)."""
    if "featuresDict" in described:
        found: dict[str, Feature] = {}
        for name, inner in described["featuresDict"]["features"].items():
            found |= read_features(inner, f"{prefix}/{name}" if prefix else name)
        return found
    if "sequence" in described:
        return read_features(described["sequence"]["feature"], prefix)
    for kind in ("image", "text", "tensor"):
        if kind in described:
            inner = described[kind]
            shape = tuple(int(size) for size in inner.get("shape", {}).get("dimensions", ()))
            return {prefix: Feature(kind, inner.get("dtype", "uint8"), shape, inner.get("encoding") or "none")}
    return {}


def decode_field(feature: Feature, values: Any, steps: int, where: str) -> Any:
    """[T, *shape] in the feature's dtype; a list of str for text, of bytes for pictures. DataError if not T values."""
    if feature.kind == "image":
        return _of_length(values, steps, where)
    if feature.kind == "text":
        return [text.decode("utf-8", "replace") for text in _of_length(values, steps, where)]
    if feature.encoding != "none":
        raw = _of_length(values, steps, where)
        raw = [zlib.decompress(item) for item in raw] if feature.encoding == "zlib" else raw
        values = np.frombuffer(b"".join(raw), feature.dtype)
    width = int(np.prod(feature.shape)) if feature.shape else 1
    if len(values) != steps * width:
        raise DataError(f"{where}: {len(values)} numbers, expected {steps} steps of {feature.shape}; drop it", "width")
    return np.asarray(values).astype(feature.dtype).reshape(steps, *feature.shape)


def generic(features: dict[str, Feature], name: str) -> FieldMap:
    """A map for a data set that is in no table: every camera, the state, the action and the language as they are."""
    steps = {path.removeprefix("steps/"): f for path, f in features.items() if path.startswith("steps/")}
    images = tuple(path for path, f in steps.items() if f.kind == "image")
    vectors = {
        p: f for p, f in steps.items() if f.kind == "tensor" and f.dtype.startswith("float") and len(f.shape) < 2
    }
    state = [path for path in STATES if path in vectors][:1]
    state = state or [p for p in vectors if p.startswith("observation/") and vectors[p].shape]
    action = ["action"] if "action" in vectors else [p for p in vectors if p.startswith("action/")]
    language = [path for path in LANGUAGE if path in steps]
    for found, what in ((images, "picture"), (state, "state"), (action, "action"), (language, "instruction")):
        if not found:
            raise DataError(f"{name}/features.json: has no field for the {what}; write a FieldMap for it", "schema")
    robot = Embodiment(
        name=name,
        slot=0,
        cameras=tuple(path.rpartition("/")[2] for path in images),
        state_names=_dimensions(state, vectors),
        action_names=_dimensions(action, vectors),
        gripper_dims=(),
        control_hz=0.0,
        action_space="as recorded",
        state_space="as recorded",
    )
    return FieldMap(robot, images, tuple(map(Part, state)), tuple(map(Part, action)), language[0])


def _dimensions(paths: list[str], features: dict[str, Feature]) -> tuple[str, ...]:
    return tuple(f"{p.rpartition('/')[2]} {i}" for p in paths for i in range(int(np.prod(features[p].shape or (1,)))))


def _of_length(values: Any, steps: int, where: str) -> list[bytes]:
    if not isinstance(values, list) or len(values) != steps:
        raise DataError(f"{where}: not {steps} byte strings, one a step; drop the episode", "schema")
    return values
