"""LeRobotDataset v3.0 on disk: what the writer and the reader agree on (checked against lerobot 0.6.1).

    DATASET/
      meta/info.json                               version, fps, features, counts, path templates
      meta/stats.json                              statistics of every feature over the whole set
      meta/tasks.parquet                           task_index, task: the instructions
      meta/episodes/chunk-000/file-000.parquet     one row an episode: where it stands, its tasks, its statistics
      data/chunk-000/file-000.parquet              one row a frame, many episodes a file; pictures as PNG bytes, or
      videos/observation.images.CAM/chunk-000/file-000.mp4      … many episodes of one camera in one video
      meta/embodiment.json, meta/recording.json    ours: the robot, and who drew the pictures; lerobot ignores them

meta/episodes has two more columns of ours, which lerobot ignores too: `polymath/task` and `polymath/metadata` (JSON).
"""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Float, Int, UInt8

from polymath.data.robots.statistics import QUANTILES
from polymath.types import Embodiment

VERSION = "v3.0"
READABLE = ("v2.0", "v2.1", VERSION)
FILES_PER_CHUNK = 1000
DATA_MEGABYTES, VIDEO_MEGABYTES = 100, 200
DATA_PATH = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO_PATH = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
EPISODES_PATH = "meta/episodes/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
STATE, ACTION, IMAGES = "observation.state", "action", "observation.images."
# Columns that lerobot adds to every data set, with their Arrow types.
INDEX_COLUMNS = {
    "timestamp": pa.float32(),
    "frame_index": pa.int64(),
    "episode_index": pa.int64(),
    "index": pa.int64(),
    "task_index": pa.int64(),
}
IMAGE_TYPE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
STATISTICS = ("min", "max", "mean", "std", "count", *(f"q{round(100 * q):02d}" for q in QUANTILES))


def features(embodiment: Embodiment, image_size: int, video: dict[str, Any] | None) -> dict[str, dict[str, Any]]:
    """The `features` of info.json; `video` is the codec's description, None for pictures inside the parquet files."""
    picture: dict[str, Any] = {"shape": [image_size, image_size, 3], "names": ["height", "width", "channels"]}
    picture = {"dtype": "image", **picture} if video is None else {"dtype": "video", **picture, "info": video}
    return {
        STATE: {"dtype": "float32", "shape": [embodiment.state_dim], "names": list(embodiment.state_names)},
        **{IMAGES + camera: picture for camera in embodiment.cameras},
        ACTION: {"dtype": "float32", "shape": [embodiment.action_dim], "names": list(embodiment.action_names)},
        **{name: {"dtype": str(kind), "shape": [1], "names": None} for name, kind in _numpy_names().items()},
    }


def vector_type(width: int) -> pa.DataType:
    """lerobot stores a vector of one element as a plain number."""
    return pa.float32() if width == 1 else pa.list_(pa.float32(), width)


def vector_column(values: Float[np.ndarray, "T D"]) -> pa.Array:
    flat = pa.array(np.ascontiguousarray(values, np.float32).ravel())
    return flat if values.shape[1] == 1 else pa.FixedSizeListArray.from_arrays(flat, values.shape[1])


def data_schema(embodiment: Embodiment, pictures_inside: bool) -> pa.Schema:
    """Columns of data/*.parquet, with the metadata by which HF `datasets` recognises pictures."""
    fields = [(STATE, vector_type(embodiment.state_dim)), (ACTION, vector_type(embodiment.action_dim))]
    if pictures_inside:
        fields += [(IMAGES + camera, IMAGE_TYPE) for camera in embodiment.cameras]
    fields += INDEX_COLUMNS.items()
    described = {name: _huggingface_feature(kind) for name, kind in fields}
    return pa.schema(fields, {"huggingface": json.dumps({"info": {"features": described}})})


