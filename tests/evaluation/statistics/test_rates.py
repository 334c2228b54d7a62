"""Intervals and tests against published tables, statsmodels and scipy."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, fisher_exact

from polymath.errors import PolymathError
from polymath.evaluation.statistics import Rate, difference, fisher, wilson

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


@given(st.integers(1, 30), st.integers(1, 30), st.data())
def test_fisher_equals_scipy(episodes_a, episodes_b, data):
    a = Rate(data.draw(st.integers(0, episodes_a)), episodes_a)
    b = Rate(data.draw(st.integers(0, episodes_b)), episodes_b)
    table = [[a.successes, a.episodes - a.successes], [b.successes, b.episodes - b.successes]]
    assert fisher(a, b) == pytest.approx(fisher_exact(table).pvalue, rel=1e-6)


def test_fisher_of_the_lady_who_tasted_tea():
    # R. A. Fisher, The Design of Experiments (1935), chapter II: all cups told apart, 1 in 70 on one side
    assert fisher(Rate(4, 4), Rate(0, 4)) == pytest.approx(2 / 70)
