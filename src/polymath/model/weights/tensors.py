"""Named arrays on disk, read one at a time: a .safetensors file, a directory of shards, or a big_vision .npz.

Every array that is read is finite and of a floating-point type of 16 bits or more.
"""

import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from safetensors import SafetensorError, safe_open

from polymath.errors import CheckpointError
from polymath.model.weights.pointers import refuse_pointer
from polymath.model.weights.shards import INDEX, Shards, shards_of

Shape = tuple[int, ...]
FLOATS = ("F32", "F16", "BF16", "F64")  # as safetensors names them
CHUNK = 2**20  # numbers that are looked at together


@dataclass(frozen=True)
class Tensors:
    """shapes: of every array, without reading it; read: one array; path: what error messages name."""

    path: Path
    shapes: Mapping[str, Shape]
    read: Callable[[str], np.ndarray]


def open_tensors(path: Path) -> Tensors:
    """Raises CheckpointError for a missing, truncated or foreign file, naming it.

    `read` raises it for an array that holds a NaN or an infinity, or whole numbers or 8 bits and less.
    """
    path = Path(path)
    if path.suffix == ".npz":
        return _open_npz(path)
    return _open_safetensors(path, shards_of(path))


def _open_safetensors(path: Path, shards: Shards) -> Tensors:
    shapes: dict[str, Shape] = {}
    files: dict[str, tuple[Path, Any]] = {}
    for shard in shards.files:
        refuse_pointer(shard)
        try:
            file = safe_open(shard, framework="numpy")
            for name in file.keys():  # noqa: SIM118  (safe_open is no mapping)
                if name in files:
                    raise CheckpointError(
                        f"{shard}: tensor {name!r} is in {files[name][0].name} too; give the one file that holds"
                    )
                shapes[name] = tuple(file.get_slice(name).get_shape())
                files[name] = shard, file
        except (SafetensorError, OSError) as error:
            size = shard.stat().st_size
            raise CheckpointError(
                f"{shard}: not a whole safetensors file ({error}; {size:,} bytes); it is truncated or of another "
                "format, fetch it again"
            ) from None

    absent = sorted(shards.promised - files.keys())
    if absent:
        more = f" (and {len(absent) - 1} more)" if len(absent) > 1 else ""
        raise CheckpointError(
            f"{path / INDEX}: names tensor {absent[0]!r}{more}, which no shard holds; fetch the whole checkpoint again"
        )

    def read(name: str) -> np.ndarray:
        shard, file = files[name]
        kind = file.get_slice(name).get_dtype()
        if kind not in FLOATS:
            raise CheckpointError(
                f"{shard}: tensor {name!r} is of type {kind}, but weights are read in {', '.join(FLOATS)}; fetch the "
                "model in bfloat16, not its quantised copy"
            )
        return finite(file.get_tensor(name), name, shard)

    return Tensors(path, shapes, read)


def finite(array: np.ndarray, name: str, path: Path) -> np.ndarray:
    """The array, float64 as float32. Raises CheckpointError for a NaN or an infinity in it."""
    if array.dtype == np.float64:
        with np.errstate(over="ignore"):
            array = array.astype(np.float32)
    flat = array.reshape(-1)
    for start in range(0, flat.size, CHUNK):
        chunk = flat[start : start + CHUNK]
        bad = np.flatnonzero(~np.isfinite(chunk))
        if len(bad):
            place = [int(i) for i in np.unravel_index(start + bad[0], array.shape)]
            raise CheckpointError(f"{path}: tensor {name!r} is {chunk[bad[0]]} at {place}; fetch the weights again")
    return array


def _open_npz(path: Path) -> Tensors:
    """Shapes come from the headers of the archive's members."""
    shapes: dict[str, Shape] = {}
    try:
        refuse_pointer(path)
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
    except (zipfile.BadZipFile, ValueError, EOFError, OSError) as error:
        raise CheckpointError(f"{path}: not a whole .npz file ({error}); fetch it again") from None

    def read(name: str) -> np.ndarray:
        try:
            array = arrays[name]
        except (zipfile.BadZipFile, ValueError, EOFError) as error:
            raise CheckpointError(f"{path}: array {name!r} cannot be read ({error}); fetch it again") from None
        if array.dtype == np.dtype("V2"):  # how numpy writes bfloat16, which it does not know
            array = array.view(jnp.bfloat16)
        if array.dtype not in (np.float16, np.float32, np.float64, jnp.bfloat16):
            raise CheckpointError(
                f"{path}: array {name!r} is of type {array.dtype}, but weights have a floating-point type of 16 bits "
                "or more; fetch the weights again"
            )
        return finite(array, name, path)

    return Tensors(path, shapes, read)
