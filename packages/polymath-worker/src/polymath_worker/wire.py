"""Messages with numpy arrays as bytes: msgpack in the dialect of openpi's `msgpack_numpy`, read and written both ways.

    array    {b"__ndarray__": true, b"data": C-order bytes, b"dtype": "<f4", b"shape": [2, 3]}
    scalar   {b"__npgeneric__": true, b"data": 0.5, b"dtype": "<f4"}        numpy scalars that are no Python number

Everything else is plain msgpack with string keys. Nothing here can run code: dtypes of kind V, O and c are refused in
both directions, and a decoded array is a read-only view of the message.
Source of the dialect: openpi-client 0.1.2, `openpi_client/msgpack_numpy.py` (Apache-2.0), itself after
https://github.com/lebedov/msgpack-numpy.
"""

import math
import re
from typing import Any, Dict, List, Optional, Tuple

import msgpack
import numpy as np

_ARRAY, _SCALAR = b"__ndarray__", b"__npgeneric__"
_REFUSED_KINDS = "VOc"
_DEEPEST = 100
_MOST_AXES = 1_000  # numpy has fewer, and says so; the product of more of them takes long
_DTYPE = re.compile(r"[<>|=]?[biufSUmM]\d{1,9}(\[\w{1,9}\])?")


class WireError(Exception):
    """A message cannot be encoded or decoded; the text names the field."""


def encode(message: Dict[str, Any]) -> bytes:
    """The message as msgpack bytes. Raises WireError naming the field whose value has no wire form."""
    try:
        return msgpack.packb(message, default=_pack_numpy)
    except (TypeError, ValueError, OverflowError) as error:
        try:
            where, problem = _find_unpackable(message, "message") or ("message", str(error))
        except RecursionError:
            where, problem = "message", "nested too deeply"
        raise WireError(f"{where}: {problem}; send numbers, strings, bytes, lists, maps and numeric arrays") from error


def decode(data: bytes) -> Dict[str, Any]:
    """The message of `encode` or of openpi's client. Raises WireError naming the field that is malformed."""
    return _decode(data, None)


def decode_bounded(data: bytes, most_containers: int, most_items: int) -> Dict[str, Any]:
    """As `decode`, for a sender that is not trusted: so many maps and lists at most, with so many entries in all."""
    count = _Count(most_containers, most_items)
    return _decode(data, count)


class _Count:
    """Counts maps and lists, and their entries, as msgpack finishes them."""

    def __init__(self, containers: int, items: int) -> None:
        self.containers, self.items = containers, items
        self._most = containers, items

    def map_of(self, pairs: List[Tuple[Any, Any]]) -> Dict[Any, Any]:
        """Of entries each of which has a key of its own: of two, one would be looked at and the other not."""
        entries = dict(pairs)
        if len(entries) < len(pairs):
            twice = next(key for number, (key, _) in enumerate(pairs) if key in dict(pairs[:number]))
            raise WireError(f"message: the key {_short(twice)} comes twice in one map; send it once")
        return self(entries)

    def __call__(self, container: Any) -> Any:
        self.containers -= 1
        self.items -= len(container)
        if self.containers < 0 or self.items < 0:
            raise WireError(
                "message: holds more than {:,} maps and lists, or {:,} entries in them; send numbers as arrays".format(
                    *self._most
                )
            )
        return container


def _decode(data: bytes, count: Optional[_Count]) -> Dict[str, Any]:
    try:
        if count is None:
            message = msgpack.unpackb(data)
        else:
            longest = {"max_array_len": count.items, "max_map_len": count.items}
            message = msgpack.unpackb(data, object_pairs_hook=count.map_of, list_hook=count, **longest)
    except (ValueError, TypeError, msgpack.exceptions.UnpackException) as error:
        raise WireError(f"message: {len(data)} bytes are not msgpack ({type(error).__name__}: {error})") from error
    if not isinstance(message, dict):
        raise WireError(f"message: expected a map, got {type(message).__name__}")
    return _unpack(message, "message", depth=0)


