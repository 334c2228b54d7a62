"""RLDS data sets as tensorflow-datasets writes them, in tfrecord or array_record files, without TensorFlow.

    NAME/VERSION/dataset_info.json   splits, file format, lengths of the shards
    NAME/VERSION/features.json       what an episode is made of
    NAME/VERSION/NAME-SPLIT.tfrecord-00000-of-NNNNN …     one tf.train.Example an episode

Opening reads the files' indices only; an episode is read, checked and decoded when it is asked for.
"""

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from polymath.data.files import array_records
from polymath.data.files.cache import ByteCache
from polymath.data.files.frames import gather
from polymath.data.files.images import decode, fit
from polymath.data.files.quarantine import OnBad, refuse
from polymath.data.formats.memory import check_vectors
from polymath.data.formats.rlds import schema as rlds_schema
from polymath.data.formats.rlds import tf_example, tfrecord
from polymath.data.formats.rlds.field_maps import FIELD_MAPS, FieldMap, Part
from polymath.data.robots.conversions import euler_difference
from polymath.errors import DataError
from polymath.types import Embodiment

CACHE_BYTES = 1 << 28


class _Example(NamedTuple):
    fields: dict[str, Any]
    steps: int
    size: int


class RldsEpisodes:
    """One split, as `interface.EpisodeSet`. Cameras, state and action are those of `fields`: by default the table of
    `field_maps` if it has this data set, else all fields as they are.

    Raises DataError naming file, record and field when an episode cannot be used; a file that is cut off is reported to
    `on_bad` when the set is opened, and its whole records are kept.
    """

    def __init__(
        self,
        path: Path,
        split: str = "train",
        fields: FieldMap | None = None,
        image_size: int | None = None,
        on_bad: OnBad = refuse,
    ) -> None:
        self.path = _version_directory(path)
        self._info = _read_json(self.path / "dataset_info.json")
        self.features = rlds_schema.read_features(_read_json(self.path / "features.json"))
        dataset = str(self._info.get("name") or self.path.parent.name)
        self.name, self.split, self._image_size = f"{self.path} ({split})", split, image_size
        self.fields = fields or FIELD_MAPS.get(dataset) or rlds_schema.generic(self.features, dataset)
        self.embodiment: Embodiment = self.fields.robot
        self._check_fields()
        self._records = self._index(dataset, split, on_bad)
        self._cache = ByteCache(CACHE_BYTES)

    def __len__(self) -> int:
        return len(self._records)

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
            step = steps[i] + self.fields.skipped
            where = f"{self._where(episode)}, {self.fields.images[camera]}, step {step}"
            found = decode(encoded[camera][step], where)
            return found if self._image_size is None else fit(found, self._image_size)

        return gather(len(steps), len(encoded), picture, self.name)

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
        return self._records[episode].where

    def _check_fields(self) -> None:
        parts = [part.field for part in (*self.fields.state, *self.fields.action)]
        for field in (*self.fields.images, *parts, self.fields.instruction):
            if f"steps/{field}" not in self.features:
                raise DataError(
                    f"{self.path}/features.json: has no steps/{field}; give the FieldMap it needs", "schema"
                )

    def _index(self, dataset: str, split: str, on_bad: OnBad) -> list[Any]:
        splits = [entry.get("name") for entry in self._info.get("splits", ())]
        kind = self._info.get("fileFormat") or "tfrecord"
        readers: dict[str, Callable[[Path], tuple[list[Any], DataError | None]]]
        readers = {"tfrecord": tfrecord.index, "array_record": array_records.index}
        if kind not in readers:
            raise DataError(f"{self.path}/dataset_info.json, fileFormat: {kind!r} is none of {', '.join(readers)}")
        files = sorted(self.path.glob(f"{dataset}-{split}.{kind}-*"))
        if not files:
            raise DataError(f"{self.path}: has no files of split {split!r}, only of {splits}; choose one of them")
        expected = next((e.get("shardLengths") for e in self._info.get("splits", ()) if e.get("name") == split), None)
        found = []
        for number, file in enumerate(files):
            records, problem = readers[kind](file)
            if problem is None and expected and len(expected) == len(files) and len(records) != int(expected[number]):
                problem = DataError(
                    f"{file}: {len(records)} records, expected {expected[number]}; copy it", "truncated"
                )
            if problem is not None:
                on_bad(str(file), f"after record {len(records)}", problem)
            found += records
        return found


def _versions(path: Path) -> list[Path]:
    return sorted(file.parent for file in path.glob("*/dataset_info.json")) if path.is_dir() else []


def _version_directory(path: Path) -> Path:
    """The directory itself, or its newest version."""
    if (path / "features.json").is_file():
        return path
    found = _versions(path)
    if not found:
        raise DataError(f"{path}: neither it nor a directory in it has features.json; is it an RLDS data set?")
    return max(found, key=lambda place: [int(p) if p.isdigit() else -1 for p in place.name.split(".")])


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; copy the whole data set") from None
    except ValueError as error:
        raise DataError(f"{path}: not valid JSON ({error}); copy the data set again") from None