def tasks_schema() -> pa.Schema:
    """Columns of meta/tasks.parquet, with the metadata by which pandas makes `task` the index."""
    column = {"pandas_type": "int64", "numpy_type": "int64", "metadata": None}
    text = {"pandas_type": "unicode", "numpy_type": "object", "metadata": None}
    described = {
        "index_columns": ["task"],
        "column_indexes": [{"name": None, "field_name": None, **text, "metadata": {"encoding": "UTF-8"}}],
        "columns": [
            {"name": "task_index", "field_name": "task_index", **column},
            {"name": "task", "field_name": "task", **text},
        ],
        "attributes": {},
        "creator": {"library": "pyarrow", "version": pa.__version__},
        "pandas_version": "2.3.3",
    }
    return pa.schema([("task_index", pa.int64()), ("task", pa.string())], {"pandas": json.dumps(described)})


def episodes_schema(embodiment: Embodiment, video: bool) -> pa.Schema:
    """Columns of meta/episodes/*.parquet."""
    integers = ("length", "data/chunk_index", "data/file_index", "dataset_from_index", "dataset_to_index")
    fields = [("episode_index", pa.int64()), ("tasks", pa.list_(pa.string()))]
    fields += [(name, pa.int64()) for name in integers]
    keys = [IMAGES + camera for camera in embodiment.cameras]
    for key in keys if video else ():
        fields += [(f"videos/{key}/{name}", pa.int64()) for name in ("chunk_index", "file_index")]
        fields += [(f"videos/{key}/{name}", pa.float64()) for name in ("from_timestamp", "to_timestamp")]
    for key in (STATE, ACTION, *keys, *INDEX_COLUMNS):
        number = pa.list_(pa.list_(pa.list_(pa.float64()))) if key in keys else pa.list_(pa.float64())
        fields += [(f"stats/{key}/{s}", pa.list_(pa.int64()) if s == "count" else number) for s in STATISTICS]
    fields += [("meta/episodes/chunk_index", pa.int64()), ("meta/episodes/file_index", pa.int64())]
    return pa.schema([*fields, ("polymath/task", pa.string()), ("polymath/metadata", pa.string())])


def vector_statistics(values: Float[np.ndarray, "T D"]) -> dict[str, list[Any]]:
    """Exact statistics of one episode's vectors, in lerobot's names."""
    values = np.asarray(values, np.float64)
    result = {"min": values.min(0), "max": values.max(0), "mean": values.mean(0), "std": values.std(0)}
    for q in QUANTILES:
        result[f"q{round(100 * q):02d}"] = np.quantile(values, q, axis=0)
    return {**{name: value.tolist() for name, value in result.items()}, "count": [len(values)]}


def histogram(images: UInt8[np.ndarray, "n h w 3"]) -> Int[np.ndarray, "3 256"]:
    """How often each value occurs in each channel: all that the statistics of pictures need."""
    return np.stack([np.bincount(images[..., c].ravel(), minlength=256) for c in range(3)])


def picture_statistics(counts: Int[np.ndarray, "3 256"], pictures: int) -> dict[str, list[Any]]:
    """Statistics of pixels scaled to [0, 1] as nested lists [3][1][1], as lerobot writes them."""
    values, shares = np.arange(256) / 255, counts / counts.sum(axis=1, keepdims=True)
    cumulative = shares.cumsum(axis=1)
    mean = shares @ values
    result = {
        "min": values[(counts > 0).argmax(axis=1)],
        "max": values[255 - (counts[:, ::-1] > 0).argmax(axis=1)],
        "mean": mean,
        "std": np.sqrt(np.maximum(shares @ values**2 - mean**2, 0.0)),
    }
    for q in QUANTILES:
        result[f"q{round(100 * q):02d}"] = values[(cumulative >= q - 1e-12).argmax(axis=1)]
    return {**{name: value.reshape(3, 1, 1).tolist() for name, value in result.items()}, "count": [pictures]}


def _numpy_names() -> Mapping[str, str]:
    return {name: "float32" if kind == pa.float32() else "int64" for name, kind in INDEX_COLUMNS.items()}


def _huggingface_feature(kind: pa.DataType) -> dict[str, Any]:
    if kind == IMAGE_TYPE:
        return {"_type": "Image"}
    if pa.types.is_fixed_size_list(kind):
        return {"feature": {"dtype": "float32", "_type": "Value"}, "length": kind.list_size, "_type": "List"}
    return {"dtype": "float32" if kind == pa.float32() else "int64", "_type": "Value"}
