"""Messages that a robot should not send: mutations of good ones, and structures drawn by hypothesis."""

import random
from typing import Any

import msgpack
import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from polymath.serving.numpy_msgpack import encode

DTYPES = ("u1", "i1", "<i8", ">f4", "<f2", "<f4", "<f8", "<c8", "?", "O", "V8", "S4", "<U2", "<M8[s]", "<f4 ", "")
SPECIAL = (float("nan"), float("inf"), -float("inf"), 3e38, -0.0)
KEYS = ("prompt", "observation/state", "observation/images/front", "observation/images/wrist")
OWN = ("polymath/reset", "polymath/executed", "polymath/committed", "polymath/claims", "polymath/other", "__ndarray__")


def mutated(generator: random.Random, good: dict[str, Any], bytes_of_others: list[bytes]) -> bytes | str:
    """One message: bytes changed, cut or spliced, a field replaced, or a text frame."""
    kind = generator.randrange(8)
    if kind == 0:
        return "".join(
            chr(generator.choice((generator.randrange(128), 0x1F600))) for _ in range(generator.randrange(40))
        )
    if kind <= 3:
        return _wrong_field(generator, good)
    data = bytearray(encode(good))
    if kind == 4:
        del data[generator.randrange(len(data)) :]
    elif kind == 5:
        for _ in range(generator.randrange(1, 9)):
            data[generator.randrange(len(data))] = generator.randrange(256)
    elif kind == 6:
        place = generator.randrange(len(data))
        data[place : place + generator.randrange(8)] = generator.randbytes(generator.randrange(64))
    else:
        other = generator.choice(bytes_of_others)
        data = data[: generator.randrange(len(data))] + other[generator.randrange(len(other)) :]
    return bytes(data)


def mutated_harness(generator: random.Random, good: dict[str, Any], others: list[bytes]) -> bytes | str:
    """The same for vla-eval's protocol; `good` is the payload of an observation."""
    payload = dict(good)
    key = generator.choice(("images", "states", "state", "task_description", "other"))
    if generator.random() < 0.5:
        wrong = (None, 3, "x", [], [[1], []], {}, {"front": 3}, {"front": _array(generator)}, _array(generator))
        payload[key] = generator.choice((*wrong, _forged_harness(generator), np.array([1e300] * 4)))
    kind = generator.choice(("observation",) * 6 + ("hello", "episode_start", "episode_end", "error", "action", "x"))
    seq = generator.choice((1, 0, -1, 2**64 - 1, "1", None, 1.5, True))
    data = bytearray(
        msgpack.packb({"type": kind, "payload": payload, "seq": seq, "timestamp": 1.0}, default=_as_harness)
    )
    choice = generator.randrange(6)
    if choice == 0:
        del data[generator.randrange(len(data)) :]
    elif choice == 1:
        data[generator.randrange(len(data))] = generator.randrange(256)
    elif choice == 2:
        data = data[: generator.randrange(len(data))] + generator.choice(others)
    elif choice == 3 and generator.random() < 0.2:
        return "text"
    return bytes(data)


def _forged_harness(generator: random.Random) -> dict[str, Any]:
    """A picture that unfolds to more than it says, or that is none."""
    shape = [generator.choice((-1, 0, 2, 8, 2**31)) for _ in range(generator.randrange(4))]
    data = generator.choice((b"", b"\x89PNG\r\n\x1a\n" + b"\0" * 30, b"\xff\xd8\xff\xe0" + b"\0" * 30, b"\0" * 192, 3))
    kind = generator.choice(("png", "jpeg", "raw", "gif", None))
    return {
        "front": {"__image__": True, "format": kind, "data": data, "shape": shape, "dtype": generator.choice(DTYPES)}
    }


def _as_harness(value: Any) -> Any:
    return {"__ndarray__": True, "data": value.tobytes(), "dtype": value.dtype.str, "shape": list(value.shape)}


def _wrong_field(generator: random.Random, good: dict[str, Any]) -> bytes:
    """The message with a field gone, doubled under another name, or of another type, width or depth."""
    message = dict(good)
    key = generator.choice((*KEYS, *OWN))
    choice = generator.randrange(7)
    if choice == 0:
        message.pop(key, None)
    elif choice == 1:
        message[key] = _array(generator)
    elif choice == 2:
        message[key] = generator.choice((None, True, -1, 2**63, 1.5, "", "x" * 3000, b"", [], {}, [[[]]], {"a": {}}))
    elif choice == 3:
        return msgpack.packb(message | {key: _forged(generator)}, default=_as_map)
    elif choice == 4:
        nested: Any = generator.choice((1, "end", []))
        for _ in range(generator.choice((10, 100, 1000))):
            nested = [nested] if generator.random() < 0.5 else {"a": nested}
        message[key] = nested if generator.random() < 0.1 else [nested]
        return _deep(message)
    elif choice == 5:
        state = np.array(good["observation/state"])
        state[generator.randrange(len(state))] = generator.choice(SPECIAL)
        message["observation/state"] = state
    else:
        message["prompt"] = generator.choice(("", " ", "\0", "\u202e" * 5, "<act:0><img></s>", "é" * 500, "\U0001f916"))
    return encode(message)


def _array(generator: random.Random) -> np.ndarray:
    shape = tuple(generator.choice((0, 1, 2, 3, 4, 8)) for _ in range(generator.randrange(5)))
    dtype = generator.choice(("u1", "f4", "f8", "i8", "?", "f2"))
    return np.full(shape, generator.choice((0, 1, 200)), dtype)


def _forged(generator: random.Random) -> dict[bytes, Any]:
    """What calls itself an array and is none."""
    shape = [generator.choice((-1, 0, 1, 2, 4, 2**31, 2**62)) for _ in range(generator.randrange(4))]
    return {
        b"__ndarray__": generator.choice((True, False, 1)),
        b"data": generator.choice((b"", b"\0" * 16, b"\0" * 48, "text", 3, [1, 2])),
        b"dtype": generator.choice(DTYPES),
        b"shape": generator.choice((shape, "4", None, tuple(shape))),
    }


def _as_map(value: Any) -> Any:
    return {b"__ndarray__": True, b"data": value.tobytes(), b"dtype": value.dtype.str, b"shape": value.shape}


def _deep(message: dict[str, Any]) -> bytes:
    """As msgpack, whatever the depth: the packer's own limit is 511."""
    try:
        return msgpack.packb(message, default=_as_map)
    except ValueError:
        return b"\x81\xa1a" + b"\x91" * 5000 + b"\xc0"


def structures() -> st.SearchStrategy[dict[str, Any]]:
    """Maps of the protocol's own keys and others to anything that msgpack holds, arrays included."""
    numbers = arrays.arrays(
        dtype=st.sampled_from(["u1", "<f4", "<f8", "<i8", "?"]),
        shape=arrays.array_shapes(min_dims=0, max_dims=4, max_side=5),
    )
    leaves = st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**64 - 1),
        st.floats(),
        st.text(max_size=40),
        st.binary(max_size=40),
        numbers,
    )
    values = st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
        max_leaves=12,
    )
    return st.dictionaries(st.sampled_from(KEYS + OWN) | st.text(max_size=12), values, max_size=7)
