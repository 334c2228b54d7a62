"""Bootstrap intervals of mean scores against scipy and simulation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from polymath.errors import PolymathError
from polymath.evaluation.statistics import bootstrap_mean

CHAINS = [0] * 30 + [1] * 9 + [2] * 5 + [3] * 2 + [5] * 4


@pytest.mark.parametrize("values", [CHAINS, [0, 0, 0, 1, 5], list(np.linspace(-1, 3, 40) ** 3)])
def test_equal_to_scipy_up_to_the_noise_of_the_resamples(values):
    rng = np.random.Generator(np.random.PCG64(0))
    expected = stats.bootstrap((values,), np.mean, n_resamples=40_000, method="BCa", rng=rng, vectorized=True)
    width = expected.confidence_interval.high - expected.confidence_interval.low
    interval = bootstrap_mean(values, seed=1)
    assert interval == pytest.approx(tuple(expected.confidence_interval), abs=0.04 * width)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=40), st.randoms())
def test_a_function_of_the_values_in_any_order_that_contains_the_mean(values, random):
    low, high = bootstrap_mean(values, seed=0, bounds=(0, 5))
    assert 0 <= low <= np.mean(values) <= high <= 5
    random.shuffle(values)
    assert bootstrap_mean(values, seed=0, bounds=(0, 5)) == (low, high)


def test_equal_values_say_what_wilson_says_about_others():
    assert bootstrap_mean([2, 2, 2]) == (2, 2)
    # Wilson's upper limit of 0 of 20 is 0.161125 (statsmodels 0.15.0): so many episodes may have another score
    assert bootstrap_mean([0] * 20, bounds=(0, 5)) == pytest.approx((0, 5 * 0.161125), abs=1e-5)
    assert bootstrap_mean([5] * 20, bounds=(0, 5)) == pytest.approx((5 - 5 * 0.161125, 5), abs=1e-5)


@pytest.mark.parametrize("values", [[], [1.0, float("nan")], [float("inf")]])
def test_no_score_and_scores_that_are_no_numbers_are_errors(values):
    with pytest.raises(PolymathError, match="bootstrap: score"):
        bootstrap_mean(values)


def test_skewed_scores_are_covered_as_often_as_it_says():
    rng = np.random.Generator(np.random.PCG64(3))
    shares = [0.62, 0.2, 0.09, 0.05, 0.03, 0.01]
    mean = np.dot(shares, range(6))
    covered = 0
    for _ in range(150):
        low, high = bootstrap_mean(rng.choice(6, 100, p=shares))
        covered += low <= mean <= high
    assert 0.9 <= covered / 150 <= 0.99


def test_a_hundred_thousand_episodes_take_no_time_and_little_memory():
    rng = np.random.Generator(np.random.PCG64(4))
    values = rng.integers(0, 6, 100_000)
    low, high = bootstrap_mean(values)
    # normal approximation: 2.5 +- 1.96 sqrt(35/12 / n)
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(35 / 12 / 100_000), rel=0.05)
