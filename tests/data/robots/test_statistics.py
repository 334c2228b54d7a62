"""Expected values come from numpy over all rows at once; the sketch promises quantiles within 0.1 % of a true row."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from polymath import config
from polymath.data.formats.memory import MemoryEpisodes
from polymath.data.robots.statistics import ACCURACY, CLIP, Accumulator, FieldStatistics, Statistics, of_episodes
from polymath.errors import ConfigError, DataError
from polymath.types import Embodiment

FINITE = st.floats(-1e4, 1e4, allow_nan=False, width=32)
ROWS = npst.arrays(np.float64, st.tuples(st.integers(1, 60), st.just(3)), elements=FINITE)
QUANTILES = {"q01": 0.01, "q10": 0.10, "q50": 0.50, "q90": 0.90, "q99": 0.99}


def accumulate(*parts: np.ndarray) -> FieldStatistics:
    total = Accumulator(parts[0].shape[1])
    for part in parts:
        total.add(part)
    return total.result()


@given(ROWS)
def test_against_numpy(rows: np.ndarray) -> None:
    found = accumulate(rows)
    assert found.count == len(rows)
    np.testing.assert_allclose(found.mean, rows.mean(0), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found.std, rows.std(0), rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(found.min, rows.min(0))
    np.testing.assert_array_equal(found.max, rows.max(0))
    for name, q in QUANTILES.items():
        exact = np.quantile(rows, q, axis=0, method="lower")
        np.testing.assert_allclose(getattr(found, name), exact, rtol=1.01 * ACCURACY, atol=1e-9)


@given(ROWS, st.integers(0, 60), st.integers(0, 60))
def test_parts_merge_in_any_order(rows: np.ndarray, a: int, b: int) -> None:
    first, last = sorted((min(a, len(rows)), min(b, len(rows))))
    parts = [rows[:first], rows[first:last], rows[last:]]
    whole, merged = accumulate(rows), Accumulator(3)
    for part in reversed(parts):
        other = Accumulator(3)
        other.add(part)
        merged.merge(other)
    result = merged.result()
    for name in QUANTILES | {"min": 0, "max": 0}:
        assert getattr(result, name) == getattr(whole, name)  # counts add exactly
    np.testing.assert_allclose(result.mean, whole.mean, rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose(result.std, whole.std, rtol=1e-6, atol=1e-4)


@pytest.fixture(scope="module")
def statistics() -> Statistics:
    """Four action dimensions: free, free, never moving, gripper."""
    rng = np.random.default_rng(0)
    action = rng.normal([1.0, -3.0, 0.25, 0.0], [0.5, 0.1, 0.0, 1.0], (2000, 4))
    return Statistics(accumulate(rng.normal([5.0, 0.1], [2.0, 0.0], (500, 2))), accumulate(action))


GRIPPER = (3,)


def test_the_quantiles_become_one(statistics: Statistics) -> None:
    low, high = np.array(statistics.action.q01), np.array(statistics.action.q99)
    np.testing.assert_allclose(statistics.normalise_action(low, GRIPPER)[:2], [-1, -1], atol=1e-6)
    np.testing.assert_allclose(statistics.normalise_action(high, GRIPPER)[:2], [1, 1], atol=1e-6)


@given(values=npst.arrays(np.float32, (5, 4), elements=st.floats(-1.5, 1.5, width=32)))
def test_actions_invert_within_the_clip(statistics: Statistics, values: np.ndarray) -> None:
    own = statistics.denormalise_action(values, GRIPPER)
    np.testing.assert_allclose(statistics.normalise_action(own, GRIPPER), values, atol=1e-4)


@given(values=npst.arrays(np.float32, (5, 2), elements=st.floats(-5, 5, width=32)))
def test_states_invert(statistics: Statistics, values: np.ndarray) -> None:
    own = statistics.denormalise_state(values)
    np.testing.assert_allclose(statistics.normalise_state(own), values, atol=1e-4)


def test_outliers_are_clipped_but_not_the_gripper(statistics: Statistics) -> None:
    found = statistics.normalise_action(np.array([100.0, -100.0, 0.25, 7.0]), GRIPPER)
    assert found.tolist() == [CLIP, -CLIP, 0.0, 7.0]
    assert found.dtype == np.float32


def test_a_dimension_that_never_moved_is_not_blown_up(statistics: Statistics) -> None:
    found = statistics.normalise_action(np.array([1.0, -3.0, 0.25 + 1e-7, 0.0]), GRIPPER)
    assert abs(found[2]) < 1e-6
    assert abs(statistics.normalise_state(np.array([5.0, 0.1 + 1e-7]))[1]) < 1e-6


def test_of_episodes_counts_every_step(robot: Embodiment, make_episode) -> None:
    episodes = [make_episode(seed, steps=4 + seed) for seed in range(3)]
    found = of_episodes(MemoryEpisodes(robot, episodes))
    assert found.state.count == found.action.count == 4 + 5 + 6
    states = np.concatenate([episode.states for episode in episodes])
    np.testing.assert_allclose(found.state.mean, states.mean(0), rtol=1e-6, atol=1e-7)


def test_saved_and_loaded(statistics: Statistics, tmp_path: Path) -> None:
    config.save(statistics, tmp_path / "statistics.json")
    assert config.load(Statistics, tmp_path / "statistics.json") == statistics


def test_missing_statistics_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"statistics\.json: no such file"):
        config.load(Statistics, tmp_path / "statistics.json")


def test_statistics_of_another_robot(statistics: Statistics, robot: Embodiment) -> None:
    with pytest.raises(DataError, match=r"statistics\.state: 2 dimensions, but robot 'arm' has 3.*own data"):
        statistics.check(robot)


def test_rows_of_another_width_or_not_finite(statistics: Statistics) -> None:
    with pytest.raises(DataError, match="action: 3 dimensions, but the statistics have 4"):
        statistics.normalise_action(np.zeros(3), GRIPPER)
    with pytest.raises(DataError, match=r"observation\.state: holds NaN"):
        statistics.normalise_state(np.array([np.nan, 0.0]))
    with pytest.raises(DataError, match="NaN"):
        accumulate(np.array([[1.0, np.inf]]))


def test_no_rows_give_no_statistics() -> None:
    with pytest.raises(DataError, match="no rows"):
        accumulate(np.zeros((0, 2)))
