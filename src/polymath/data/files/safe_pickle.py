"""Pickles of public robot data, read by an unpickler that knows numpy arrays and plain containers and nothing else.

BridgeData V2's raw files and CALVIN's language annotations are pickles. A pickle may name any function to call; here
every name that is not in the table below is refused before anything is called, and the table's functions are our own.
This file alone may import `pickle` (see the import contract).
"""

import io
import pickle
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from polymath.errors import DataError

# What the unpickler and numpy raise for bytes that are no whole pickle.
_DAMAGED = (
    pickle.UnpicklingError,
    EOFError,
    ValueError,
    TypeError,
    IndexError,
    KeyError,
    AttributeError,
    OverflowError,
    MemoryError,
    RecursionError,
)


def load(data: bytes, where: str) -> Any:
    """The object. Raises DataError of kind "pickle" if it names a foreign class, "truncated" if it is damaged."""
    try:
        return _Unpickler(io.BytesIO(data), encoding="latin1").load()
    except DataError as error:
        raise DataError(f"{where}: {error}", error.kind) from None
    except _DAMAGED as error:
        raise DataError(f"{where}: not a whole pickle ({error}); copy the file again", "truncated") from None


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _KNOWN:
            raise DataError(
                f"the pickle names {module}.{name}, which is no numpy array; it was refused and nothing was run",
                "pickle",
            )
        return _KNOWN[module, name]

    def persistent_load(self, pid: Any) -> Any:
        raise DataError("the pickle refers to objects outside of it; it was refused", "pickle")


def _ndarray(*arguments: Any) -> None:
    """The class only names itself in a pickle; called, it could ask for any amount of memory."""
    raise DataError("the pickle calls numpy.ndarray; it was refused", "pickle")


def _new_array(kind: Any, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """numpy.core.multiarray._reconstruct: the empty array that the pickled state then fills."""
    if kind is not _NDARRAY or tuple(shape) != (0,):
        raise DataError("the pickle makes an array in an unusual way; it was refused", "pickle")
    return np.ndarray((0,), "b")


def _scalar(dtype: np.dtype, data: Any = b"") -> Any:
    if not isinstance(dtype, np.dtype) or dtype.hasobject or not isinstance(data, bytes | str):
        raise DataError("the pickle makes a number in an unusual way; it was refused", "pickle")
    return np.frombuffer(data.encode("latin1") if isinstance(data, str) else data, dtype)[0]


def _from_buffer(data: Any, dtype: np.dtype, shape: tuple[int, ...], order: str) -> np.ndarray:
    if not isinstance(dtype, np.dtype) or dtype.hasobject:
        raise DataError("the pickle makes an array of objects from bytes; it was refused", "pickle")
    return np.frombuffer(data, dtype).reshape(shape, order="F" if order == "F" else "C")


def _encode(text: str, encoding: str) -> bytes:
    """_codecs.encode, by which Python 3 writes bytes into pickles for Python 2."""
    if encoding != "latin1" or not isinstance(text, str):
        raise DataError(f"the pickle calls the codec {encoding!r}; it was refused", "pickle")
    return text.encode("latin1")


def _dtype(name: Any, *rest: Any) -> np.dtype:
    if not isinstance(name, str):
        raise DataError("the pickle describes a dtype in an unusual way; it was refused", "pickle")
    return np.dtype(name)


class _Known(NamedTuple):
    """A function that a pickle can call and not change: a tuple has no attributes to set."""

    function: Callable[..., Any]

    def __call__(self, *arguments: Any) -> Any:
        return self.function(*arguments)


_NDARRAY = _Known(_ndarray)
_KNOWN: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): _NDARRAY,
    ("numpy", "dtype"): _Known(_dtype),
    ("collections", "OrderedDict"): _Known(OrderedDict),
    ("_codecs", "encode"): _Known(_encode),
}
for _module in ("numpy.core", "numpy._core"):
    _KNOWN[f"{_module}.multiarray", "_reconstruct"] = _Known(_new_array)
    _KNOWN[f"{_module}.multiarray", "scalar"] = _Known(_scalar)
    _KNOWN[f"{_module}.numeric", "_frombuffer"] = _Known(_from_buffer)
