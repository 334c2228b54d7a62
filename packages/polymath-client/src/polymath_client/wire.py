"""Messages in openpi's msgpack dialect: an array is a map of its bytes, its dtype and its shape.

{"__ndarray__": True, "data": bytes, "dtype": "<f4", "shape": [3]}      keys of these maps are bytes, as openpi's
{"__npgeneric__": True, "data": 1.5, "dtype": "<f4"}
"""

from typing import Any

import msgpack
import numpy as np

from polymath_client.errors import ClientError

KINDS = "biuf"  # booleans, integers, floats: what has a wire form


def encode(message: Any) -> bytes:
    """Raises ClientError for a value that has no wire form, such as an object array."""
    try:
        return msgpack.packb(message, default=_pack)
    except (TypeError, ValueError, OverflowError) as error:
        raise ClientError(f"message: {error}; send numbers, strings, lists, maps and numpy arrays") from None


def decode(data: bytes) -> Any:
    """Raises ClientError for bytes that are no message. Arrays are read-only views of `data`."""
    try:
        return msgpack.unpackb(data, object_hook=_unpack, strict_map_key=False)
    except Exception as error:  # msgpack raises its own errors, and those of what it calls
        raise ClientError(f"message: {len(data)} bytes that are no message of a server ({error})") from None


def _pack(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        _check(value.dtype)
        return {b"__ndarray__": True, b"data": value.tobytes(), b"dtype": value.dtype.str, b"shape": value.shape}
    if isinstance(value, np.generic):
        _check(value.dtype)
        return {b"__npgeneric__": True, b"data": value.item(), b"dtype": value.dtype.str}
    raise TypeError(f"a {type(value).__name__} has no wire form")


def _unpack(value: Any) -> Any:
    if b"__ndarray__" in value:
        dtype = np.dtype(value[b"dtype"])
        _check(dtype)
        return np.ndarray(buffer=value[b"data"], dtype=dtype, shape=tuple(value[b"shape"]))
    if b"__npgeneric__" in value:
        dtype = np.dtype(value[b"dtype"])
        _check(dtype)
        return dtype.type(value[b"data"])
    return value


def _check(dtype: np.dtype) -> None:
    if dtype.kind not in KINDS:
        raise ValueError(f"arrays of dtype {dtype} have no wire form")
