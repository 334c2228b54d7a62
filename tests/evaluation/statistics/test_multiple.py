"""Holm's correction against statsmodels, and letters that say exactly which pairs are not separated."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polymath.evaluation.statistics import holm, letters


def test_holm_of_four():
    # statsmodels 0.15.0, multipletests([0.01, 0.04, 0.03, 0.005], method="holm")
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []
    assert holm([0.9, 0.8]) == [1, 1]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_lies_between_the_value_and_bonferroni_and_keeps_the_order(p_values):
    adjusted = np.array(holm(p_values))
    assert (adjusted >= np.array(p_values)).all()
    assert (adjusted <= np.minimum(1, len(p_values) * np.array(p_values)) + 1e-12).all()
    order = np.argsort(p_values, kind="stable")
    assert (np.diff(adjusted[order]) >= 0).all()


def test_letters_of_piephos_kind():
    # the first is better than the third, the middle one differs from neither
    assert letters(3, {(0, 2)}) == ["a", "ab", "b"]
    assert letters(2, set()) == ["a", "a"]
    assert letters(2, {(0, 1)}) == ["a", "b"]
    assert letters(0, set()) == []
    assert letters(30, set(itertools.combinations(range(30), 2)))[26:] == ["a2", "b2", "c2", "d2"]


@given(
    st.integers(1, 8).flatmap(
        lambda n: st.tuples(st.just(n), st.sets(st.sampled_from(list(itertools.combinations(range(max(n, 2)), 2)))))
    )
)
def test_two_share_a_letter_exactly_if_they_are_not_separated(case):
    count, pairs = case
    separated = {(a, b) for a, b in pairs if b < count}
    marks = letters(count, separated)
    assert all(marks)
    for a, b in itertools.combinations(range(count), 2):
        assert bool(set(marks[a]) & set(marks[b])) == ((a, b) not in separated)
