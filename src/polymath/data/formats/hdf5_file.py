"""Reading HDF5 with errors that name file, group and field: vectors, sentences, and which arrays are pictures."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from polymath.data.files.paths import readable
from polymath.errors import ConfigError, DataError, PolymathError

SUFFIXES = (".hdf5", ".h5")


def files_of(path: Path) -> list[Path]:
    """The file itself, or the HDF5 files of a directory in the order of their names; macOS's `._` files are none."""
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.iterdir() if file.suffix in SUFFIXES and not file.name.startswith("._"))


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """The file's root group; what h5py raises while it is read becomes a DataError naming the file."""
    try:
        import h5py
    except ImportError:
        raise ConfigError(f"{path}: HDF5 needs h5py; install polymath-v[data]") from None
    with reading(str(path)), h5py.File(readable(path), "r") as file:
        yield file


@contextmanager
def reading(where: str) -> Iterator[None]:
    """What h5py raises for damaged or missing parts becomes a DataError; types and sizes that cannot be, too."""
    try:
        yield
    except PolymathError:
        raise
    except (OSError, KeyError, RuntimeError, ValueError, TypeError, OverflowError, MemoryError) as error:
        kind = "schema" if isinstance(error, KeyError) else "truncated"
        reason = " ".join(str(error).split())
        raise DataError(f"{where}: not a whole HDF5 file of this layout ({reason}); copy it again", kind) from None


def child(group: Any, key: str, where: str) -> Any:
    """An entry of a group. Raises DataError listing what there is."""
    there = list(group) if hasattr(group, "keys") else []
    if key not in there:
        raise DataError(f"{where}: has no {key}, only {', '.join(there) or 'nothing'}; record it again", "schema")
    return group[key]


def vectors(group: Any, key: str, where: str) -> Float[np.ndarray, "T D"]:
    """A row of numbers a control step; numbers of one step in several axes are laid out row by row."""
    data = child(group, key, where)
    dtype, shape = getattr(data, "dtype", None), getattr(data, "shape", None)
    if dtype is None or dtype.kind not in "fiub" or not shape:
        described = f"{dtype} of shape {shape}" if dtype is not None else "a group"
        raise DataError(f"{where}, {key}: is {described}, not a table of numbers; drop the episode", "schema")
    return np.asarray(data, np.float32).reshape(shape[0], int(np.prod(shape[1:])))


def sentence(value: Any, where: str) -> str:
    """Text, bytes, or the first of several; empty if there is none. Raises DataError for anything else."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, list | tuple):
        value = next((entry for entry in value if entry), "")
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if value is None:
        return ""
    if not isinstance(value, str):
        raise DataError(f"{where}: the instruction is {value!r}, not text; write it again", "instruction")
    return value.strip()


def not_pictures(data: Any) -> str | None:
    """Why an array holds no colour pictures; None if it does, raw [T, h, w, 3] or encoded, one a row."""
    dtype, shape = getattr(data, "dtype", None), getattr(data, "shape", None)
    if dtype is None or not shape:
        return "it is a group or a single value"
    if (dtype.metadata and dtype.metadata.get("vlen") is str) or dtype.kind in "SU":
        return "it is text"
    if len(shape) == 1 and (dtype.kind == "V" or (dtype.metadata or {}).get("vlen") == np.uint8):
        return None  # encoded, of different lengths
    if dtype != np.uint8:
        return f"it is {dtype}, not uint8"
    if len(shape) == 4 and (shape[3] != 3 or 0 in shape[1:]):
        return f"a picture is {shape[1:]}, not (height, width, 3)"
    return None if len(shape) in (2, 4) else f"its shape is {shape}"


def colour_pictures(arrays: Mapping[str, Any]) -> list[str]:
    """The names of the arrays that hold colour pictures."""
    return [name for name, data in arrays.items() if not_pictures(data) is None]


def problem_sentence(data: Any, where: str) -> str:
    """LIBERO's sentence for the whole file."""
    text = sentence(getattr(data, "attrs", {}).get("problem_info"), f"{where}, problem_info")
    try:
        info = json.loads(text or "{}")
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}, problem_info: not valid JSON ({error}); copy the file again", "schema") from None
    if not isinstance(info, dict):
        raise DataError(f"{where}, problem_info: {text[:80]!r} is no JSON object; copy the file again", "schema")
    return sentence(info.get("language_instruction"), f"{where}, problem_info")


def numerically(name: str) -> list[Any]:
    """demo_2 before demo_10; names without numbers in the order of the alphabet."""
    return [(1, int(part), "") if part.isdecimal() else (0, 0, part) for part in re.split(r"(\d+)", name)]
