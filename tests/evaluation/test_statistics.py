"""Intervals and tests against published tables, statsmodels and scipy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from polymath.errors import PolymathError
from polymath.evaluation.statistics import Rate, difference, mcnemar, paired_difference, wilson

# The first four: Newcombe, Statistics in Medicine 17 (1998) 857, table I, method 3. All six to 6 digits:
# statsmodels 0.15.0, proportion_confint(k, n, 0.05, "wilson").
WILSON = {
    (81, 263): (0.255289, 0.366210),
    (15, 148): (0.062386, 0.160487),
    (0, 20): (0.0, 0.161125),
    (1, 29): (0.006113, 0.171755),
    (29, 29): (0.883030, 1.0),
    (6, 10): (0.312674, 0.831820),
}
# The first: Newcombe, Statistics in Medicine 17 (1998) 873, table II, example (a), method 10: 0.0524 to 0.3339.
# To 6 digits: statsmodels 0.15.0, confint_proportions_2indep(..., method="newcomb", compare="diff").
NEWCOMBE = {
    (56, 70, 48, 80): (0.052431, 0.333873),
    (9, 10, 3, 10): (0.170523, 0.809018),
    (10, 10, 0, 20): (0.679086, 1.0),
}


@pytest.mark.parametrize("counts", WILSON)
def test_wilson(counts):
    assert wilson(*counts) == pytest.approx(WILSON[counts], abs=1e-6)
    assert Rate(*counts).interval == wilson(*counts)


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_equals_scipy_and_contains_the_rate(counts):
    low, high = wilson(*counts)
    expected = binomtest(*counts).proportion_ci(method="wilson")
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert 0 <= low <= Rate(*counts).rate <= high <= 1


@pytest.mark.parametrize("counts", [(0, 0), (3, 2), (-1, 4)])
def test_no_proportion_no_interval(counts):
    with pytest.raises(PolymathError, match="is no proportion"):
        wilson(*counts)


@pytest.mark.parametrize("counts", NEWCOMBE)
def test_difference_of_independent_rates(counts):
    a, b = Rate(*counts[:2]), Rate(*counts[2:])
    assert difference(a, b) == pytest.approx(NEWCOMBE[counts], abs=1e-6)


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_equals_the_binomial_test_of_scipy(only_a, only_b):
    expected = binomtest(only_a, only_a + only_b, 0.5).pvalue if only_a + only_b else 1.0
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
