"""vla-eval's messages as bytes, read and written both ways.

    message  {"type": "observation", "payload": {…}, "seq": 3, "timestamp": 1.7e9}
    array    {"__ndarray__": true, "data": C-order bytes, "dtype": "<f4", "shape": [2, 3]}
    picture  {"__image__": true, "format": "raw" | "png" | "jpeg", "data": bytes, "shape": [224, 224, 3], ("dtype")}

Source: vla-eval 0.8.0, `vla_eval/protocol` (Apache-2.0), protocol version 1. A reader of untrusted messages is bounded:
sizes are checked before memory is taken, and dtypes are booleans, integers and floats alone.
"""

import io
import math
import re
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgpack
import numpy as np
from PIL import Image

from polymath.data.files import images
from polymath.errors import DataError
from polymath.wire import WireError

VERSION = 1
HELLO, OBSERVATION, ACTION = "hello", "observation", "action"
EPISODE_START, EPISODE_END, ERROR = "episode_start", "episode_end", "error"
TYPES = (HELLO, OBSERVATION, ACTION, EPISODE_START, EPISODE_END, ERROR)
MOST_ITEMS = 200_000
"""Entries of one map or list of a message."""
MOST_CONTAINERS = 10_000
MOST_PIXELS = 2**24
"""Of all compressed pictures of a message together: 48 MiB when decoded."""
_ARRAY, _PICTURE = "__ndarray__", "__image__"
_DTYPE = re.compile(r"[<>|=]?[biuf]\d{1,2}")
_FORMATS = ("raw", "png", "jpeg")


class Message(NamedTuple):
    """An answer has the `seq` of its question."""

    type: str
    payload: Mapping[str, Any]
    seq: int


def encode(message: Message) -> bytes:
    """Arrays go as they are, pictures too. Raises WireError for a value that has no wire form."""
    raw = {"type": message.type, "payload": message.payload, "seq": message.seq, "timestamp": time.time()}
    try:
        return msgpack.packb(raw, default=_pack)
    except (TypeError, ValueError, OverflowError) as error:
        raise WireError(f"{message.type}: {error}; send numbers, strings, lists, maps and numeric arrays") from None


def decode(data: bytes) -> Message:
    """Raises WireError, one line that names the field, for what is no such message or unfolds to too much."""
    containers = _Count(MOST_CONTAINERS, "maps and lists")

    def counted(container: Any) -> Any:
        containers.take(1)
        return container

    longest = {"max_array_len": MOST_ITEMS, "max_map_len": MOST_ITEMS}
    try:
        raw = msgpack.unpackb(data, object_hook=counted, list_hook=counted, **longest)
    except (ValueError, TypeError, msgpack.exceptions.UnpackException) as error:
        raise WireError(f"message: {len(data)} bytes are not msgpack ({type(error).__name__}: {error})") from None
    if not isinstance(raw, dict):
        raise WireError(f"message: a {type(raw).__name__}, not a map with type, payload, seq and timestamp")
    missing = [name for name in ("type", "payload", "seq") if name not in raw]
    if missing:
        raise WireError(f"message: field {missing[0]!r} is missing; send type, payload, seq and timestamp")
    if raw["type"] not in TYPES:
        raise WireError(f"message.type: {_shown(raw['type'])}; choose from {', '.join(TYPES)}")
    if type(raw["seq"]) is not int or not 0 <= raw["seq"] < 2**63:
        raise WireError(f"message.seq: {_shown(raw['seq'])}; number the messages from 1 on")
    if not isinstance(raw["payload"], dict):
        raise WireError(f"message.payload: a {type(raw['payload']).__name__}, not a map")
    return Message(raw["type"], _unpacked(raw["payload"], "payload", _Count(MOST_PIXELS, "pixels")), raw["seq"])


class _Count:
    """What one message may still hold."""

    def __init__(self, most: int, things: str) -> None:
        self._left = self._most = most
        self._things = things

    def take(self, count: int) -> None:
        """Raises WireError when there are too many."""
        self._left -= count
        if self._left < 0:
            raise WireError(f"message: holds more than {self._most:,} {self._things}; send less at once")


def _pack(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        return {_ARRAY: True, "data": value.tobytes(), "dtype": value.dtype.str, "shape": list(value.shape)}
    raise TypeError(f"{type(value).__name__} has no wire form")


def _unpacked(value: Any, path: str, pixels: _Count) -> Any:
    """msgpack itself bounds the depth, so the recursion ends."""
    if isinstance(value, dict):
        if _PICTURE in value:
            return _picture(value, path, pixels)
        if _ARRAY in value:
            return _array(value, path)
        for key in value:
            if not isinstance(key, str):
                raise WireError(f"{path}: key {_shown(key)} is not a string")
        return {key: _unpacked(child, f"{path}.{key}", pixels) for key, child in value.items()}
    if isinstance(value, list):
        return [_unpacked(child, f"{path}[{i}]", pixels) for i, child in enumerate(value)]
    if isinstance(value, msgpack.ExtType | msgpack.Timestamp):
        raise WireError(f"{path}: msgpack extension types are no part of the protocol")
    return value


def _array(value: Mapping[str, Any], path: str) -> np.ndarray:
    data, text, shape = value.get("data"), value.get("dtype"), value.get("shape")
    if not isinstance(text, str) or not _DTYPE.fullmatch(text):
        raise WireError(f"{path}: dtype {_shown(text)} is refused; send booleans, integers or floats")
    if not isinstance(shape, list) or len(shape) > 32 or not all(type(n) is int and n >= 0 for n in shape):
        raise WireError(f"{path}: shape {_shown(shape)} is no list of at most 32 sizes")
    try:
        dtype = np.dtype(text)
    except TypeError:
        raise WireError(f"{path}: dtype {text!r} is unknown") from None
    if not isinstance(data, bytes) or len(data) != math.prod(shape) * dtype.itemsize:
        size = f"{len(data)} bytes" if isinstance(data, bytes) else f"a {type(data).__name__}"
        raise WireError(f"{path}: {size} of data, but shape {_shown(shape)} of {dtype} takes another number of bytes")
    return np.frombuffer(data, dtype).reshape(shape)


def _picture(value: Mapping[str, Any], path: str, pixels: _Count) -> np.ndarray:
    """uint8 [height, width, 3]; grey and transparent pictures are made RGB. Sizes are checked before it is decoded."""
    kind, data = value.get("format"), value.get("data")
    if kind not in _FORMATS:
        raise WireError(f"{path}: picture format {_shown(kind)}; choose from {', '.join(_FORMATS)}")
    if kind == "raw":
        return _array(value, path)
    if not isinstance(data, bytes):
        raise WireError(f"{path}: picture data must be bytes, got {type(data).__name__}")
    try:
        with Image.open(io.BytesIO(data)) as header:
            pixels.take(header.width * header.height)
        return images.decode(data, path)
    except DataError as error:
        raise WireError(str(error)) from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise WireError(f"{path}: {len(data)} bytes are no picture; send PNG or JPEG") from None


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:100]}…"
