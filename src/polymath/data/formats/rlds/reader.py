"""RLDS data sets as tensorflow-datasets writes them, in tfrecord or array_record files, without TensorFlow.

    NAME/VERSION/dataset_info.json   splits, file format, lengths of the shards
    NAME/VERSION/features.json       what an episode is made of
    NAME/VERSION/NAME-SPLIT.tfrecord-00000-of-NNNNN …     one tf.train.Example an episode

Opening reads the files' indices only; an episode is read, checked and decoded when it is asked for.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from polymath.data.files import array_records
from polymath.data.files.cache import ByteCache
from polymath.data.files.frames import gather
from polymath.data.files.images import Fit, decode, fit
from polymath.data.files.quarantine import OnBad, refuse
from polymath.data.formats.memory import check_vectors
from polymath.data.formats.rlds import schema as rlds_schema
from polymath.data.formats.rlds import tf_example, tfrecord
from polymath.data.formats.rlds.field_maps import REMEDY, FieldMap, Part, field_map, field_map_named
from polymath.data.robots.cameras import listed, with_cameras
from polymath.data.robots.conversions import euler_difference
from polymath.errors import DataError
from polymath.types import Embodiment

CACHE_BYTES = 1 << 28
SHARD = re.compile(r"-of-(\d+)$")


class _Example(NamedTuple):
    fields: dict[str, Any]
    steps: int
    size: int


class RldsEpisodes:
    """One split, as `interface.EpisodeSet`. Cameras, state and action are those of `fields`: by default the table of
    `field_maps` if it has this data set, or another package's map of it, else all fields as they are. `cameras` keeps
    some of them; `notes` say which were left out because they hold no colours.

    Raises DataError naming file, record and field when an episode cannot be used; a file that is cut off or missing is
    reported to `on_bad` when the set is opened, and whole records are kept. Episodes are numbered through the split.
    """

    def __init__(
        self,
        path: Path,
        split: str = "train",
        fields: FieldMap | None = None,
        image_size: int | None = None,
        on_bad: OnBad = refuse,
        cameras: str | Sequence[str] | None = None,
        image_fit: Fit = "stretch",
    ) -> None:
        self.path = _version_directory(path)
        self._info = _read_json(self.path / "dataset_info.json")
        self.features = _features(self.path / "features.json")
        dataset = str(self._info.get("name") or self.path.parent.name)
        self.name, self.split = f"{self.path} ({split})", split
        self._image_size, self._image_fit = image_size, image_fit
        known = fields or field_map(dataset)
        self.fields = known or rlds_schema.generic(self.features, dataset, f"{self.path}/features.json")
        self.notes = () if known else rlds_schema.left_out(self.features)
        robot, places = with_cameras(self.fields.robot, None if cameras is None else listed(cameras), self.name)
        self.fields = replace(self.fields, robot=robot, images=tuple(self.fields.images[place] for place in places))
        self.embodiment: Embodiment = robot
        self._check_fields()
        self._records, self._numbers = self._index(dataset, split, on_bad)
        self._cache = ByteCache(CACHE_BYTES)

    def __len__(self) -> int:
        return len(self._records)

    def episode_name(self, episode: int) -> str:
        return f"episode {self._numbers[episode]}"

    def instruction(self, episode: int) -> str:
        text = self._sentence(episode).strip()
        if not text:
            raise DataError(f"{self._where(episode)}, {self.fields.instruction}: is empty; drop it", "instruction")
        return text

    def _sentence(self, episode: int) -> str:
        """The text of the first step; code points padded with zeros are text too (Language Table)."""
        first = self.field(episode, self.fields.instruction)[0]
        if isinstance(first, str):
            return first
        try:
            return "".join(map(chr, first)).split("\0")[0]
        except (ValueError, TypeError) as error:
            where = f"{self._where(episode)}, {self.fields.instruction}"
            raise DataError(f"{where}: neither text nor code points ({error}); drop it", "schema") from None

    def task(self, episode: int) -> str:
        return self.instruction(episode)

    def states(self, episode: int) -> Float[np.ndarray, "T state_dim"]:
        states = self._vectors(episode, self.fields.state)[self._kept(episode)]
        check_vectors(states, self.embodiment.state_dim, f"{self._where(episode)}, state", self.embodiment)
        return states

    def actions(self, episode: int) -> Float[np.ndarray, "T A"]:
        actions, kept = self._vectors(episode, self.fields.action), self._kept(episode)
        if self.fields.relabelled:
            moved = euler_difference(self._vectors(episode, self.fields.state)[:, : self.fields.relabelled])
            actions = np.concatenate([moved, actions[:-1, self.fields.relabelled :]], axis=1)
        actions = actions[kept]
        check_vectors(actions, self.embodiment.action_dim, f"{self._where(episode)}, action", self.embodiment)
        return actions

    def frames(self, episode: int, steps: Sequence[int]) -> UInt8[np.ndarray, "n C height width 3"]:
        encoded = [self.field(episode, path) for path in self.fields.images]

        def picture(i: int, camera: int) -> UInt8[np.ndarray, "height width 3"]:
            return self._picture(encoded[camera], episode, camera, steps[i])

        return gather(len(steps), len(encoded), picture, self.name)

    def camera_frames(self, episode: int, camera: str, steps: Sequence[int]) -> UInt8[np.ndarray, "n height width 3"]:
        """The pictures of one camera, whatever the size of the others."""
        place = self.embodiment.cameras.index(camera)
        encoded = self.field(episode, self.fields.images[place])
        return np.stack([self._picture(encoded, episode, place, step) for step in steps])

    def _picture(self, encoded: Any, episode: int, camera: int, step: int) -> UInt8[np.ndarray, "height width 3"]:
        step += self.fields.skipped
        where = f"{self._where(episode)}, {self.fields.images[camera]}, step {step}"
        value = encoded[step]
        image = decode(value, where) if isinstance(value, bytes) else value
        return image if self._image_size is None else fit(image, self._image_size, self._image_fit, where)

    def field(self, episode: int, path: str) -> Any:
        """All T values of a field below `steps/`; encoded pictures and text as lists, numbers as [T, *shape]."""
        example, where = self._example(episode), f"{self._where(episode)}, {path}"
        key = f"steps/{path}"
        if key not in example.fields:
            raise DataError(f"{where}: is missing; drop the episode", "schema")
        return rlds_schema.decode_field(self.features[key], example.fields[key], example.steps, where)

    def _kept(self, episode: int) -> slice:
        return slice(self.fields.skipped, self._example(episode).steps - bool(self.fields.relabelled))

    def _vectors(self, episode: int, parts: tuple[Part, ...]) -> Float[np.ndarray, "T D"]:
        return np.concatenate([part.of(self.field(episode, part.field)) for part in parts], axis=1)

    def _example(self, episode: int) -> _Example:
        return self._cache.get(episode, partial(self._read, episode), lambda example: example.size)

    def _read(self, episode: int) -> _Example:
        payload = self._records[episode].read()
        fields = tf_example.parse(payload, self._where(episode))
        steps = len(fields.get("steps/is_first", ()))
        if steps < 1 + self.fields.skipped + bool(self.fields.relabelled):
            raise DataError(f"{self._where(episode)}: {steps} steps in steps/is_first; drop the episode", "length")
        return _Example(fields, steps, 2 * len(payload))

    def _where(self, episode: int) -> str:
        return f"{self._records[episode].where} ({self.episode_name(episode)})"

    def _check_fields(self) -> None:
        vectors = [part.field for part in (*self.fields.state, *self.fields.action)]
        fields_by_role = {
            "numbers": vectors,
            "pictures": self.fields.images,
            "text": (self.fields.instruction,),
            "flags": ("is_first",),
        }
        for role, paths in fields_by_role.items():
            for path in paths:
                feature = self.features.get(f"steps/{path}")
                if feature is None:
                    there = ", ".join(name.removeprefix("steps/") for name in self.features) or "none"
                    raise DataError(
                        f"{self.path}/features.json: has no steps/{path}, which holds {role}; there are {there}. If "
                        f"another field does, {REMEDY}",
                        "schema",
                    )
                if (role == "pictures" and not feature.is_camera) or (role == "numbers" and feature.kind != "tensor"):
                    raise DataError(
                        f"{self.path}/features.json, steps/{path}: is {feature.kind} of {feature.dtype}, no {role}; "
                        f"{REMEDY}",
                        "schema",
                    )

    def _index(self, dataset: str, split: str, on_bad: OnBad) -> tuple[list[Any], list[int]]:
        """The records of the split, and the number of each in it."""
        splits = self._splits()
        kind = self._info.get("fileFormat") or "tfrecord"
        readers: dict[str, Callable[[Path], tuple[list[Any], DataError | None]]]
        readers = {"tfrecord": tfrecord.index, "array_record": array_records.index}
        if kind not in readers:
            raise DataError(f"{self.path}/dataset_info.json, fileFormat: {kind!r} is none of {', '.join(readers)}")
        files = _shards(self.path, f"{dataset}-{split}.{kind}", on_bad)
        if not files:
            there = ", ".join(splits) or "none"
            raise DataError(f"{self.path}: has no files of split {split!r}, only of {there}; choose one of them")
        lengths = splits.get(split, [])
        known = lengths if len(lengths) == len(files) else [None] * len(files)
        records, numbers, first = [], list[int](), 0
        for file, expected in zip(files, known, strict=True):
            there_records, problem = readers[kind](file) if file.exists() else ([], None)  # its absence is reported
            if problem is None and expected is not None and file.exists() and len(there_records) != expected:
                problem = DataError(f"{file}: {len(there_records)} records, expected {expected}; copy it", "truncated")
            if problem is not None:
                on_bad(str(file), f"after record {len(there_records)}", problem)
            records += there_records
            numbers += range(first, first + len(there_records))
            first += len(there_records) if expected is None else expected
        return records, numbers

    def _splits(self) -> dict[str, list[int]]:
        """The lengths of the shards of each split."""
        try:
            entries = self._info.get("splits") or ()
            return {entry["name"]: [int(n) for n in entry.get("shardLengths") or ()] for entry in entries}
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            raise DataError(
                f"{self.path}/dataset_info.json, splits: not as TFDS writes it ({error!r}); copy the data set again"
            ) from None


def open_rlds(path: Path, map: str | None = None, **options: Any) -> RldsEpisodes:
    """As `rlds:PATH?map=NAME` says it: with the FieldMap of that name, for a set that is called otherwise."""
    return RldsEpisodes(path, fields=None if map is None else field_map_named(map), **options)


def _shards(directory: Path, prefix: str, on_bad: OnBad) -> list[Path]:
    """All files of a split; those that the others' `-of-NNNNN` promises but that are not there go to `on_bad`."""
    files = sorted(directory.glob(f"{prefix}-*"))
    counts = {int(match[1]) for file in files if (match := SHARD.search(file.name))}
    if len(counts) != 1:
        return files
    count = counts.pop()
    complete = [directory / f"{prefix}-{number:05d}-of-{count:05d}" for number in range(count)]
    for file in complete:
        if file not in files:
            on_bad(str(file), "", DataError(f"{file}: no such file; copy the whole data set", "truncated"))
    return complete


def _features(path: Path) -> dict[str, rlds_schema.Feature]:
    try:
        return rlds_schema.read_features(_read_json(path))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{path}: not as TFDS writes it ({error!r}); copy the data set again", "schema") from None


def _versions(path: Path) -> list[Path]:
    return sorted(file.parent for file in path.glob("*/dataset_info.json")) if path.is_dir() else []


def _version_directory(path: Path) -> Path:
    """The directory itself, or its newest version."""
    if (path / "features.json").is_file():
        return path
    versions = _versions(path)
    if not versions:
        raise DataError(f"{path}: neither it nor a directory in it has features.json; is it an RLDS data set?")
    return max(versions, key=lambda place: [int(p) if p.isdigit() else -1 for p in place.name.split(".")])


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text("utf-8-sig"))
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; copy the whole data set") from None
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: not valid JSON ({error}); copy the data set again") from None
    if not isinstance(content, dict):
        raise DataError(f"{path}: is no JSON object; copy the data set again")
    return content
