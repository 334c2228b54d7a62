"""Writing a LeRobotDataset v3.0 that the real `lerobot` opens; see `layout` for the files."""

import contextlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from polymath import config
from polymath.data.files.images import encode_png
from polymath.data.files.rolling import RollingFiles
from polymath.data.files.video_writer import VideoWriter, choose_encoding, describe
from polymath.data.files.whole_writer import WholeDirectoryWriter
from polymath.data.formats.lerobot import layout as fmt
from polymath.data.formats.memory import check_episode
from polymath.data.robots.accumulator import TAILS, Accumulator
from polymath.errors import DataError
from polymath.types import Embodiment, Episode

# Pictures an episode contributes to the statistics of pixels, evenly spaced over it.
SAMPLED_PICTURES = 100


class LeRobotWriter(WholeDirectoryWriter):
    """`with LeRobotWriter(…) as writer: writer.add(episode)`: the directory appears whole at the end, or not at all.

    `video`: one mp4 per camera instead of PNG pictures inside the parquet files. `metadata` says what made the
    pictures (simulator, renderer, …) and is kept in meta/recording.json. Pictures are image_size x image_size.
    """

    def __init__(
        self,
        out: Path,
        embodiment: Embodiment,
        fps: int,
        image_size: int,
        video: bool = False,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        self._embodiment, self._fps, self._image_size = embodiment, fps, image_size
        self._encoding = choose_encoding() if video else None
        self._metadata = dict(metadata or {})
        self._tasks: dict[str, int] = {}
        self._frames = 0
        self._episodes: list[dict[str, Any]] = []
        self._schema = fmt.data_schema(embodiment, pictures_inside=not video)
        self._totals = {key: Accumulator(self._width(key)) for key in (fmt.STATE, fmt.ACTION, *fmt.INDEX_COLUMNS)}
        self._pixels = {fmt.IMAGES + camera: (np.zeros((3, 256), np.int64), 0) for camera in embodiment.cameras}
        super().__init__(out)  # after all that can fail, because it creates a directory
        self._data = self._rolling(self._open_data, fmt.DATA_MEGABYTES)
        keys = [fmt.IMAGES + camera for camera in embodiment.cameras] if video else []
        self._videos = {key: self._rolling(self._video_opener(key), fmt.VIDEO_MEGABYTES) for key in keys}

    def add(self, episode: Episode) -> int:
        """Append one episode; gives its index. Raises DataError, and adds nothing, if it does not fit the robot."""
        where = f"episode {len(self._episodes)}"
        check_episode(episode, self._embodiment, where)
        for camera, images in episode.images.items():
            if images.shape[1:3] != (self._image_size, self._image_size):
                raise DataError(
                    f"{where}.images[{camera!r}]: {images.shape[1:3]} is not {self._image_size} x {self._image_size}; "
                    "give the writer the recorder's image size"
                )
        columns = self._columns(episode)
        row = self._describe(episode, columns)
        row |= self._write_data(episode, columns)
        for key in self._videos:
            row |= self._write_video(key, episode)
        self._episodes.append(row)
        self._frames += len(episode.actions)
        return len(self._episodes) - 1

    def close(self) -> None:
        """Finish the files and give the directory its name. Raises DataError if no episode was added."""
        with self._stack:
            if not self._episodes:
                raise DataError("no episode was recorded; nothing was written")
            self._data.close()
            for rolling in self._videos.values():
                rolling.close()
            self._write_meta()

    def _columns(self, episode: Episode) -> dict[str, np.ndarray]:
        """The index columns of the episode's rows, one float or integer a frame."""
        steps = len(episode.actions)
        task = self._tasks.setdefault(episode.instruction, len(self._tasks))
        frame = np.arange(steps, dtype=np.int64)
        return {
            "timestamp": (frame / self._fps).astype(np.float32),
            "frame_index": frame,
            "episode_index": np.full(steps, len(self._episodes), np.int64),
            "index": self._frames + frame,
            "task_index": np.full(steps, task, np.int64),
        }

    def _describe(self, episode: Episode, columns: dict[str, np.ndarray]) -> dict[str, Any]:
        """The episode's row of meta/episodes, statistics included."""
        steps = len(episode.actions)
        row: dict[str, Any] = {
            "episode_index": len(self._episodes),
            "tasks": [episode.instruction],
            "length": steps,
            "dataset_from_index": self._frames,
            "dataset_to_index": self._frames + steps,
            "meta/episodes/chunk_index": 0,
            "meta/episodes/file_index": 0,
            "polymath/task": episode.task,
            "polymath/metadata": json.dumps(episode.metadata),
        }
        vectors = {fmt.STATE: episode.states, fmt.ACTION: episode.actions}
        vectors |= {name: values[:, None] for name, values in columns.items()}
        for key, values in vectors.items():
            self._totals[key].add(values)
            row |= {f"stats/{key}/{name}": value for name, value in fmt.vector_statistics(values).items()}
        sampled = np.unique(np.linspace(0, steps - 1, SAMPLED_PICTURES).round().astype(int))
        for camera, images in episode.images.items():
            key, counts = fmt.IMAGES + camera, fmt.histogram(images[sampled])
            total, pictures = self._pixels[key]
            self._pixels[key] = (total + counts, pictures + len(sampled))
            row |= {f"stats/{key}/{name}": v for name, v in fmt.picture_statistics(counts, len(sampled)).items()}
        return row

    def _write_data(self, episode: Episode, columns: dict[str, np.ndarray]) -> dict[str, int]:
        values = [fmt.vector_column(episode.states), fmt.vector_column(episode.actions)]
        for camera in () if self._videos else self._embodiment.cameras:
            encoded = [encode_png(image) for image in episode.images[camera]]
            names = [f"frame-{i:06d}.png" for i in range(len(encoded))]
            values.append(pa.StructArray.from_arrays([pa.array(encoded), pa.array(names)], ["bytes", "path"]))
        table = pa.Table.from_arrays([*values, *map(pa.array, columns.values())], schema=self._schema)
        chunk, file, writer = self._data.current()
        writer.write_table(table)
        return {"data/chunk_index": chunk, "data/file_index": file}

    def _write_video(self, key: str, episode: Episode) -> dict[str, float]:
        chunk, file, writer = self._videos[key].current()
        start = writer.frames / self._fps
        writer.write(episode.images[key.removeprefix(fmt.IMAGES)])
        row = {"chunk_index": chunk, "file_index": file, "from_timestamp": start}
        return {f"videos/{key}/{name}": v for name, v in (row | {"to_timestamp": writer.frames / self._fps}).items()}

    def _write_meta(self) -> None:
        meta = self._root / "meta"
        path = self._root / fmt.EPISODES_PATH.format(chunk_index=0, file_index=0)
        path.parent.mkdir(parents=True)
        schema = fmt.episodes_schema(self._embodiment, bool(self._videos))
        pq.write_table(pa.Table.from_pylist(self._episodes, schema=schema), path)
        tasks = pa.table([list(self._tasks.values()), list(self._tasks)], schema=fmt.tasks_schema())
        pq.write_table(tasks, meta / "tasks.parquet")
        statistics = {key: _as_lerobot(total) for key, total in self._totals.items()}
        statistics |= {key: fmt.picture_statistics(*counted) for key, counted in self._pixels.items()}
        for name, value in (("stats", statistics), ("info", self._info()), ("recording", self._metadata)):
            (meta / f"{name}.json").write_text(json.dumps(value, indent=4) + "\n")
        config.save(self._embodiment, meta / "embodiment.json")

    def _info(self) -> dict[str, Any]:
        described = describe(self._encoding, self._image_size, self._fps) if self._encoding else None
        return {
            "codebase_version": fmt.VERSION,
            "fps": self._fps,
            "features": fmt.features(self._embodiment, self._image_size, described),
            "total_episodes": len(self._episodes),
            "total_frames": self._frames,
            "total_tasks": len(self._tasks),
            "chunks_size": fmt.FILES_PER_CHUNK,
            "data_files_size_in_mb": fmt.DATA_MEGABYTES,
            "video_files_size_in_mb": fmt.VIDEO_MEGABYTES,
            "data_path": fmt.DATA_PATH,
            "video_path": fmt.VIDEO_PATH if self._videos else None,
            "robot_type": self._embodiment.name,
            "splits": {"train": f"0:{len(self._episodes)}"},
        }

    def _width(self, key: str) -> int:
        return {fmt.STATE: self._embodiment.state_dim, fmt.ACTION: self._embodiment.action_dim}.get(key, 1)

    def _rolling(self, opener: Callable[[int, int], tuple[Path, Any]], megabytes: int) -> RollingFiles:
        """Files that are closed before the directory is named, or removed."""
        rolling = RollingFiles(opener, megabytes, fmt.FILES_PER_CHUNK)
        return self._stack.enter_context(contextlib.closing(rolling))

    def _open_data(self, chunk: int, file: int) -> tuple[Path, pq.ParquetWriter]:
        path = self._root / fmt.DATA_PATH.format(chunk_index=chunk, file_index=file)
        path.parent.mkdir(parents=True, exist_ok=True)
        # Pictures are all different: a dictionary of them would only cost time.
        return path, pq.ParquetWriter(path, self._schema, use_dictionary=False)

    def _video_opener(self, key: str) -> Callable[[int, int], tuple[Path, VideoWriter]]:
        def opener(chunk: int, file: int) -> tuple[Path, VideoWriter]:
            assert self._encoding is not None
            path = self._root / fmt.VIDEO_PATH.format(video_key=key, chunk_index=chunk, file_index=file)
            size = (self._image_size, self._image_size)
            return path, VideoWriter(path, self._encoding, size, self._fps)

        return opener


def _as_lerobot(total: Accumulator) -> dict[str, Any]:
    result = {name: value for name, value in config.to_dict(total.result()).items() if name not in TAILS}
    return {**result, "count": [result["count"]]}
