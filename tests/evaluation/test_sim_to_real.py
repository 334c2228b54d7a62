"""SIMPLER's measures: cases by hand, and what SimplerEnv's utils/metrics.py gives for its own published tables."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polymath.benchmarks.bridge.published import CARROT, EGGPLANT, REAL, SIMULATED, SPOON, STACK
from polymath.errors import PolymathError
from polymath.evaluation.sim_to_real import mean_maximum_rank_violation, pearson

RATES = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=8)


@pytest.mark.parametrize(
    ("task", "violation", "correlation"),
    [  # printed by SimplerEnv's functions at commit 4ab7178 for its SIMPLER_PERF and REAL_PERF
        (SPOON, 0.0, 0.8269440858),
        (CARROT, 0.1113333333, 0.5713675985),
        (STACK, 0.0, 1.0),
        (EGGPLANT, 0.0, 0.9894145664),
    ],
)
def test_the_published_tables_give_the_repositorys_values(task: str, violation: float, correlation: float) -> None:
    simulated, real = list(SIMULATED[task].values()), list(REAL[task].values())
    assert mean_maximum_rank_violation(simulated, real) == pytest.approx(violation, abs=1e-9)
    assert pearson(simulated, real) == pytest.approx(correlation, abs=5e-6)  # the repository adds 1e-8 below the line


@pytest.mark.parametrize(
    ("simulated", "real", "violation", "correlation"),
    [  # the same functions on other tables: five of the Google robot's columns, then arbitrary ones with ties
        ([0.787, 0.857, 0.71, 0.567, 0.027, 0.17], [0.907, 0.853, 0.92, 0.76, 0.133, 0.293], 0.0313333333, 0.975433962),
        ([0.779, 0.442, 0.354, 0.317, 0.05, 0.042], [0.733, 0.633, 0.583, 0.45, 0.017, 0.35], 0.111, 0.8560966643),
        ([0.343, 0.861, 0.667, 0.891, 0.278, 0.444], [0.63, 0.926, 0.889, 0.741, 0.0, 0.519], 0.1233333333, 0.77123282),
        ([1.0, 0.0, 0.75, 0.75, 0.75], [0.25, 0.75, 0.5, 1.0, 0.0], 0.75, -0.417028821),
        ([0.75, 1.0, 0.0, 0.25, 0.75], [0.0, 0.0, 0.25, 1.0, 1.0], 0.85, -0.282109085),
        ([0.0, 0.0, 0.75, 0.5, 0.75], [0.0, 0.5, 0.25, 0.75, 0.5], 0.35, 0.318073205),
    ],
)
def test_other_tables_give_them_too(
    simulated: list[float], real: list[float], violation: float, correlation: float
) -> None:
    assert mean_maximum_rank_violation(simulated, real) == pytest.approx(violation, abs=1e-9)
    assert pearson(simulated, real) == pytest.approx(correlation, abs=1e-7)


def test_by_hand() -> None:
    # the first two are swapped, 0.2 apart in reality: each of them violates by 0.2, the third by nothing
    assert mean_maximum_rank_violation([0.5, 0.4, 0.1], [0.4, 0.6, 0.2]) == pytest.approx((0.2 + 0.2 + 0) / 3)
    assert pearson([0, 1], [0.3, 0.5]) == pytest.approx(1)
    assert pearson([0, 1], [0.5, 0.3]) == pytest.approx(-1)


@given(RATES)
def test_a_perfect_simulator_violates_nothing(rates: list[tuple[float, float]]) -> None:
    real = [b for _, b in rates]
    assert mean_maximum_rank_violation(real, real) == 0
    assert 0 <= mean_maximum_rank_violation([a for a, _ in rates], real) <= np.ptp(real)


@pytest.mark.parametrize(
    ("simulated", "real", "words"),
    [
        ([0.1], [0.1], "two policies or more"),
        ([0.1, 0.2], [0.1], "two policies or more"),
        ([[0.1, 0.2]], [[0.1, 0.2]], "two policies or more"),
        ([0.1, np.nan], [0.1, 0.2], "NaN"),
    ],
)
def test_other_columns_are_refused(simulated: list[float], real: list[float], words: str) -> None:
    for measure in (mean_maximum_rank_violation, pearson):
        with pytest.raises(PolymathError, match=words):
            measure(simulated, real)


def test_equal_rates_have_no_correlation() -> None:
    with pytest.raises(PolymathError, match="all simulated rates are equal"):
        pearson([0.5, 0.5], [0.1, 0.2])
