"""Paired and unpaired comparison of two evaluations."""

import pytest

from polymath.errors import PolymathError
from polymath.evaluation.comparison import compare
from polymath.evaluation.rollout import EpisodeKey


def outcomes(split, seeds, solved):
    return {EpisodeKey("push", split, seed): seed in solved for seed in seeds}


def test_only_common_episodes_count_in_a_paired_comparison():
    a = outcomes("seen", range(12), solved=range(9))
    b = outcomes("seen", range(2, 20), solved={2, 11, 15})
    [result] = compare(a, b)
    assert result.pairs == 10
    assert (result.a.successes, result.b.successes) == (7, 2)
    assert (result.only_a, result.only_b) == (6, 1)
    assert result.difference == pytest.approx(0.5)
    assert result.interval[0] < 0.5 < result.interval[1]
    # exact McNemar by hand: 2 (C(7,0) + C(7,1)) / 2^7
    assert result.p_value == pytest.approx(16 / 128)


def test_without_common_episodes_the_rates_are_compared():
    a, b = outcomes("seen", range(10), range(9)), outcomes("seen", range(10, 20), range(10, 13))
    [result] = compare(a, b)
    assert (result.pairs, result.p_value) == (0, None)
    # statsmodels 0.15.0, confint_proportions_2indep(9, 10, 3, 10, method="newcomb")
    assert result.interval == pytest.approx((0.170523, 0.809018), abs=1e-6)


def test_each_common_split_is_compared():
    a = outcomes("seen", range(4), {0}) | outcomes("novel_objects", range(4), {0, 1}) | outcomes("other", [0], [])
    b = outcomes("seen", range(4), {1}) | outcomes("novel_objects", range(4), {0})
    assert [(c.split, round(c.difference, 2)) for c in compare(a, b)] == [("novel_objects", 0.25), ("seen", 0.0)]


def test_no_common_split_is_an_error():
    with pytest.raises(PolymathError, match="share no split"):
        compare(outcomes("seen", [1], []), outcomes("novel_objects", [1], []))
