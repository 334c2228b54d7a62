"""Reading a LeRobotDataset v3.0 with random access to frames; see `lerobot_format` for the files.

States, actions and instructions are read and checked when the set is opened; pictures are read when asked for, a
Parquet row group or an episode's clip at a time, and kept in a cache of bounded size. Every method is thread-safe.
"""

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Float, UInt8

from polymath import config
from polymath.data import lerobot_format as fmt
from polymath.data import video
from polymath.data.cache import ByteCache
from polymath.data.images import decode
from polymath.data.sources.memory import check_vectors
from polymath.errors import ConfigError, DataError
from polymath.types import Embodiment, Episode

CACHE_BYTES = 1 << 30


class LeRobotEpisodes:
    """The episodes of one directory, as `interface.EpisodeSet`.

    The embodiment is meta/embodiment.json, or else derived from info.json (no gripper dimension is assumed then).
    `recording` is what the recorder said of itself. Raises DataError naming file, field and remedy for whatever is
    missing, truncated, of another width, not finite, not in order, or without an instruction.
    """

    def __init__(self, path: Path, cache_bytes: int = CACHE_BYTES) -> None:
        self.path, self.name = Path(path), str(path)
        self._info = self._read_info()
        self.fps: float = self._info["fps"]
        self.embodiment = self._read_embodiment()
        self.recording: dict[str, Any] = self._read_json("recording.json") if self._has("recording.json") else {}
        self._index = self._read_episodes()
        tasks = read_table(self.path / "meta" / "tasks.parquet").to_pydict()
        self._instructions = dict(zip(tasks["task_index"], tasks["task"], strict=True))
        self._cache = ByteCache(cache_bytes)
        self._files: dict[Path, _DataFile] = {}
        self._rows = [self._read_rows(i) for i in range(len(self._index))]
        self._tasks = [self._check_rows(i) for i in range(len(self._index))]
        self._check_videos()

    def __len__(self) -> int:
        return len(self._index)

    def instruction(self, episode: int) -> str:
        return self._instructions[self._tasks[episode]]

    def task(self, episode: int) -> str:
        """The recorder's name of the task; the instruction where there is none."""
        return self._index[episode].get("polymath/task") or self.instruction(episode)

    def metadata(self, episode: int) -> dict[str, Any]:
        return json.loads(self._index[episode].get("polymath/metadata") or "{}")

    def states(self, episode: int) -> Float[np.ndarray, "T state_dim"]:
        return self._rows[episode][fmt.STATE]

    def actions(self, episode: int) -> Float[np.ndarray, "T A"]:
        return self._rows[episode][fmt.ACTION]

    def frames(self, episode: int, steps: Sequence[int]) -> UInt8[np.ndarray, "n C height width 3"]:
        """The pictures of the given control steps, cameras in the order of the embodiment."""
        pictures = [self._camera_frames(episode, camera, steps) for camera in self.embodiment.cameras]
        return np.stack(pictures, axis=1)

    def episode(self, index: int) -> Episode:
        """A whole episode in memory."""
        frames = self.frames(index, range(len(self.actions(index))))
        return Episode(
            images={camera: frames[:, c] for c, camera in enumerate(self.embodiment.cameras)},
            states=self.states(index),
            actions=self.actions(index),
            instruction=self.instruction(index),
            task=self.task(index),
            embodiment=self.embodiment.name,
            metadata=self.metadata(index),
        )

    def _camera_frames(self, episode: int, camera: str, steps: Sequence[int]) -> UInt8[np.ndarray, "n height width 3"]:
        key = fmt.IMAGES + camera
        if self._info["features"][key]["dtype"] == "video":
            read = partial(self._read_clip, episode, key)
            return self._cache.get((episode, key), read, _size)[list(steps)]
        return np.stack([self._picture(episode, key, step) for step in steps])

    def _picture(self, episode: int, key: str, step: int) -> UInt8[np.ndarray, "height width 3"]:
        """Decoded once, then from the cache while there is room: a later epoch does not decode again."""
        return self._cache.get((episode, key, step), partial(self._decode, episode, key, step), _size)

    def _decode(self, episode: int, key: str, step: int) -> UInt8[np.ndarray, "height width 3"]:
        path, first = self._place(episode)
        file = self._files[path]
        group, row = file.locate(first + step)
        encoded = self._cache.get((path, group, key), partial(file.pictures, group, key), _size)
        return decode(encoded[row].as_py(), f"{path}: episode {episode}, frame {step}, {key}")

    def _read_clip(self, episode: int, key: str) -> UInt8[np.ndarray, "T height width 3"]:
        row = self._index[episode]
        start = row[f"videos/{key}/from_timestamp"]
        return video.read_frames(self._video_path(row, key), start, row["length"], f"episode {episode}")

    def _read_rows(self, episode: int) -> dict[str, np.ndarray]:
        """The small columns of an episode as numpy arrays."""
        path, first = self._place(episode)
        if path not in self._files:
            self._files[path] = _DataFile(path, self._low_dimensional())
        length = self._index[episode]["length"]
        columns = self._files[path].table.slice(first, length)
        if columns.num_rows != length:
            raise DataError(
                f"{path}: episode {episode} needs {length} rows, {columns.num_rows} are there; copy it again"
            )
        arrays = {name: _to_numpy(columns[name]) for name in columns.column_names}
        vectors = {name: arrays[name].reshape(length, -1) for name in (fmt.STATE, fmt.ACTION)}
        return {**arrays, **vectors}

    def _check_rows(self, episode: int) -> int:
        """Raise DataError for rows that no policy may learn from; the task index if all is well."""
        rows, path = self._rows[episode], self._place(episode)[0]
        where = f"{path}: episode {episode}"
        if not len(rows["index"]):
            raise DataError(f"{where}: has no frame; drop the episode")
        if (rows["episode_index"] != self._index[episode]["episode_index"]).any():
            raise DataError(f"{where}, episode_index: the rows are of another episode; meta/episodes does not fit data")
        check_vectors(rows[fmt.STATE], self.embodiment.state_dim, f"{where}, {fmt.STATE}", self.embodiment)
        check_vectors(rows[fmt.ACTION], self.embodiment.action_dim, f"{where}, {fmt.ACTION}", self.embodiment)
        back = np.flatnonzero(~(np.diff(rows["timestamp"]) > 0))
        if len(back):
            raise DataError(f"{where}, frame {back[0] + 1}, timestamp: does not increase; sort or drop the episode")
        tasks = set(rows["task_index"].tolist())
        if len(tasks) > 1:
            raise DataError(
                f"{where}, task_index: {len(tasks)} instructions in one episode; split it where they change"
            )
        task = tasks.pop()
        if not str(self._instructions.get(task, "")).strip():
            raise DataError(f"{where}, task_index {task}: no instruction in meta/tasks.parquet; write one there")
        return task

    def _check_videos(self) -> None:
        for key, feature in self._info["features"].items():
            if feature["dtype"] == "video":
                for path in sorted({self._video_path(row, key) for row in self._index}):
                    video.check_complete(path)

    def _low_dimensional(self) -> list[str]:
        return [fmt.STATE, fmt.ACTION, *fmt.INDEX_COLUMNS]

    def _place(self, episode: int) -> tuple[Path, int]:
        """The data file of an episode and its first row there."""
        row = self._index[episode]
        return self._data_path(row), row["dataset_from_index"] - self._first_index[self._data_path(row)]

    def _data_path(self, row: dict[str, Any]) -> Path:
        names = {"chunk_index": row["data/chunk_index"], "file_index": row["data/file_index"]}
        return self.path / self._info["data_path"].format(**names)

    def _video_path(self, row: dict[str, Any], key: str) -> Path:
        names = {name: row[f"videos/{key}/{name}"] for name in ("chunk_index", "file_index")}
        return self.path / self._info["video_path"].format(video_key=key, **names)

    def _read_episodes(self) -> list[dict[str, Any]]:
        """The rows of meta/episodes without their statistics; remembers the first index of each data file."""
        rows: list[dict[str, Any]] = []
        for path in sorted(self.path.glob("meta/episodes/*/*.parquet")):
            table = read_table(path)
            rows += table.select([name for name in table.column_names if not name.startswith("stats/")]).to_pylist()
        if not rows:
            raise DataError(f"{self.path}/meta/episodes: holds no episode; copy or record the data set again")
        rows.sort(key=lambda row: row["episode_index"])
        self._first_index: dict[Path, int] = {}
        for row in rows:
            path, first = self._data_path(row), row["dataset_from_index"]
            self._first_index[path] = min(first, self._first_index.get(path, first))
        return rows

    def _read_info(self) -> dict[str, Any]:
        info = self._read_json("info.json")
        if info.get("codebase_version") != fmt.VERSION:
            raise DataError(
                f"{self.path}/meta/info.json, codebase_version: {info.get('codebase_version')!r} is not {fmt.VERSION}; "
                "convert the data set with lerobot's own converter"
            )
        missing = [name for name in ("fps", "features", "data_path") if not info.get(name)]
        missing += [name for name in (fmt.STATE, fmt.ACTION) if name not in info.get("features", {})]
        if missing:
            raise DataError(
                f"{self.path}/meta/info.json, {missing[0]}: is missing; add it as lerobot {fmt.VERSION} has it"
            )
        return info

    def _read_embodiment(self) -> Embodiment:
        if not self._has("embodiment.json"):
            return derive_embodiment(self._info)
        try:
            embodiment = config.load(Embodiment, self.path / "meta" / "embodiment.json")
        except ConfigError as error:
            raise DataError(str(error)) from None
        for camera in embodiment.cameras:
            if fmt.IMAGES + camera not in self._info["features"]:
                raise DataError(
                    f"{self.path}/meta/info.json, features: no camera {camera!r} as in meta/embodiment.json"
                )
        return embodiment

    def _has(self, name: str) -> bool:
        return (self.path / "meta" / name).is_file()

    def _read_json(self, name: str) -> dict[str, Any]:
        path = self.path / "meta" / name
        try:
            return json.loads(path.read_text())
        except FileNotFoundError:
            raise DataError(
                f"{path}: no such file; is {self.path} a LeRobot data set of version {fmt.VERSION}?"
            ) from None
        except ValueError as error:
            raise DataError(f"{path}: not valid JSON ({error}); copy the data set again") from None


