"""Paired tests and intervals against textbooks, scipy and simulation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from polymath.evaluation.statistics import mcnemar, paired_difference, paired_mean, permutation_test

SCORES = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=2, max_size=9)


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_equals_the_binomial_test_of_scipy(only_a, only_b):
    expected = stats.binomtest(only_a, only_a + only_b, 0.5).pvalue if only_a + only_b else 1.0
    assert mcnemar(only_a, only_b) == pytest.approx(expected, rel=1e-9)


def test_paired_difference_of_agrestis_example():
    # A. Agresti, Categorical Data Analysis (2nd ed. 2002), section 10.1: 1600 people asked twice, 150 changed one way
    # and 86 the other; the difference of 0.04 has the Wald interval (0.021, 0.059). With n this large the adjustment
    # of 1/2 in each cell changes no third digit.
    assert paired_difference(150, 86, 1600) == pytest.approx((0.021, 0.059), abs=5e-4)


def test_paired_interval_covers_the_truth_as_often_as_it_says():
    rng = np.random.Generator(np.random.PCG64(0))
    cells = [0.45, 0.25, 0.1, 0.2]  # both, only a, only b, none: the true difference is 0.15
    covered = 0
    for _, only_a, only_b, _ in rng.multinomial(30, cells, size=2000):
        low, high = paired_difference(int(only_a), int(only_b), 30)
        covered += low <= 0.15 <= high
    assert 0.935 <= covered / 2000 <= 0.975


def test_mcnemar_of_very_many_pairs_is_fast_and_right():
    assert mcnemar(100_000, 100_000) == 1
    # normal approximation: z = 1000 / sqrt(200,000) = 2.236 without, 2.234 with the continuity correction
    assert mcnemar(100_500, 99_500) == pytest.approx(2 * stats.norm.sf(999 / np.sqrt(200_000)), rel=1e-3)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=80))
def test_the_permutation_test_of_successes_is_mcnemar(pairs):
    a, b = zip(*pairs, strict=True)
    only_a, only_b = sum(x > y for x, y in pairs), sum(y > x for x, y in pairs)
    assert permutation_test(a, b) == pytest.approx(mcnemar(only_a, only_b), rel=1e-9)


@given(SCORES)
def test_the_permutation_test_of_whole_scores_equals_scipy(pairs):
    a, b = map(np.array, zip(*pairs, strict=True))
    exact = stats.permutation_test((a, b), lambda x, y: np.sum(x - y), permutation_type="samples", n_resamples=np.inf)
    assert permutation_test(a, b) == pytest.approx(exact.pvalue, rel=1e-9)
    assert permutation_test(b, a) == permutation_test(a, b)


def test_darwins_maize():
    # R. A. Fisher, The Design of Experiments (1935), section 21: of the 2^15 sign choices for Darwin's 15 pairs, in
    # eighths of an inch, 863 on each side are as extreme as the sum of 314; a two-sided p-value of 5.27 %.
    differences = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]
    assert sum(differences) == 314
    assert permutation_test(differences, [0] * 15) == pytest.approx(2 * 863 / 2**15, rel=1e-12)


def test_fractional_scores_are_sampled_close_to_the_exact_value():
    rng = np.random.Generator(np.random.PCG64(1))
    a, b = rng.normal(0.5, 1, (2, 12)) * [[1], [1]]
    exact = stats.permutation_test((a, b), lambda x, y: np.sum(x - y), permutation_type="samples", n_resamples=np.inf)
    assert permutation_test(a, b, seed=3) == pytest.approx(exact.pvalue, abs=0.015)
    assert permutation_test(a, b, seed=3) == permutation_test(a, b, seed=3)


def test_equal_scores_are_no_difference():
    assert permutation_test([1, 2, 3], [1, 2, 3]) == 1
    assert paired_mean([1, 2, 3], [1, 2, 3]) == (0, 0)
    # Wilson's upper limit of 0 of 3 is 0.561497 (statsmodels 0.15.0): that share of pairs may differ, by 5 at most
    assert paired_mean([1, 2, 3], [1, 2, 3], limit=5) == pytest.approx((-5 * 0.561497, 5 * 0.561497), abs=1e-5)


def test_the_paired_bootstrap_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.Generator(np.random.PCG64(2))
    covered = 0
    for _ in range(150):
        a, b = rng.binomial(5, 0.45, 60), rng.binomial(5, 0.3, 60)
        low, high = paired_mean(a, b)
        covered += low <= 5 * 0.15 <= high
    assert 0.91 <= covered / 150 <= 0.985
