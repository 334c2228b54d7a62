"""features.json of a TFDS data set: what an episode's fields are, and how their values stand in a tf.train.Example.

Keys are '/'-joined paths (`steps/observation/image_0`). A field of the steps holds its T values end to end: pictures,
text and tensors stored as bytes one string each, floats (float64 too, as float32) in a float list, integers, bool and
uint8 in an int64 list.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from polymath.data.formats.rlds.field_maps import REMEDY, FieldMap, Part
from polymath.errors import DataError
from polymath.types import Embodiment

LANGUAGE = ("language_instruction", "observation/natural_language_instruction")
STATES = ("observation/state", "observation/proprio", "observation/robot_state")


@dataclass(frozen=True)
class Feature:
    """kind: image, text or tensor; encoding of a tensor: none, bytes or zlib. An unknown size in `shape` is -1."""

    kind: str
    dtype: str = "uint8"
    shape: tuple[int, ...] = ()
    encoding: str = "none"

    @property
    def is_camera(self) -> bool:
        """Encoded pictures, or colours as they are."""
        return self.kind == "image" or (
            self.kind == "tensor" and self.dtype == "uint8" and len(self.shape) == 3 and self.shape[2] == 3
        )

    @property
    def not_colour(self) -> str | None:
        """Why a camera has no colour pictures, if it has none."""
        if self.dtype != "uint8":
            return f"its pixels are {self.dtype}"
        return "it has one channel" if len(self.shape) == 3 and self.shape[2] == 1 else None


def read_features(described: dict[str, Any], prefix: str = "") -> dict[str, Feature]:
    """Path -> feature, without the ones of other kinds (nested ragged sequences, videos)."""
    if "featuresDict" in described:
        fields: dict[str, Feature] = {}
        for name, inner in described["featuresDict"]["features"].items():
            fields |= read_features(inner, f"{prefix}/{name}" if prefix else name)
        return fields
    if "sequence" in described:
        return read_features(described["sequence"]["feature"], prefix)
    for kind in ("image", "text", "tensor"):
        if kind in described:
            inner = described[kind]
            shape = tuple(int(size or -1) for size in inner.get("shape", {}).get("dimensions", ()))
            return {prefix: Feature(kind, inner.get("dtype", "uint8"), shape, inner.get("encoding") or "none")}
    return {}


def decode_field(feature: Feature, values: Any, steps: int, where: str) -> Any:
    """[T, *shape] in the feature's dtype; a list of str for text, of bytes for pictures.

    Raises DataError if there are not T values, or if they are not of the feature's kind and dtype.
    """
    if feature.kind == "image":
        return _of_length(values, steps, where)
    if feature.kind == "text":
        return [_decoded(text, where) for text in _of_length(values, steps, where)]
    if min(feature.shape, default=0) < 0:
        raise DataError(f"{where}: its shape {feature.shape} is not fixed; {REMEDY}", "schema")
    try:
        if feature.encoding != "none":
            raw = _of_length(values, steps, where)
            raw = [zlib.decompress(item) for item in raw] if feature.encoding == "zlib" else raw
            values = np.frombuffer(b"".join(raw), feature.dtype)
        dtype = np.dtype(feature.dtype)
        values = np.asarray(values)
    except (TypeError, ValueError, zlib.error) as error:
        raise DataError(f"{where}: cannot be read as {feature.dtype} ({error}); drop the episode", "schema") from None
    width = int(np.prod(feature.shape)) if feature.shape else 1
    if values.size != steps * width:
        raise DataError(f"{where}: {values.size} numbers, expected {steps} steps of {feature.shape}; drop it", "width")
    if dtype.kind not in "fiub" or values.dtype.kind not in "fiub":
        raise DataError(f"{where}: {values.dtype} values are no {feature.dtype}; drop the episode", "schema")
    if dtype.kind in "iu" and (values.min() < np.iinfo(dtype).min or values.max() > np.iinfo(dtype).max):
        raise DataError(f"{where}: holds numbers that are no {feature.dtype}; drop the episode", "schema")
    return values.astype(dtype).reshape(steps, *feature.shape)


def generic(features: dict[str, Feature], name: str, where: str = "features.json") -> FieldMap:
    """A map for a data set that is in no table: colour cameras, the state, the action and the language as they are.

    Raises DataError naming the file by `where`, what is missing, and where a FieldMap is taken.
    """
    steps = {path.removeprefix("steps/"): f for path, f in features.items() if path.startswith("steps/")}
    images = tuple(path for path, f in steps.items() if f.is_camera and not f.not_colour)
    vectors = {p: f for p, f in steps.items() if f.kind == "tensor" and f.dtype.startswith("float")}
    vectors = {p: f for p, f in vectors.items() if len(f.shape) < 2}
    state = [path for path in STATES if path in vectors][:1]
    state = state or [p for p in vectors if p.startswith("observation/") and vectors[p].shape]
    action = ["action"] if "action" in vectors else [p for p in vectors if p.startswith("action/")]
    language = [path for path in LANGUAGE if path in steps]
    for paths, role in ((images, "picture"), (state, "state"), (action, "action"), (language, "instruction")):
        if not paths:
            there = ", ".join([*steps, *left_out(features)]) or "none"
            raise DataError(f"{where}: has no field for the {role} among the steps' fields {there}; {REMEDY}", "schema")
    for path in (*state, *action):
        if min(vectors[path].shape, default=0) < 0:
            raise DataError(f"{where}, steps/{path}: its width is not fixed; {REMEDY}", "schema")
    robot = Embodiment(
        name=name,
        slot=0,
        cameras=_short_names(images),
        state_names=_dimensions(state, vectors),
        action_names=_dimensions(action, vectors),
        gripper_dims=(),
        control_hz=0.0,
        action_space="as recorded",
        state_space="as recorded",
    )
    return FieldMap(robot, images, tuple(map(Part, state)), tuple(map(Part, action)), language[0])


def left_out(features: dict[str, Feature]) -> tuple[str, ...]:
    """Cameras that `generic` takes for depth, with the reason."""
    return tuple(
        f"camera {path.rpartition('/')[2]!r} is left out: {feature.not_colour}, no colour picture"
        for path, feature in features.items()
        if feature.is_camera and feature.not_colour
    )


def _short_names(paths: Sequence[str]) -> tuple[str, ...]:
    """The last part of each path, or the whole where two end alike."""
    short = tuple(path.rpartition("/")[2] for path in paths)
    return short if len(set(short)) == len(short) else tuple(paths)


def _dimensions(paths: list[str], features: dict[str, Feature]) -> tuple[str, ...]:
    return tuple(f"{p.rpartition('/')[2]} {i}" for p in paths for i in range(int(np.prod(features[p].shape or (1,)))))


def _of_length(values: Any, steps: int, where: str) -> list[bytes]:
    if not isinstance(values, list) or len(values) != steps:
        raise DataError(f"{where}: not {steps} byte strings, one a step; drop the episode", "schema")
    return values


def _decoded(text: bytes, where: str) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        raise DataError(f"{where}: not UTF-8 ({error.reason}); convert it or drop the episode", "schema") from None