class _DataFile:
    """One data/*.parquet: its small columns in memory, its pictures by row group."""

    def __init__(self, path: Path, columns: list[str]) -> None:
        self.path = path
        self.table = read_table(path, columns)
        groups = pq.ParquetFile(path).metadata
        sizes = [groups.row_group(i).num_rows for i in range(groups.num_row_groups)]
        self._ends = np.cumsum(sizes)

    def locate(self, row: int) -> tuple[int, int]:
        """(row group, row in it)."""
        group = int(np.searchsorted(self._ends, row, side="right"))
        return group, row - (int(self._ends[group - 1]) if group else 0)

    def pictures(self, group: int, key: str) -> pa.Array:
        """The encoded pictures of a row group, as an array of bytes."""
        try:
            column = pq.ParquetFile(self.path).read_row_group(group, columns=[f"{key}.bytes"]).column(0)
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{self.path}: row group {group}, {key}: {error}; copy the data set again") from None
        return column.combine_chunks().field("bytes")


def read_table(path: Path, columns: list[str] | None = None) -> pa.Table:
    """A Parquet table. Raises DataError if the file is missing, truncated or lacks a column."""
    try:
        names = pq.ParquetFile(path).schema_arrow.names
        for name in columns or ():
            if name not in names:
                raise DataError(f"{path}: has no column {name!r}; copy or record the data set again")
        return pq.ParquetFile(path).read(columns=columns)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; copy the whole data set") from None
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path}: not a complete Parquet file ({error}); copy the data set again") from None


