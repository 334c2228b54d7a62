"""Ids are those of the table in the module's docstring; bin centres by hand: the first of 256 is -255/256."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from polymath.errors import ConfigError, DataError
from polymath.tokenizer import ControlTokens


@pytest.mark.parametrize("size", [512, 4096])
def test_names_fill_the_block_without_repeating(size: int) -> None:
    control = ControlTokens(size)
    names = control.names()
    assert len(names) == len(set(names)) == size
    assert [names[i] for i in (0, 1, 2, 3, 4, 64, 127)] == [
        "<pad>",
        "<bos>",
        "<eos>",
        "<img>",
        "<state>",
        "<act:0>",
        "<act:63>",
    ]
    assert names[control.robot(0)] == "<robot:0>"
    assert names[control.robot(31)] == "<robot:31>"
    assert names[256] == "<a:0>"
    assert names[511] == "<a:255>"


@pytest.mark.parametrize("size", [0, 256, 500, 768])
def test_a_size_that_is_no_power_of_two_is_refused(size: int) -> None:
    with pytest.raises(ConfigError, match=r"control_tokens\.size.*choose 512"):
        ControlTokens(size)


@pytest.mark.parametrize("slot", [-1, 32])
def test_a_robot_needs_a_slot(slot: int) -> None:
    with pytest.raises(ConfigError, match=r"embodiment\.slot"):
        ControlTokens(512).robot(slot)


def test_edges_of_the_bins() -> None:
    control = ControlTokens(512)
    ids = control.encode_actions(np.array([-5.0, -1.0, -1e-6, 0.0, 1.0, 5.0], np.float32))
    assert ids.dtype == np.int32
    assert ids.tolist() == [256, 256, 383, 384, 511, 511]
    np.testing.assert_allclose(control.decode_actions(np.array([256, 511])), [-255 / 256, 255 / 256])


@given(npst.arrays(np.float32, st.integers(1, 40), elements=st.floats(-1, 1, width=32)))
def test_decoding_is_within_half_a_bin(actions: np.ndarray) -> None:
    control = ControlTokens(512)
    ids = control.encode_actions(actions)
    assert np.abs(control.decode_actions(ids) - actions).max() <= 1 / 256 + 1e-6
    assert (control.encode_actions(control.decode_actions(ids)) == ids).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_actions_that_are_no_numbers_are_refused(bad: float) -> None:
    with pytest.raises(DataError, match="NaN"):
        ControlTokens(512).encode_actions(np.array([0.0, bad]))


@pytest.mark.parametrize("bad", [255, 512, 3])
def test_other_ids_are_no_actions(bad: int) -> None:
    with pytest.raises(DataError, match="action tokens"):
        ControlTokens(512).decode_actions(np.array([300, bad]))
