"""Small LeRobot sets written with pyarrow and PyAV alone, so that a test can bend whatever it wants.

A picture says which it is: the grey level of its left half tells the frame, that of its right half the episode.
"""

import io
import json
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

HEIGHT, WIDTH = 48, 64
FRONT = "observation.images.front"
PICTURE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
Columns = dict[str, Any]
EditRows = Callable[[int, Columns], Columns | None]
EditEntry = Callable[[int, dict[str, Any]], dict[str, Any] | None]
EditInfo = Callable[[dict[str, Any]], dict[str, Any] | None]


def picture(episode: int, frame: float) -> np.ndarray:
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    image[:, : WIDTH // 2] = 10 + 12 * (frame % 20)
    image[:, WIDTH // 2 :] = 20 + 40 * (episode % 6)
    return image


def shown(images: np.ndarray) -> list[tuple[int, int]]:
    """(episode, frame) of each decoded picture; frames from 20 on begin again at 0."""
    left, right = images[..., : WIDTH // 2 - 4, :], images[..., WIDTH // 2 + 4 :, :]
    frames = np.rint((left.mean(axis=(1, 2, 3)) - 10) / 12).astype(int)
    episodes = np.rint((right.mean(axis=(1, 2, 3)) - 20) / 40).astype(int)
    return list(zip(episodes.tolist(), frames.tolist(), strict=True))


def png(pixels: np.ndarray, form: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, form)
    return buffer.getvalue()


def pictures(encoded: Sequence[bytes | None], paths: Sequence[str] | None = None) -> pa.Array:
    """A column as HF `datasets` writes its Image feature."""
    places = paths or [None] * len(encoded)
    return pa.array([{"bytes": data, "path": path} for data, path in zip(encoded, places, strict=True)], PICTURE)


def write_video(path: Path, frames: Sequence[np.ndarray], rate: float | Fraction, options: Mapping[str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    exact = Fraction(rate).limit_denominator(100_000)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(
            "libx264", rate=exact, options={"g": "2", "crf": "10", "bf": "0", "preset": "ultrafast", **options}
        )
        stream.height, stream.width, stream.pix_fmt = *frames[0].shape[:2], "yuv420p"
        stream.time_base = stream.codec_context.time_base = 1 / exact
        for number, image in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = number, 1 / exact
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def columns(episode: int, steps: int, fps: float, first: int) -> Columns:
    """State [episode, t, sin], action [episode + …, t] and lerobot's index columns."""
    t = np.arange(steps)
    state = np.stack([np.full(steps, episode), t, np.sin(t + episode)], axis=1).astype(np.float32)
    action = np.stack([episode + 0.1 * np.cos(t), t], axis=1).astype(np.float32)
    return {
        "observation.state": pa.array(state.tolist(), pa.list_(pa.float32(), 3)),
        "action": pa.array(action.tolist(), pa.list_(pa.float32(), 2)),
        "timestamp": pa.array((t / fps).astype(np.float32)),
        "frame_index": pa.array(t),
        "episode_index": pa.array(np.full(steps, episode)),
        "index": pa.array(first + t),
        "task_index": pa.array(np.zeros(steps, np.int64)),
    }


def write_set(
    root: Path,
    lengths: Sequence[int] = (8, 8),
    *,
    version: str = "v2.1",
    fps: float = 10,
    cameras: Sequence[str] = (FRONT,),
    video: bool = True,
    rate: float | Fraction | None = None,
    frames: Callable[[int, int], Sequence[np.ndarray]] | None = None,
    edit_rows: EditRows | None = None,
    edit_info: EditInfo | None = None,
    edit_entry: EditEntry | None = None,
    tasks: Sequence[Any] = ("push the block",),
    indices: Sequence[int] | None = None,
    options: Mapping[str, str] | None = None,
) -> Path:
    """A set of episodes of those lengths, numbered by `indices`; the `edit_…` change what is written.

    `frames(episode, steps)` are the pictures of an episode's video, which runs at `rate` (`fps` unless given).
    """
    v3, rate = version == "v3.0", rate or fps
    info = _info(version, fps, cameras, video) | {"total_episodes": len(lengths), "total_frames": sum(lengths)}
    info = (edit_info(info) or info) if edit_info else info
    (root / "meta").mkdir(parents=True)
    (root / "meta/info.json").write_text(json.dumps(info))
    entries, tables, film, first = [], [], [], 0
    for episode, steps in zip(indices or range(len(lengths)), lengths, strict=True):
        images = frames(episode, steps) if frames else [picture(episode, t) for t in range(steps)]
        rows = columns(episode, steps, fps, first)
        rows |= {} if video else {key: pictures([png(image) for image in images]) for key in cameras}
        rows = (edit_rows(episode, rows) or rows) if edit_rows else rows
        entry: dict[str, Any] = {"episode_index": episode, "tasks": [tasks[0]], "length": steps}
        if v3:
            tables.append(pa.table(rows))
            entry |= {"data/chunk_index": 0, "data/file_index": 0, "dataset_from_index": first}
            entry |= {"dataset_to_index": first + steps}
            for key in cameras if video else ():
                entry |= {f"videos/{key}/chunk_index": 0, f"videos/{key}/file_index": 0}
                entry[f"videos/{key}/from_timestamp"] = float(len(film) / rate)
                entry[f"videos/{key}/to_timestamp"] = float((len(film) + len(images)) / rate)
            film += images
        else:
            names = {"episode_chunk": episode // 1000, "episode_index": episode}
            for key in cameras if video else ():
                path = root / "videos/chunk-{episode_chunk:03d}/{key}/episode_{episode_index:06d}.mp4".format(
                    key=key, **names
                )
                write_video(path, images, rate, options or {})
            _write_table(
                root / "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet".format(**names), rows
            )
        first += steps
        entries.append((edit_entry(episode, entry) or entry) if edit_entry else entry)
    if v3:
        _write_table(root / "data/chunk-000/file-000.parquet", pa.concat_tables(tables))
        for key in cameras if video else ():
            write_video(root / "videos" / key / "chunk-000/file-000.mp4", film, rate, options or {})
        _write_table(root / "meta/episodes/chunk-000/file-000.parquet", pa.Table.from_pylist(entries))
        pq.write_table(pa.table({"task_index": range(len(tasks)), "task": list(tasks)}), root / "meta/tasks.parquet")
    else:
        (root / "meta/episodes.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in entries))
        lines = [json.dumps({"task_index": i, "task": task}, ensure_ascii=False) + "\n" for i, task in enumerate(tasks)]
        (root / "meta/tasks.jsonl").write_text("".join(lines))
    return root


def rewrite_info(root: Path, **fields: Any) -> Path:
    file = root / "meta/info.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | fields))
    return root


def edit_entries(root: Path, edit: Callable[[list[dict[str, Any]]], None]) -> Path:
    """Change the list of episodes of a v3.0 set in place."""
    file = root / "meta/episodes/chunk-000/file-000.parquet"
    entries = pq.read_table(file).to_pylist()
    edit(entries)
    pq.write_table(pa.Table.from_pylist(entries), file)
    return root


def _info(version: str, fps: float, cameras: Sequence[str], video: bool) -> dict[str, Any]:
    features: dict[str, Any] = {
        "observation.state": {"dtype": "float32", "shape": [3], "names": None},
        "action": {"dtype": "float32", "shape": [2], "names": None},
    }
    names = ["height", "width", "channels"]
    for key in cameras:
        features[key] = {"dtype": "video" if video else "image", "shape": [HEIGHT, WIDTH, 3], "names": names}
    for name, kind in (("timestamp", "float32"), *((n, "int64") for n in ("frame_index", "episode_index", "index"))):
        features[name] = {"dtype": kind, "shape": [1], "names": None}
    features["task_index"] = {"dtype": "int64", "shape": [1], "names": None}
    data = "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet"
    videos = "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4"
    if version == "v3.0":
        data = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
        videos = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
    return {
        "codebase_version": version,
        "robot_type": "arm",
        "fps": fps,
        "chunks_size": 1000,
        "features": features,
        "data_path": data,
        "video_path": videos if video else None,
    }


def _write_table(path: Path, table: pa.Table | Columns) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table if isinstance(table, pa.Table) else pa.table(table), path)
