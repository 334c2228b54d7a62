"""Reading a LeRobotDataset v2.0, v2.1 or v3.0 with random access; `lerobot_format` and `lerobot_meta` show the files.

States, actions and instructions are read and checked when the set is opened; pictures are read when asked for, a
Parquet row group, a clip or a frame at a time, and kept in a cache of bounded size. Every method is thread-safe.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Float, UInt8

from polymath.data.files import video
from polymath.data.files.cache import ByteCache
from polymath.data.files.images import decode, fit
from polymath.data.files.mp4 import check_complete
from polymath.data.files.parquet import DataFile, to_numpy
from polymath.data.files.paths import locate
from polymath.data.files.quarantine import OnBad, refuse
from polymath.data.formats.lerobot import layout as fmt
from polymath.data.formats.lerobot.meta import read_meta
from polymath.data.formats.memory import check_vectors
from polymath.errors import DataError
from polymath.types import Embodiment, Episode

CACHE_BYTES = 1 << 30


class LeRobotEpisodes:
    """The episodes of one directory, as `interface.EpisodeSet`.

    The embodiment is meta/embodiment.json, or else derived from info.json (no gripper dimension is assumed then).
    `recording` is what the recorder said of itself. With `image_size`, pictures are fitted to that square as they are
    decoded: the cache then holds many more of them, and cameras of different sizes can stand side by side. Raises
    DataError naming file, field and remedy for whatever is missing, truncated, of another width, not finite, not in
    order, or without an instruction; with another `on_bad` such episodes are reported to it and left out.

    Videos are decoded an episode at a time while all pictures of the set fit into the cache, else frame by frame.
    """

    def __init__(
        self,
        path: Path,
        image_size: int | None = None,
        cache_bytes: int = CACHE_BYTES,
        on_bad: OnBad = refuse,
    ) -> None:
        self.path, self.name, self._image_size = locate(path), str(path), image_size
        self._meta = read_meta(self.path)
        self.fps: float = self._meta.info["fps"]
        self.embodiment: Embodiment = self._meta.embodiment
        self.recording: dict[str, Any] = self._meta.recording
        self._cache = ByteCache(cache_bytes)
        self._whole_clips = self._picture_bytes() <= cache_bytes
        self._files: dict[Path, DataFile] = {}
        self._video_frames: dict[Path, int | None] = {}
        self._rows: list[dict[str, np.ndarray]] = []
        self._tasks: list[int] = []
        self._first_rows: list[int] = []
        self._open(on_bad)

    def __len__(self) -> int:
        return len(self._rows)

    def instruction(self, episode: int) -> str:
        return self._meta.instructions[self._tasks[episode]]

    def task(self, episode: int) -> str:
        """The recorder's name of the task; the instruction where there is none."""
        return self._meta.episodes[episode].get("polymath/task") or self.instruction(episode)

    def metadata(self, episode: int) -> dict[str, Any]:
        return json.loads(self._meta.episodes[episode].get("polymath/metadata") or "{}")

    def episode_name(self, episode: int) -> str:
        """By the set's own episode_index, which is no position once episodes are missing or left out."""
        return f"episode {self._meta.episodes[episode]['episode_index']}"

    def states(self, episode: int) -> Float[np.ndarray, "T state_dim"]:
        return self._rows[episode][fmt.STATE]

    def actions(self, episode: int) -> Float[np.ndarray, "T A"]:
        return self._rows[episode][fmt.ACTION]

    def frames(self, episode: int, steps: Sequence[int]) -> UInt8[np.ndarray, "n C height width 3"]:
        """The pictures of the given control steps, cameras in the order of the embodiment."""
        pictures = [self._camera_frames(episode, fmt.IMAGES + camera, steps) for camera in self.embodiment.cameras]
        sizes = {picture.shape for picture in pictures}
        if len(sizes) > 1:
            raise DataError(f"{self.name}: cameras of different sizes {sorted(sizes)}; open it with an image_size")
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

    def _camera_frames(self, episode: int, key: str, steps: Sequence[int]) -> UInt8[np.ndarray, "n height width 3"]:
        if self._meta.info["features"][key]["dtype"] == "video":
            if self._whole_clips:
                clip = self._cache.get((episode, key), partial(self._read_clip, episode, key), _size)
                return clip[list(steps)]
            path, start = self._meta.video_path(episode, key), self._meta.video_start(episode, key)
            times = [start + step / self.fps for step in steps]
            return np.stack([self._fit(frame) for frame in video.read_at(path, times, f"episode {episode}")])
        return np.stack([self._picture(episode, key, step) for step in steps])

    def _picture(self, episode: int, key: str, step: int) -> UInt8[np.ndarray, "height width 3"]:
        """Decoded once, then from the cache while there is room: a later epoch does not decode again."""
        return self._cache.get((episode, key, step), partial(self._decode, episode, key, step), _size)

    def _decode(self, episode: int, key: str, step: int) -> UInt8[np.ndarray, "height width 3"]:
        path = self._meta.data_path(episode)
        file = self._files[path]
        group, row = file.locate(self._first_rows[episode] + step)
        encoded = self._cache.get((path, group, key), partial(file.pictures, group, key), _size)
        return self._fit(decode(encoded[row].as_py() or b"", f"{path}: episode {episode}, frame {step}, {key}"))

    def _read_clip(self, episode: int, key: str) -> UInt8[np.ndarray, "T height width 3"]:
        path, start = self._meta.video_path(episode, key), self._meta.video_start(episode, key)
        length = self._meta.episodes[episode]["length"]
        return np.stack([self._fit(f) for f in video.read_frames(path, start, length, f"episode {episode}")])

    def _fit(self, image: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "height width 3"]:
        return image if self._image_size is None else fit(image, self._image_size)

    def _picture_bytes(self) -> int:
        """Size of all pictures of the set, decoded and fitted."""
        sizes = [
            3 * self._image_size**2 if self._image_size else int(np.prod(feature["shape"]))
            for key, feature in self._meta.info["features"].items()
            if key.removeprefix(fmt.IMAGES) in self.embodiment.cameras
        ]
        return sum(sizes) * sum(row["length"] for row in self._meta.episodes)

    def _open(self, on_bad: OnBad) -> None:
        """Read the small columns of every episode; keep those that pass."""
        problems: dict[Path, DataError | None] = {}
        first: dict[Path, int] = {}
        for index, row in enumerate(self._meta.episodes):
            path = self._meta.data_path(index)
            first[path] = min(row["dataset_from_index"], first.get(path, row["dataset_from_index"]))
        kept = []
        for index, row in enumerate(self._meta.episodes):
            path = self._meta.data_path(index)
            try:
                self._check_file(path, problems)
                for key in self._meta.video_keys():
                    self._check_video(index, key, problems)
                start = row["dataset_from_index"] - first[path]
                rows = self._read_rows(index, start)
                task = self._check_rows(index, rows)
            except DataError as error:
                on_bad(str(path), f"episode {row['episode_index']}", error)
                continue
            kept.append(row)
            self._rows.append(rows)
            self._tasks.append(task)
            self._first_rows.append(start)
        self._meta = replace(self._meta, episodes=kept)

    def _check_file(self, path: Path, problems: dict[Path, DataError | None]) -> None:
        """Open a data file or look through a video, once; raise what was wrong with it for every episode in it."""
        if path not in problems:
            try:
                if path.suffix == ".parquet":
                    self._files[path] = DataFile(path, [fmt.STATE, fmt.ACTION, *fmt.INDEX_COLUMNS])
                else:
                    self._video_frames[path] = check_complete(path)
                problems[path] = None
            except DataError as error:
                problems[path] = error
        problem = problems[path]
        if problem is not None:
            raise problem

    def _check_video(self, episode: int, key: str, problems: dict[Path, DataError | None]) -> None:
        """Raise DataError if the video is damaged, or ends before the episode does."""
        path, length = self._meta.video_path(episode, key), self._meta.episodes[episode]["length"]
        self._check_file(path, problems)
        frames, first = self._video_frames[path], round(self._meta.video_start(episode, key) * self.fps)
        if frames is not None and first + length > frames:
            raise DataError(
                f"{path}: has {frames} frames, episode {episode} needs {length} from frame {first}; copy or record "
                "the video again",
                "video",
            )

    def _read_rows(self, episode: int, start: int) -> dict[str, np.ndarray]:
        """The small columns of an episode: state and action as [T, D], the index columns as [T]."""
        path, length = self._meta.data_path(episode), self._meta.episodes[episode]["length"]
        table = self._files[path].table.slice(start, length)
        if table.num_rows != length or not length:
            raise DataError(
                f"{path}: episode {episode} needs {max(length, 1)} rows, {table.num_rows} are there; copy it again",
                "truncated",
            )
        rows = {name: to_numpy(table[name]) for name in table.column_names}
        return rows | {name: rows[name].reshape(length, -1) for name in (fmt.STATE, fmt.ACTION)}

    def _check_rows(self, episode: int, rows: dict[str, np.ndarray]) -> int:
        """Raise DataError for rows that no policy may learn from; the task index if all is well."""
        where = f"{self._meta.data_path(episode)}: episode {episode}"
        if (rows["episode_index"] != self._meta.episodes[episode]["episode_index"]).any():
            raise DataError(
                f"{where}, episode_index: the rows are of another episode; meta/episodes does not fit data", "schema"
            )
        check_vectors(rows[fmt.STATE], self.embodiment.state_dim, f"{where}, {fmt.STATE}", self.embodiment)
        check_vectors(rows[fmt.ACTION], self.embodiment.action_dim, f"{where}, {fmt.ACTION}", self.embodiment)
        back = np.flatnonzero(~(np.diff(rows["timestamp"]) > 0))
        if len(back):
            raise DataError(
                f"{where}, frame {back[0] + 1}, timestamp: does not increase; sort or drop the episode", "timestamps"
            )
        tasks = set(rows["task_index"].tolist())
        if len(tasks) > 1:
            raise DataError(
                f"{where}, task_index: {len(tasks)} instructions in one episode; split it where they change",
                "instruction",
            )
        task = tasks.pop()
        if not str(self._meta.instructions.get(task) or "").strip():
            raise DataError(
                f"{where}, task_index {task}: no instruction in meta/tasks.parquet; write one there", "instruction"
            )
        return task


def _size(value: np.ndarray | pa.Array) -> int:
    return value.nbytes
