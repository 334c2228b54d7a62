"""meta/info.json of a LeRobotDataset as typed values: read once, checked field by field, trusted from then on."""

import json
import math
import reprlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polymath.data.files.video import is_measurement
from polymath.data.formats.lerobot import layout as fmt
from polymath.errors import DataError

# Control rates outside of these are a damaged number or another unit.
SLOWEST, FASTEST = 1e-3, 1e5
WIDEST = 100_000  # numbers in a vector
CHANNEL_NAMES, CHANNELS = ("channel", "channels", "c"), (1, 3, 4)
# What the path templates of all versions may name, with a value to try them with.
PLACEHOLDERS = {"chunk_index": 0, "file_index": 0, "episode_chunk": 0, "episode_index": 0, "video_key": "camera"}


@dataclass(frozen=True)
class Feature:
    """One column of the set. `shape` is None where info.json has none that can be used (`written` is what it has)."""

    key: str
    dtype: str
    shape: tuple[int, ...] | None
    names: Any
    info: dict[str, Any]
    written: Any

    @property
    def is_picture(self) -> bool:
        return self.dtype in ("image", "video")

    @property
    def channels(self) -> int | None:
        """Of a picture: the axis that is named so if it can be one, else the last or the first; None if unknown."""
        if self.shape is None or len(self.shape) not in (2, 3):
            return None
        if len(self.shape) == 2:
            return 1
        names = [str(name).lower() for name in self.names] if isinstance(self.names, list) else []
        named = [axis for axis, name in enumerate(names) if name in CHANNEL_NAMES and axis < 3]
        return next((self.shape[axis] for axis in (*named, 2, 0) if self.shape[axis] in CHANNELS), None)

    @property
    def depth(self) -> str | None:
        """Why a picture is no colour picture, in words; None if it may be one."""
        if any(self.info.get(name) for name in ("is_depth_map", "video.is_depth_map")):
            return "is_depth_map"
        pixels = self.info.get("video.pix_fmt")
        if isinstance(pixels, str) and is_measurement(pixels):
            return f"pixels are {pixels}"
        channels = self.channels
        return "1 channel" if channels == 1 else None

    @property
    def short(self) -> str:
        """The key without what all keys of its kind share: `front` of observation.images.front."""
        return self.key.removeprefix(fmt.IMAGES).removeprefix("observation.")


@dataclass(frozen=True)
class Info:
    """`fps` is in control steps a second; `video_path` and the totals are None where info.json has none."""

    file: Path
    version: str
    fps: float
    robot_type: str
    features: dict[str, Feature]
    data_path: str
    video_path: str | None
    chunks_size: int
    total_episodes: int | None
    total_frames: int | None

    @property
    def is_v3(self) -> bool:
        return self.version == fmt.VERSION

    def vector(self, key: str) -> Feature:
        """The feature of a state or action vector. Raises DataError if it has no size."""
        feature = self.features[key]
        if feature.is_picture:
            raise DataError(f"{self.file}, features.{key}.dtype: {feature.dtype!r}, a picture, is no vector", "schema")
        written = reprlib.repr(feature.written)
        if not feature.shape:
            message = f"{self.file}, features.{key}.shape: {written} is no list of sizes; write [width]"
            raise DataError(message, "schema")
        if math.prod(feature.shape) > WIDEST:
            message = f"{self.file}, features.{key}.shape: {written} is more than {WIDEST} numbers; correct it"
            raise DataError(message, "schema")
        return feature


