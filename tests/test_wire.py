"""The wire codec against bytes recorded from the real openpi-client, and against malformed messages."""

import contextlib

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from polymath.wire import WireError, decode, encode

# Expected bytes: `openpi_client.msgpack_numpy.packb(message).hex()`, openpi-client 0.1.2, msgpack 1.2.4, numpy 1.26.4.
OPENPI = {
    "float32": (
        {"actions": np.arange(6, dtype=np.float32).reshape(2, 3)},
        "81a7616374696f6e7384c40b5f5f6e6461727261795f5fc3c40464617461c418000000000000803f0000004000004040000080400000a040"
        "c4056474797065a33c6634c4057368617065920203",
    ),
    "bytes, booleans, empty": (
        {
            "image": np.arange(12, dtype=np.uint8).reshape(2, 2, 3),
            "mask": np.array([True, False]),
            "none": np.zeros((0, 4), np.float64),
        },
        "83a5696d61676584c40b5f5f6e6461727261795f5fc3c40464617461c40c000102030405060708090a0bc4056474797065a37c7531c40573"
        "6861706593020203a46d61736b84c40b5f5f6e6461727261795f5fc3c40464617461c4020100c4056474797065a37c6231c4057368617065"
        "9102a46e6f6e6584c40b5f5f6e6461727261795f5fc3c40464617461c400c4056474797065a33c6638c4057368617065920004",
    ),
    "numpy scalars": (
        {"f4": np.float32(0.5), "i8": np.int64(-3), "b": np.bool_(True), "f8": np.float64(1.5)},
        "84a2663483c40d5f5f6e7067656e657269635f5fc3c40464617461cb3fe0000000000000c4056474797065a33c6634a2693883c40d5f5f6e"
        "7067656e657269635f5fc3c40464617461fdc4056474797065a33c6938a16283c40d5f5f6e7067656e657269635f5fc3c40464617461c3c4"
        "056474797065a37c6231a26638cb3ff8000000000000",
    ),
    "fortran order": (
        {"x": np.asfortranarray(np.array([[1, 2], [3, 4]], dtype=np.int16))},
        "81a17884c40b5f5f6e6461727261795f5fc3c40464617461c4080100020003000400c4056474797065a33c6932c4057368617065920202",
    ),
    "nested": (
        {
            "observation": {"state": np.array(2.0, dtype=np.float64), "prompt": "pousse le cube"},
            "list": [1, None, True, "é", b"raw", np.array([7], dtype=">i4")],
        },
        "82ab6f62736572766174696f6e82a5737461746584c40b5f5f6e6461727261795f5fc3c40464617461c4080000000000000040c405647479"
        "7065a33c6638c405736861706590a670726f6d7074ae706f75737365206c652063756265a46c6973749601c0c3a2c3a9c40372617784c40b"
        "5f5f6e6461727261795f5fc3c40464617461c40400000007c4056474797065a33e6934c40573686170659101",
    ),
    "text": (
        {"s": np.array(["ab", "c"])},
        "81a17384c40b5f5f6e6461727261795f5fc3c40464617461c41061000000620000006300000000000000c4056474797065a33c5532c40573"
        "686170659102",
    ),
    "metadata": (
        {"policy": "dummy", "action_horizon": 50, "reset_pose": [0.0, 0.5, -0.5]},
        "83a6706f6c696379a564756d6d79ae616374696f6e5f686f72697a6f6e32aa72657365745f706f736593cb0000000000000000cb3fe00000"
        "00000000cbbfe0000000000000",
    ),
}


def assert_same(a, b):
    assert type(a) is type(b)
    if isinstance(a, dict):
        assert list(a) == list(b)
        for key in a:
            assert_same(a[key], b[key])
    elif isinstance(a, list):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            assert_same(x, y)
    elif isinstance(a, np.ndarray):
        assert a.dtype.str == b.dtype.str
        np.testing.assert_array_equal(a, b)
    else:
        assert a == b


@pytest.mark.parametrize("name", OPENPI)
def test_encodes_to_the_bytes_of_openpi(name):
    message, expected = OPENPI[name]
    assert encode(message).hex() == expected


@pytest.mark.parametrize("name", OPENPI)
def test_decodes_the_bytes_of_openpi(name):
    message, data = OPENPI[name]
    # np.float64 is a Python float, so msgpack writes it as one and openpi's client also gets a float back.
    expected = {k: float(v) if isinstance(v, np.float64) else v for k, v in message.items()}
    assert_same(decode(bytes.fromhex(data)), expected)


@given(
    st.sampled_from(["<f4", "<f8", "<f2", "|u1", "|i1", "<i4", "<i8", ">u2", "|b1"]).flatmap(
        lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
    )
)
def test_arrays_come_back_as_they_were(array):
    decoded = decode(encode({"x": array}))["x"]
    assert decoded.dtype == array.dtype
    assert decoded.shape == array.shape
    np.testing.assert_array_equal(decoded, array)
    assert not decoded.flags.writeable


@given(st.binary(max_size=200))
def test_any_bytes_decode_or_raise_our_error(data):
    with contextlib.suppress(WireError):
        assert isinstance(decode(data), dict)


@pytest.mark.parametrize("value", [np.array([object()]), np.array([1j]), np.zeros(1, "V4"), object(), {1, 2}, 2**65])
def test_encode_names_the_field_it_refuses(value):
    with pytest.raises(WireError, match=r"message\.observation\.images\[1\]"):
        encode({"observation": {"images": [1, value]}})


def test_encode_refuses_a_message_inside_itself():
    message: dict = {}
    message["again"] = message
    with pytest.raises(WireError, match="nested too deeply"):
        encode(message)


def array_message(**changes):
    fields = {"__ndarray__": True, "data": b"\0" * 8, "dtype": "<f4", "shape": [2]} | changes
    return msgpack.packb({"observation": {"state": {key.encode(): value for key, value in fields.items()}}})


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"dtype": "|O"}, "dtype '|O' is refused"),
        ({"dtype": "<c8"}, "refused"),
        ({"dtype": "|V4"}, "refused"),
        ({"dtype": "f4,f4"}, "refused"),
        ({"dtype": 4}, "refused"),
        ({"dtype": "<f5"}, "unknown"),
        ({"shape": [3]}, "takes 12"),
        ({"shape": [-2]}, "shape must be"),
        ({"shape": "ab"}, "shape must be"),
        ({"shape": [2] + [1] * 80}, "is no array"),
        ({"data": "text"}, "must be bytes"),
    ],
)
def test_decode_names_the_malformed_array(changes, problem):
    with pytest.raises(WireError, match=r"message\.observation\.state: ") as caught:
        decode(array_message(**changes))
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "are not msgpack"),
        (b"\x81\xa1x", "are not msgpack"),
        (b"\x81\xa1x" * 600 + b"\xc0", "nested too deeply"),
        (b"\x81\xa1x" * 5000 + b"\xc0", "are not msgpack"),
        (msgpack.packb([1]), "expected a map"),
        (msgpack.packb({"a": {b"k": 1}}), "message.a: key b'k'"),
        (msgpack.packb({"a": msgpack.ExtType(4, b"x")}), "message.a: msgpack extension"),
        (msgpack.packb({"a": {b"__npgeneric__": True, b"data": "x", b"dtype": "<f4"}}), "message.a: 'x' is no scalar"),
    ],
)
def test_decode_refuses_what_is_no_message(data, problem):
    with pytest.raises(WireError) as caught:
        decode(data)
    assert problem in str(caught.value)
