"""The meta directory of a LeRobotDataset v2.0, v2.1 or v3.0: what is in the set and where, before any frame is read.

Version 2 has one Parquet file and one video a camera for each episode, and its lists as JSON lines:

    meta/info.json  meta/tasks.jsonl  meta/episodes.jsonl  meta/episodes_stats.jsonl (2.1) or meta/stats.json (2.0)
    data/chunk-000/episode_000000.parquet      videos/chunk-000/observation.images.CAM/episode_000000.mp4
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polymath import config
from polymath.data.files.parquet import read_table
from polymath.data.formats.lerobot import layout as fmt
from polymath.errors import ConfigError, DataError
from polymath.types import Embodiment


@dataclass(frozen=True)
class Meta:
    """`episodes` are the rows of meta/episodes in order, without their statistics; `recording` is {} if unknown."""

    path: Path
    info: dict[str, Any]
    embodiment: Embodiment
    recording: dict[str, Any]
    episodes: list[dict[str, Any]]
    instructions: dict[int, str]

    def data_path(self, episode: int) -> Path:
        return self.path / self.info["data_path"].format(**self._names(episode, "data"))

    def video_path(self, episode: int, key: str) -> Path:
        return self.path / self.info["video_path"].format(video_key=key, **self._names(episode, f"videos/{key}"))

    def video_start(self, episode: int, key: str) -> float:
        """Seconds from the beginning of its video at which the episode begins."""
        return self.episodes[episode].get(f"videos/{key}/from_timestamp", 0.0)

    def _names(self, episode: int, group: str) -> dict[str, int]:
        """What the path templates of all versions name."""
        row = self.episodes[episode]
        index = row["episode_index"]
        return {
            "chunk_index": row.get(f"{group}/chunk_index", 0),
            "file_index": row.get(f"{group}/file_index", 0),
            "episode_chunk": index // int(self.info.get("chunks_size") or fmt.FILES_PER_CHUNK),
            "episode_index": index,
        }

    def video_keys(self) -> list[str]:
        return [key for key, feature in self.info["features"].items() if feature["dtype"] == "video"]


def read_meta(path: Path) -> Meta:
    """Raises DataError naming the file, the field and the remedy if anything is missing or of another version."""
    info = _read_info(path)
    recording = path / "meta" / "recording.json"
    is_v3 = info["codebase_version"] == fmt.VERSION
    return Meta(
        path=path,
        info=info,
        embodiment=_read_embodiment(path, info),
        recording=_read_json(recording) if recording.is_file() else {},
        episodes=_episodes_v3(path) if is_v3 else _episodes_v2(path),
        instructions=_tasks_v3(path / "meta" / "tasks.parquet") if is_v3 else _tasks_v2(path / "meta" / "tasks.jsonl"),
    )


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


def _read_info(path: Path) -> dict[str, Any]:
    file = path / "meta" / "info.json"
    info = _read_json(file)
    if info.get("codebase_version") not in fmt.READABLE:
        raise DataError(
            f"{file}, codebase_version: {info.get('codebase_version')!r} is none of {', '.join(fmt.READABLE)}; "
            "convert the data set with lerobot's own converter",
            "version",
        )
    missing = [name for name in ("fps", "features", "data_path") if not info.get(name)]
    missing += [name for name in (fmt.STATE, fmt.ACTION) if name not in info.get("features", {})]
    if missing:
        raise DataError(f"{file}, {missing[0]}: is missing; add it as lerobot {fmt.VERSION} has it")
    return info


def _read_embodiment(path: Path, info: dict[str, Any]) -> Embodiment:
    file = path / "meta" / "embodiment.json"
    if not file.is_file():
        return derive_embodiment(info)
    try:
        embodiment = config.load(Embodiment, file)
    except ConfigError as error:
        raise DataError(str(error)) from None
    for camera in embodiment.cameras:
        if fmt.IMAGES + camera not in info["features"]:
            raise DataError(f"{path}/meta/info.json, features: no camera {camera!r}, but {file} names it; correct one")
    return embodiment


def _episodes_v2(path: Path) -> list[dict[str, Any]]:
    """Each episode begins its own file: `dataset_from_index` counts from there."""
    rows = _read_json_lines(path / "meta" / "episodes.jsonl", ("episode_index", "length"))
    if not rows:
        raise DataError(f"{path}/meta/episodes.jsonl: holds no episode; copy or record the data set again")
    return sorted(({**row, "dataset_from_index": 0} for row in rows), key=lambda row: row["episode_index"])


def _tasks_v2(path: Path) -> dict[int, str]:
    return {row["task_index"]: row["task"] for row in _read_json_lines(path, ("task_index", "task"))}


def _read_json_lines(path: Path, fields: tuple[str, ...]) -> list[dict[str, Any]]:
    try:
        rows = [json.loads(line) for line in path.read_text().splitlines() if line.strip()]
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; copy the whole data set") from None
    except ValueError as error:
        raise DataError(f"{path}: not valid JSON lines ({error}); copy the data set again") from None
    for number, row in enumerate(rows, start=1):
        for name in fields:
            if not isinstance(row, dict) or name not in row:
                raise DataError(f"{path}: line {number} has no {name!r}; copy the data set again", "schema")
    return rows


def _episodes_v3(path: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for file in sorted(path.glob("meta/episodes/*/*.parquet")):
        table = read_table(file)
        rows += table.select([name for name in table.column_names if not name.startswith("stats/")]).to_pylist()
    if not rows:
        raise DataError(f"{path}/meta/episodes: holds no episode; copy or record the data set again")
    return sorted(rows, key=lambda row: row["episode_index"])


def _tasks_v3(path: Path) -> dict[int, str]:
    """Early writers of v3.0 left the pandas index without a name."""
    table = read_table(path)
    column = "__index_level_0__" if "__index_level_0__" in table.column_names else "task"
    for name in ("task_index", column):
        if name not in table.column_names:
            raise DataError(f"{path}: has no column {name!r}; copy or record the data set again")
    return dict(zip(table["task_index"].to_pylist(), table[column].to_pylist(), strict=True))


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        root = path.parent.parent
        raise DataError(f"{path}: no such file; is {root} a LeRobot data set?") from None
    except ValueError as error:
        raise DataError(f"{path}: not valid JSON ({error}); copy the data set again") from None


def _names(feature: dict[str, Any]) -> tuple[str, ...]:
    """lerobot has names as a list, as {"motors": [...]}, or not at all."""
    names = feature.get("names")
    if isinstance(names, dict):
        names = next(iter(names.values()), None)
    width = feature["shape"][0]
    return tuple(map(str, names)) if names and len(names) == width else tuple(str(i) for i in range(width))
