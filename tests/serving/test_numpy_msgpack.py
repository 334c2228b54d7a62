"""The codec for senders that are not trusted: what honest ones send comes through, anything else is a WireError."""

import contextlib
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polymath.serving.numpy_msgpack import MOST_CONTAINERS, MOST_ITEMS, WireError, decode, encode

DTYPES = st.sampled_from([np.uint8, np.int64, np.float16, np.float32, np.float64, np.bool_])
ARRAYS = st.builds(lambda shape, dtype: np.ones(shape, dtype), st.lists(st.integers(0, 4), max_size=4), DTYPES)
PLAIN = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text() | ARRAYS
VALUES = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=12
)


@given(st.dictionaries(st.text(), VALUES, max_size=4))
def test_what_is_encoded_comes_back(message: dict[str, Any]) -> None:
    assert_same(decode(encode(message)), message)


def assert_same(ours: Any, theirs: Any) -> None:
    if isinstance(theirs, dict):
        assert list(ours) == list(theirs)
        for key in theirs:
            assert_same(ours[key], theirs[key])
    elif isinstance(theirs, list):
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            assert_same(one, other)
    elif isinstance(theirs, np.ndarray):
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)
    else:
        assert ours == theirs


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_a_wire_error(data: bytes) -> None:
    with contextlib.suppress(WireError):
        decode(data)


@given(st.dictionaries(st.text(), VALUES, max_size=3), st.integers(0, 400), st.integers(0, 255))
def test_a_changed_byte_is_another_message_or_a_wire_error(message: dict[str, Any], place: int, byte: int) -> None:
    data = bytearray(encode(message))
    data[place % len(data)] = byte
    with contextlib.suppress(WireError):
        decode(bytes(data))


def test_a_key_that_comes_twice_is_no_message() -> None:
    """Of two states a reader looks at one: which one would be the library's choice."""
    twice = b"\x82" + msgpack.packb("state") + msgpack.packb(1) + msgpack.packb("state") + msgpack.packb(2)
    for data in (twice, b"\x81" + msgpack.packb("a") + twice):
        with pytest.raises(WireError, match="the key 'state' comes twice in one map"):
            decode(data)


@pytest.mark.parametrize(
    ("value", "allowed"),
    [
        ([[]] * (MOST_CONTAINERS - 2), True),
        ([[]] * MOST_CONTAINERS, False),
        ([0] * (MOST_ITEMS - 1), True),
        ([0] * (MOST_ITEMS + 1), False),
        ([[0] * 1000] * (MOST_ITEMS // 1000 + 1), False),
    ],
)
def test_maps_lists_and_their_entries_are_counted(value: Any, allowed: bool) -> None:
    data = msgpack.packb({"a": value})
    if allowed:
        assert decode(data) == {"a": value}
    else:
        with pytest.raises(WireError):
            decode(data)