def read_info(root: Path) -> Info:
    """Raises DataError naming file, field and remedy for what is missing, of another type or of another version."""
    file = root / "meta" / "info.json"
    raw = read_json(file)
    version = raw.get("codebase_version")
    if version not in fmt.READABLE:
        raise DataError(
            f"{file}, codebase_version: {version!r} is none of {', '.join(fmt.READABLE)}; "
            "convert the data set with lerobot's own converter",
            "version",
        )
    for name in ("fps", "features", "data_path"):
        if raw.get(name) is None or raw[name] == {}:
            raise DataError(f"{file}, {name}: is missing; add it as lerobot {fmt.VERSION} has it", "schema")
    features = {key: _feature(file, key, value) for key, value in _mapping(file, "features", raw["features"]).items()}
    video_path = raw.get("video_path")
    return Info(
        file=file,
        version=version,
        fps=_rate(file, raw["fps"]),
        robot_type=str(raw.get("robot_type") or "unknown"),
        features=features,
        data_path=_template(file, "data_path", raw["data_path"]),
        video_path=None if video_path is None else _template(file, "video_path", video_path),
        chunks_size=_count(file, "chunks_size", raw.get("chunks_size")) or fmt.FILES_PER_CHUNK,
        total_episodes=_count(file, "total_episodes", raw.get("total_episodes")),
        total_frames=_count(file, "total_frames", raw.get("total_frames")),
    )


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object. Raises DataError if the file is missing, no JSON or something else."""
    try:
        value = json.loads(path.read_text(encoding="utf-8-sig"))
    except (FileNotFoundError, NotADirectoryError):
        root = path.parent.parent
        raise DataError(f"{path}: no such file; is {root} a LeRobot data set?") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not valid JSON ({error}); copy the data set again") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); copy the data set again") from None
    return _mapping(path, "the file", value)


def whole(value: Any) -> int | None:
    """The whole number that a value of JSON or Parquet is: 3.0 is one, True and 3.5 are none."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def dimension_names(feature: Feature) -> tuple[str, ...]:
    """One name a dimension: lerobot has them as a list, as {"motors": [...]}, as {name: index}, nested, or not at all.

    Where they do not fit the width, or two are alike, dimensions are numbered.
    """
    width = math.prod(feature.shape or ())
    names = tuple(_leaves(feature.names))
    return names if len(names) == width == len(set(names)) else tuple(map(str, range(width)))


def _leaves(names: Any) -> Iterable[str]:
    if isinstance(names, str):
        yield names
    elif isinstance(names, dict):
        if names and all(isinstance(place, int) for place in names.values()):
            yield from map(str, sorted(names, key=names.__getitem__))
        else:
            for inner in names.values():
                yield from _leaves(inner)
    elif isinstance(names, list | tuple):
        for inner in names:
            yield from _leaves(inner)
    elif names is not None:
        yield str(names)


def _feature(file: Path, key: str, value: Any) -> Feature:
    fields = _mapping(file, f"features.{key}", value)
    dtype = fields.get("dtype")
    if not isinstance(dtype, str):
        raise DataError(f"{file}, features.{key}.dtype: {dtype!r} is no type; write float32, image or video", "schema")
    if dtype == "video" and ("/" in key or "\\" in key):
        raise DataError(f"{file}, features.{key}: a video's name is a folder, so it may have no slash", "schema")
    # version 2.0 keeps the description of videos in `video_info`
    info = {**_optional_mapping(fields.get("video_info")), **_optional_mapping(fields.get("info"))}
    shape = fields.get("shape")
    sizes = tuple(map(whole, shape)) if isinstance(shape, list) else (None,)
    usable = bool(sizes) and all(size is not None and size > 0 for size in sizes)
    return Feature(
        key=key,
        dtype=dtype,
        shape=tuple(size for size in sizes if size) if usable else None,
        names=fields.get("names"),
        info=info,
        written=shape,
    )


def _mapping(file: Path, name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        kind = type(value).__name__
        raise DataError(f"{file}, {name}: is no JSON object but {kind}; copy the data set again", "schema")
    return value


def _optional_mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _rate(file: Path, fps: Any) -> float:
    if isinstance(fps, bool) or not isinstance(fps, int | float) or not SLOWEST <= fps <= FASTEST:
        raise DataError(
            f"{file}, fps: must be a positive finite number ({SLOWEST:g} to {FASTEST:g}), not {reprlib.repr(fps)}; "
            "write the control steps a second",
            "schema",
        )
    return float(fps)


def _count(file: Path, name: str, value: Any) -> int | None:
    if value is None:
        return None
    number = whole(value)
    if number is None or number < (1 if name == "chunks_size" else 0):
        raise DataError(
            f"{file}, {name}: must be a whole number, not {reprlib.repr(value)}; count again or leave it out", "schema"
        )
    return number


def _template(file: Path, name: str, template: Any) -> str:
    """Raises DataError unless it can be filled in, and leads to a place within the data set."""
    if not isinstance(template, str):
        raise DataError(f"{file}, {name}: must be a text such as {fmt.DATA_PATH}, not {template!r}", "schema")
    try:
        path = Path(template.format(**PLACEHOLDERS))
    except (KeyError, IndexError, ValueError, AttributeError, TypeError) as error:
        known = ", ".join(PLACEHOLDERS)
        message = f"{file}, {name}: cannot fill in {template!r} ({error}); the placeholders are {known}"
        raise DataError(message, "schema") from None
    if path.is_absolute() or ".." in path.parts:
        raise DataError(f"{file}, {name}: {template!r} leads out of the data set; write a path within it", "schema")
    return template
