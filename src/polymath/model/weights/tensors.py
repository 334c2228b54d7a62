"""Named arrays on disk, read one at a time: a .safetensors file, a directory of shards, or a big_vision .npz."""

import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from polymath.errors import CheckpointError

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Tensors:
    """shapes: of every array, without reading it; read: one array; path: what error messages name."""

    path: Path
    shapes: Mapping[str, Shape]
    read: Callable[[str], np.ndarray]


def open_tensors(path: Path) -> Tensors:
    """Raises CheckpointError for a missing, truncated or foreign file, naming it."""
    path = Path(path)
    if path.suffix == ".npz":
        return _open_npz(path)
    return _open_safetensors(path, _shards(path))


def _shards(path: Path) -> list[Path]:
    """The files of a checkpoint; those named by model.safetensors.index.json if there is one."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise CheckpointError(f"{path}: no such file or directory; give a .safetensors file, a directory or an .npz")
    index = path / "model.safetensors.index.json"
    if not index.exists():
        found = sorted(path.glob("*.safetensors"))
        if not found:
            raise CheckpointError(f"{path}: holds no .safetensors file; convert the checkpoint to safetensors first")
        return found
    try:
        names = set(json.loads(index.read_text())["weight_map"].values())
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise CheckpointError(f"{index}: not an index of shards ({error!r}); fetch it again") from None
    shards = [path / name for name in sorted(names)]
    for shard in shards:
        if not shard.exists():
            raise CheckpointError(f"{shard}: is named by {index.name} but missing; fetch the whole checkpoint again")
    return shards


def _open_safetensors(path: Path, shards: list[Path]) -> Tensors:
    shapes: dict[str, Shape] = {}
    files: dict[str, Any] = {}
    for shard in shards:
        try:
            file = safe_open(shard, framework="numpy")
            for name in file.keys():  # noqa: SIM118  (safe_open is no mapping)
                shapes[name] = tuple(file.get_slice(name).get_shape())
                files[name] = file
        except (SafetensorError, OSError) as error:
            size = shard.stat().st_size
            raise CheckpointError(
                f"{shard}: not a whole safetensors file ({error}; {size:,} bytes); it is truncated or of another "
                "format, fetch it again"
            ) from None
    return Tensors(path, shapes, lambda name: files[name].get_tensor(name))


def _open_npz(path: Path) -> Tensors:
    """Shapes come from the headers of the archive's members."""
    shapes: dict[str, Shape] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.namelist():
                with archive.open(member) as stream:
                    version = np.lib.format.read_magic(stream)
                    header = (
                        np.lib.format.read_array_header_1_0
                        if version == (1, 0)
                        else np.lib.format.read_array_header_2_0
                    )
                    shapes[member.removesuffix(".npy")] = header(stream)[0]
        arrays = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such file") from None
    except (zipfile.BadZipFile, ValueError, EOFError) as error:
        raise CheckpointError(f"{path}: not a whole .npz file ({error}); fetch it again") from None
    return Tensors(path, shapes, lambda name: arrays[name])
