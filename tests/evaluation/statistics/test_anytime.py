"""E-values and confidence sequences: closed forms, and what they promise under optional stopping."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polymath.errors import PolymathError
from polymath.evaluation.statistics import confidence_sequence, e_value, mcnemar

PAIRS, COMPARISONS = 300, 2000


@given(st.integers(0, 60), st.integers(0, 60), st.integers(1, 50))
def test_of_pairs_it_is_the_closed_form_of_robbins(only_a, only_b, equal):
    n = only_a + only_b
    closed = 2**n / ((n + 1) * math.comb(n, only_a))
    assert e_value([1] * only_a + [-1] * only_b + [0] * equal) == pytest.approx(closed, rel=1e-9)


def test_small_numbers_by_hand():
    assert e_value([1]) == pytest.approx(1)  # one discordant pair says nothing about which side is better: 2/(2·1)
    assert e_value([1] * 8) == pytest.approx(256 / 9)  # above 20: eight to nil separates at 5 %
    assert e_value([1] * 7) == pytest.approx(128 / 8)  # seven to nil does not
    assert e_value([1] * 3000) == math.exp(709)


def test_its_mean_under_equality_is_one():
    # A test martingale at a fixed time: the sum over k of C(n, k)/2^n · E(k) = sum of 1/(n+1) = 1
    n = 24
    mean = sum(math.comb(n, k) / 2**n * e_value([1] * k + [-1] * (n - k)) for k in range(n + 1))
    assert mean == pytest.approx(1, rel=1e-9)


def e_values_of_counts() -> np.ndarray:
    table = np.ones((PAIRS + 1, PAIRS + 1))
    for n in range(1, PAIRS + 1):
        for k in range(n + 1):
            table[k, n - k] = np.exp(n * math.log(2) - math.log(n + 1) - _log_choose(n, k))
    return table


def _log_choose(n, k):
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def paths(only_a, only_b):
    """COMPARISONS x PAIRS running counts of discordant pairs."""
    rng = np.random.Generator(np.random.PCG64(5))
    draws = rng.random((COMPARISONS, PAIRS))
    a, b = draws < only_a, (draws >= only_a) & (draws < only_a + only_b)
    return a.cumsum(axis=1), b.cumsum(axis=1)


def test_stopping_as_soon_as_it_decides_is_wrong_no_more_often_than_alpha():
    a, b = paths(0.2, 0.2)
    stopped = (e_values_of_counts()[a, b] >= 1 / 0.05).any(axis=1)
    assert stopped.mean() <= 0.05
    # The same looks with McNemar's test, which is right at one look, are wrong several times as often.
    p_values = np.array([[mcnemar(i, j) for j in range(PAIRS + 1)] for i in range(PAIRS + 1)])
    peeked = (p_values[a, b] <= 0.05).any(axis=1)
    assert peeked.mean() > 0.15
    assert (p_values[a[:, -1], b[:, -1]] <= 0.05).mean() <= 0.05


def test_a_true_difference_is_found_long_before_the_end():
    a, b = paths(0.35, 0.1)
    decided = e_values_of_counts()[a, b] >= 1 / 0.05
    assert decided.any(axis=1).mean() > 0.97
    assert np.median(decided.argmax(axis=1)) < 100


def test_scores_of_equal_mean_are_not_told_apart_at_any_time():
    rng = np.random.Generator(np.random.PCG64(6))
    wrong = 0
    for _ in range(150):
        differences = rng.binomial(5, 0.3, 120) - rng.choice([0, 5], 120, p=[0.7, 0.3])  # equal means, unlike shapes
        wrong += any(e_value(differences[: n + 1], 0, (-5, 5)) >= 20 for n in range(0, 120, 4))
    assert wrong / 150 <= 0.05


def test_a_confidence_sequence_holds_the_truth_at_all_times():
    rng = np.random.Generator(np.random.PCG64(7))
    missed = 0
    for _ in range(200):
        solved = rng.random(200) < 0.3
        # the truth lies outside exactly where the e-value rejects it (next test), which is cheaper to work out
        missed += any(e_value(solved[:n], 0.3, (0, 1)) >= 20 for n in range(1, 200, 3))
    assert missed / 200 <= 0.05


@given(st.lists(st.integers(0, 5), min_size=1, max_size=60))
def test_the_sequence_is_where_the_e_value_does_not_reject(scores):
    low, high = confidence_sequence(scores, (0, 5))
    assert 0 <= low <= np.mean(scores) <= high <= 5
    for limit, outside in ((low, low - 1e-6), (high, high + 1e-6)):
        if 0 < outside < 5:
            assert e_value(scores, outside, (0, 5)) >= 20 * (1 - 1e-6)
            assert e_value(scores, limit, (0, 5)) == pytest.approx(20, rel=1e-3)


def test_it_is_wider_than_an_interval_for_one_look_but_closes():
    low, high = confidence_sequence([1] * 50 + [0] * 50)
    assert low < 0.4038  # Wilson's of 50 of 100, statsmodels 0.15.0: 0.4038 to 0.5962
    assert high > 0.5962
    low, high = confidence_sequence([1] * 50_000 + [0] * 50_000)
    assert high - low < 0.02


@pytest.mark.parametrize("scores", [[], [1.5], [float("nan")]])
def test_scores_out_of_bounds_are_errors(scores):
    with pytest.raises(PolymathError, match="scores from 0"):
        confidence_sequence(scores, (0, 1))
