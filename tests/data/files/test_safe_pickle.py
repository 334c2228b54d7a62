"""Pickles: arrays as numpy writes them come through, whatever could run code is refused before it runs."""

import collections
import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from polymath.data.files import safe_pickle
from polymath.errors import DataError


@pytest.mark.parametrize("protocol", range(6))
def test_data_comes_through(protocol: int) -> None:
    value = {
        "full_state": [np.arange(7, dtype=np.float32) + i for i in range(3)],
        "f64": np.float64(0.5),
        "text": "a spoon №",
        "strings": np.array(["a", "bc"]),
        "objects": np.array([(1, 2), None], dtype=object),
        "ordered": collections.OrderedDict(a=1),
        "fortran": np.asfortranarray(np.arange(6).reshape(2, 3)),
        "bytes": b"\x00\xff",
    }
    loaded = safe_pickle.load(pickle.dumps(value, protocol), "here")
    np.testing.assert_array_equal(loaded["full_state"], value["full_state"])
    np.testing.assert_array_equal(loaded["fortran"], value["fortran"])
    assert loaded["strings"].tolist() == ["a", "bc"]
    assert loaded["objects"].tolist() == [(1, 2), None]
    assert loaded["f64"] == 0.5
    assert loaded["bytes"] == b"\x00\xff"
    assert loaded["ordered"] == {"a": 1}


def test_numpy_1_names_are_known() -> None:
    data = pickle.dumps(np.arange(3), 2).replace(b"numpy._core", b"numpy.core")
    np.testing.assert_array_equal(safe_pickle.load(data, "here"), np.arange(3))


class Evil:
    def __init__(self, function: object, *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple:
        return self.call


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_a_foreign_class_is_refused_and_never_run(tmp_path: Path, protocol: int) -> None:
    """os.system would make the file."""
    mark = tmp_path / "ran"
    data = pickle.dumps([np.arange(3), Evil(os.system, f"touch {mark}")], protocol)
    with pytest.raises(DataError, match=r"here: the pickle names posix\.system.*refused") as caught:
        safe_pickle.load(data, "here")
    assert caught.value.kind == "pickle"
    assert not mark.exists()


@pytest.mark.parametrize(
    "evil",
    [
        Evil(eval, "1"),
        Evil(np.ndarray, (10**12,)),
        Evil(getattr, "text", "upper"),
        Evil(np.fromfile, "/etc/passwd"),
        Evil(pickle.loads, b""),
    ],
)
def test_others_are_refused(evil: Evil) -> None:
    with pytest.raises(DataError, match="refused"):
        safe_pickle.load(pickle.dumps(evil), "here")


def test_damaged_pickles() -> None:
    data = pickle.dumps(np.arange(100))
    for length in (0, 1, 10, len(data) // 2, len(data) - 1):
        with pytest.raises(DataError) as caught:
            safe_pickle.load(data[:length], "here")
        assert caught.value.kind in ("truncated", "pickle")
