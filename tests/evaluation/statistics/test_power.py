"""Numbers of episodes against R, statsmodels' formulas, enumeration and simulation."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polymath.errors import PolymathError
from polymath.evaluation.statistics import independent_episodes, mcnemar, paired_episodes, power_of_pairs


def test_independent_rates_need_as_many_as_in_r():
    # The example of R's help page of power.prop.test: p1 = 0.50, p2 = 0.75, power = 0.90 needs n = 76.7.
    assert independent_episodes(0.50, 0.75, power=0.90) == 77
    # Fleiss, Statistical Methods for Rates and Proportions: the same formula by hand for 0.6 and 0.7,
    # (1.95996 sqrt(2 0.65 0.35) + 0.84162 sqrt(0.24 + 0.21))^2 / 0.01 = 355.9
    assert independent_episodes(0.6, 0.7) == independent_episodes(0.7, 0.6) == 356
    assert independent_episodes(0.4, 0.4) is None


@pytest.mark.parametrize("cells", [(0.3, 0.1), (0.5, 0.0), (0.02, 0.2)])
@pytest.mark.parametrize("pairs", [6, 17])
def test_power_of_pairs_equals_the_sum_over_all_outcomes(cells, pairs):
    only_a, only_b = cells
    total = 0.0
    for a, b in itertools.product(range(pairs + 1), repeat=2):
        if a + b <= pairs and mcnemar(a, b) <= 0.05:
            ways = math.comb(pairs, a) * math.comb(pairs - a, b)
            total += ways * only_a**a * only_b**b * (1 - only_a - only_b) ** (pairs - a - b)
    assert power_of_pairs(only_a, only_b, pairs) == pytest.approx(total, rel=1e-9, abs=1e-12)


def test_the_number_of_pairs_gives_the_power_that_it_promises():
    pairs = paired_episodes(0.25, 0.10)
    # Connor's formula by hand: (1.95996 sqrt(0.35) + 0.84162 sqrt(0.35 - 0.0225))^2 / 0.0225 = 119.3; the exact test,
    # which rejects at less than 5 %, needs some more.
    assert 119 < pairs < 140
    rng = np.random.Generator(np.random.PCG64(0))
    drawn = rng.multinomial(pairs, [0.25, 0.10, 0.65], size=2000)
    found = np.mean([mcnemar(int(a), int(b)) <= 0.05 for a, b, _ in drawn])
    assert found == pytest.approx(0.8, abs=0.03)


@given(st.floats(0, 0.5), st.floats(0, 0.5))
def test_the_order_does_not_matter_and_one_fewer_is_too_few(only_a, only_b):
    pairs = paired_episodes(only_a, only_b)
    assert pairs == paired_episodes(only_b, only_a)
    if pairs is not None and pairs <= 3000:
        assert power_of_pairs(only_a, only_b, pairs) >= 0.8 > power_of_pairs(only_a, only_b, pairs - 1)


def test_nothing_separates_equal_policies():
    assert paired_episodes(0.2, 0.2) is None
    assert paired_episodes(0, 0) is None
    assert paired_episodes(0.2, 0.2 + 1e-6) is None
    # Connor's formula by hand: (1.95996 sqrt(0.21) + 0.84162 sqrt(0.21 - 0.0001))^2 / 0.0001
    assert paired_episodes(0.1, 0.11) == 16481
    with pytest.raises(PolymathError, match="no probabilities"):
        paired_episodes(0.7, 0.6)