def derive_embodiment(info: dict[str, Any]) -> Embodiment:
    """An embodiment from info.json alone, for sets recorded elsewhere; slot 0, every action dimension normalised."""
    features = info["features"]
    cameras = [key for key, feature in features.items() if feature["dtype"] in ("image", "video")]
    return Embodiment(
        name=info.get("robot_type") or "unknown",
        slot=0,
        cameras=tuple(key.removeprefix(fmt.IMAGES) for key in cameras if key.startswith(fmt.IMAGES)),
        state_names=_names(features[fmt.STATE]),
        action_names=_names(features[fmt.ACTION]),
        gripper_dims=(),
        control_hz=float(info["fps"]),
        action_space="as recorded",
        state_space="as recorded",
    )


def _names(feature: dict[str, Any]) -> tuple[str, ...]:
    """lerobot has names as a list, as {"motors": [...]}, or not at all."""
    names = feature.get("names")
    if isinstance(names, dict):
        names = next(iter(names.values()), None)
    width = feature["shape"][0]
    return tuple(map(str, names)) if names and len(names) == width else tuple(str(i) for i in range(width))


def _size(value: np.ndarray | pa.Array) -> int:
    return value.nbytes


def _to_numpy(column: pa.ChunkedArray) -> np.ndarray:
    """Numbers as [T], fixed-size or variable lists of floats as [T, D]."""
    kind = column.type
    if not pa.types.is_nested(kind):
        values = column.to_numpy()
        return values if pa.types.is_integer(kind) else values.astype(np.float32)
    if pa.types.is_fixed_size_list(kind):
        flat = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
        return flat.reshape(-1, kind.list_size).astype(np.float32)
    rows = column.to_pylist()
    return np.array(rows, np.float32) if len(set(map(len, rows))) == 1 else np.zeros((len(rows), 0), np.float32)