def _pack_numpy(value: Any) -> Dict[bytes, Any]:
    if not isinstance(value, (np.ndarray, np.generic)):
        raise TypeError(f"{type(value).__name__} has no wire form")
    if value.dtype.kind in _REFUSED_KINDS:
        raise ValueError(f"dtype {value.dtype} has no wire form")
    if isinstance(value, np.ndarray):
        return {_ARRAY: True, b"data": value.tobytes(), b"dtype": value.dtype.str, b"shape": value.shape}
    return {_SCALAR: True, b"data": value.item(), b"dtype": value.dtype.str}


def _find_unpackable(value: Any, path: str) -> Optional[Tuple[str, str]]:
    """Path and problem of the first value under `path` that msgpack refuses, depth first."""
    if isinstance(value, dict):
        children = [(f"{path}.{key}", child) for key, child in value.items()]
    elif isinstance(value, (list, tuple)):
        children = [(f"{path}[{i}]", child) for i, child in enumerate(value)]
    else:
        try:
            msgpack.packb(value, default=_pack_numpy)
        except (TypeError, ValueError, OverflowError) as error:
            return path, str(error)
        return None
    return next((problem for where, child in children if (problem := _find_unpackable(child, where))), None)


def _unpack(value: Any, path: str, depth: int) -> Any:
    if depth > _DEEPEST:
        raise WireError(f"message: nested too deeply, more than {_DEEPEST} maps and lists inside each other")
    if isinstance(value, dict):
        if _ARRAY in value:
            return _unpack_array(value, path)
        if _SCALAR in value:
            return _unpack_scalar(value, path)
        for key in value:
            if not isinstance(key, str):
                raise WireError(f"{path}: key {key!r} is not a string")
        return {key: _unpack(child, f"{path}.{key}", depth + 1) for key, child in value.items()}
    if isinstance(value, list):
        return [_unpack(child, f"{path}[{i}]", depth + 1) for i, child in enumerate(value)]
    if isinstance(value, (msgpack.ExtType, msgpack.Timestamp)):
        raise WireError(f"{path}: msgpack extension types are no part of the protocol")
    return value


def _unpack_array(value: Dict[Any, Any], path: str) -> np.ndarray:
    data, dtype, shape = value.get(b"data"), _dtype(value, path), value.get(b"shape")
    if not isinstance(data, bytes):
        raise WireError(f"{path}: array data must be bytes, got {type(data).__name__}")
    if not isinstance(shape, list) or len(shape) > _MOST_AXES or not all(type(n) is int and n >= 0 for n in shape):
        raise WireError(f"{path}: array shape must be a list of at most {_MOST_AXES} sizes, got {_short(shape)}")
    expected = math.prod(shape) * dtype.itemsize
    if expected != len(data):
        raise WireError(f"{path}: {len(data)} bytes of data, but shape {shape} of {dtype} takes {expected}")
    try:
        return np.ndarray(shape, dtype, buffer=data)
    except (ValueError, TypeError) as error:
        raise WireError(f"{path}: shape {shape} of {dtype} is no array ({error})") from error


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:100]}…"


def _unpack_scalar(value: Dict[Any, Any], path: str) -> np.generic:
    dtype = _dtype(value, path)
    try:
        return dtype.type(value.get(b"data"))
    except (ValueError, TypeError, OverflowError) as error:
        raise WireError(f"{path}: {value.get(b'data')!r} is no scalar of {dtype} ({error})") from error


def _dtype(value: Dict[Any, Any], path: str) -> np.dtype:
    text = value.get(b"dtype")
    if not isinstance(text, str) or not _DTYPE.fullmatch(text):
        raise WireError(f"{path}: dtype {text!r} is refused; send booleans, integers, floats or text")
    try:
        return np.dtype(text)
    except (TypeError, ValueError) as error:
        raise WireError(f"{path}: dtype {text!r} is unknown ({error})") from error
