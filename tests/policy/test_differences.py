"""Two nested structures field by field."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polymath.errors import DataError
from polymath.policy.differences import SHOWN, Difference, differences, shown

LEAVES = st.none() | st.text(max_size=5) | st.integers() | st.lists(st.text(max_size=3), max_size=3)
TREES = st.dictionaries(st.text(max_size=4), LEAVES | st.dictionaries(st.text(max_size=4), LEAVES, max_size=3))


@given(TREES)
def test_nothing_differs_from_itself(tree: dict) -> None:
    assert list(differences(tree, tree)) == []


def test_fields_of_groups_are_named_by_their_path() -> None:
    claims = {"rate": 10.05, "action": {"names": ("x", "y"), "frame": "tool"}}
    promises = {"rate": 10.0, "action": {"names": ["x", "z"], "frame": None}}
    assert list(differences(claims, promises)) == [
        Difference("action.names", "['x', 'y']", "['x', 'z']"),
        Difference("action.frame", "'tool'", "does not say"),
    ]


def test_a_field_that_is_not_promised_is_an_error() -> None:
    with pytest.raises(DataError, match=r"claims\.action\.frme: no such field .*frame"):
        list(differences({"action": {"frme": 1}}, {"action": {"frame": 1}}))


def test_long_sides_are_cut() -> None:
    assert len(shown(np.zeros(10_000))) < SHOWN + 30
    assert shown(np.zeros(10_000)).endswith("… (10000 entries)")
