"""Expected values come from numpy over all rows at once; the sketch promises quantiles within 0.1 % of a true row."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from polymath import config
from polymath.data.formats.memory import MemoryEpisodes
from polymath.data.robots.statistics import (
    ACCURACY,
    CLIP,
    STATE_CLIP,
    Accumulator,
    FieldStatistics,
    Normalization,
    RobotAccumulator,
    Statistics,
    of_episodes,
)
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
    statistics = accumulate(rows)
    assert statistics.count == len(rows)
    np.testing.assert_allclose(statistics.mean, rows.mean(0), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(statistics.std, rows.std(0), rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(statistics.min, rows.min(0))
    np.testing.assert_array_equal(statistics.max, rows.max(0))
    for name, q in QUANTILES.items():
        exact = np.quantile(rows, q, axis=0, method="lower")
        np.testing.assert_allclose(getattr(statistics, name), exact, rtol=1.01 * ACCURACY, atol=1e-9)


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
    scaling = statistics.state_scaling()
    own = scaling.centre + values * scaling.scale
    np.testing.assert_allclose(statistics.normalise_state(own), values, atol=1e-4)


def test_outliers_are_clipped_but_not_the_gripper(statistics: Statistics) -> None:
    normalised = statistics.normalise_action(np.array([100.0, -100.0, 0.25, 7.0]), GRIPPER)
    assert normalised.tolist() == [CLIP, -CLIP, 0.0, 7.0]
    assert normalised.dtype == np.float32


def test_a_dimension_that_never_moved_is_not_blown_up(statistics: Statistics) -> None:
    normalised = statistics.normalise_action(np.array([1.0, -3.0, 0.25 + 1e-7, 0.0]), GRIPPER)
    assert abs(normalised[2]) < 1e-6
    assert abs(statistics.normalise_state(np.array([5.0, 0.1 + 1e-7]))[1]) < 1e-6


def test_of_episodes_counts_every_step(robot: Embodiment, make_episode) -> None:
    episodes = [make_episode(seed, steps=4 + seed) for seed in range(3)]
    statistics = of_episodes(MemoryEpisodes(robot, episodes))
    assert statistics.state.count == statistics.action.count == 4 + 5 + 6
    states = np.concatenate([episode.states for episode in episodes])
    np.testing.assert_allclose(statistics.state.mean, states.mean(0), rtol=1e-6, atol=1e-7)


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


# What normalisation promises beyond that: collapsed dimensions, the three choices, bounded states, older files.

NORMALIZATIONS: tuple[Normalization, ...] = ("quantiles", "mean-std", "min-max")


def one_field(*columns: np.ndarray) -> FieldStatistics:
    return accumulate(np.stack(columns, axis=1))


def test_ordinary_dimensions_are_scaled_by_the_very_same_numbers() -> None:
    """The formulas of the first version, written out: (q01 + q99) / 2, (q99 - q01) / 2, ±1.5; (state - mean) / std."""
    rng = np.random.default_rng(1)
    actions = np.stack([rng.uniform(-1, 1, 4000), rng.normal(1, 0.5, 4000), rng.laplace(size=4000)], 1)
    statistics = Statistics(accumulate(actions), accumulate(actions))
    low, high = np.array(statistics.action.q01), np.array(statistics.action.q99)
    expected = np.clip((actions - (low + high) / 2) / ((high - low) / 2), -1.5, 1.5).astype(np.float32)
    np.testing.assert_array_equal(statistics.normalise_action(actions, ()), expected)
    back = (expected.astype(np.float64) * ((high - low) / 2) + (low + high) / 2).astype(np.float32)
    np.testing.assert_array_equal(statistics.denormalise_action(expected, ()), back)
    mean, std = np.array(statistics.state.mean), np.array(statistics.state.std)
    np.testing.assert_array_equal(statistics.normalise_state(actions), ((actions - mean) / std).astype(np.float32))


RARE = np.arange(5000) % 125 == 7  # 0.8 % of the rows
RNG = np.random.default_rng(2)
COLLAPSED = {
    "0 or 30": np.where(RARE, 30.0, 0.0),
    "a gripper at 100, rarely 0": np.where(RARE, 0.0, 100.0),
    "jitter of 1e-5 and bursts": np.where(RARE, 30.0, RNG.normal(0, 1e-5, 5000)),
    "tremor of 0.01 and bursts to both sides": np.where(RARE, RNG.choice([-30, 25], 5000), RNG.normal(0, 0.01, 5000)),
    "bursts of many heights": np.where(RARE, RNG.uniform(5, 30, 5000), 0.0),
    "one pulse in 5000 rows": np.where(np.arange(5000) == 40, -3.0, 0.0),
    "an offset the sketch cannot resolve": 100 + RNG.uniform(-0.05, 0.05, 5000),
    "bursts of 1e30": np.where(RARE, 1e30, 0.0),
}


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@pytest.mark.parametrize("values", COLLAPSED.values(), ids=COLLAPSED)
def test_every_recorded_action_of_a_collapsed_dimension_is_reachable(
    values: np.ndarray, normalization: Normalization
) -> None:
    rows = values[:, None]
    statistics = Statistics(accumulate(rows), accumulate(rows), normalization)
    there = statistics.normalise_action(rows, ())
    assert np.abs(there).max() == pytest.approx(1.0)
    back = statistics.denormalise_action(there, ())
    extent = values.max() - values.min()
    np.testing.assert_allclose(back, rows, atol=1e-6 * max(extent, np.abs(values).max()))
    assert statistics.action_scaling(()).rule == ("min, max",)


def test_rare_outliers_of_a_moving_dimension_do_not_scale_it() -> None:
    """2 of 5000 rows (0.04 %) are a fault of the recording: the ordinary motion keeps its range."""
    values = RNG.uniform(-1, 1, 5000)
    values[[7, 4000]] = 1000.0
    statistics = Statistics(one_field(values), one_field(values))
    assert statistics.action_scaling(()).rule == ("q01, q99",)
    assert statistics.action_scaling(()).scale == pytest.approx(0.98, abs=0.02)


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@given(values=npst.arrays(np.float32, (5, 4), elements=st.floats(-1, 1, width=32)))
def test_every_choice_inverts(statistics: Statistics, values: np.ndarray, normalization: Normalization) -> None:
    chosen = replace(statistics, normalization=normalization)
    own = chosen.denormalise_action(values, GRIPPER)
    np.testing.assert_allclose(chosen.normalise_action(own, GRIPPER), values, atol=1e-4)


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@given(rows=ROWS)
def test_recorded_actions_come_back_or_are_reported(rows: np.ndarray, normalization: Normalization) -> None:
    """The error of the round trip is nowhere larger than the reported one, and exactly that at its largest."""
    robot = Embodiment("arm", 1, (), ("a", "b", "c"), ("a", "b", "c"), (), 10.0)
    total = RobotAccumulator(robot)
    total.add(rows, rows, "set")
    statistics = total.result(normalization)
    errors = np.abs(statistics.denormalise_action(statistics.normalise_action(rows, ()), ()) - rows)
    assert statistics.action_clipping is not None
    exact = 1e-6 * (np.abs(rows).max(0) + np.array(statistics.action_scaling(()).scale)) + 1e-6
    still = np.array([rule == "constant" for rule in statistics.action_scaling(()).rule])
    np.testing.assert_allclose(
        errors.max(0)[~still], np.array(statistics.action_clipping.largest)[~still], atol=exact.max()
    )
    shares, means = np.array(statistics.action_clipping.share), np.array(statistics.action_clipping.mean)
    assert ((shares > 0) == (np.array(statistics.action_clipping.largest) > 0)).all()
    assert (means <= np.array(statistics.action_clipping.largest)).all()
    if normalization == "min-max":
        assert not shares.any()


def test_the_clipping_of_a_heavy_tail_is_counted() -> None:
    """98.5 % of the rows in ±1, 1.5 % at 4: clipped to 1.5 half ranges."""
    values = np.concatenate([np.linspace(-1, 1, 1970), np.full(8, 4.0), np.full(8, -4.0)])
    robot = Embodiment("arm", 1, (), ("x",), ("x",), (), 10.0)
    total = RobotAccumulator(robot)
    total.add(values[:, None], values[:, None], "set")
    statistics = total.result()
    assert statistics.action_clipping is not None
    high = 1.5 * statistics.action.q99[0]
    assert statistics.action_clipping.share[0] == pytest.approx(16 / 1986)
    assert statistics.action_clipping.largest[0] == pytest.approx(4 - high, rel=1e-2)
    assert statistics.action_clipping.mean[0] == pytest.approx(4 - high, rel=1e-2)


def test_states_are_bounded_and_noise_is_not_blown_up() -> None:
    """A pose at 0.3 with noise of 1e-5, seen 5 cm off: 5,000 deviations, but the floor is 1 mm and the bound 10."""
    rows = np.stack([np.full(5000, 0.3), 0.3 + 1e-5 * RNG.normal(size=5000), RNG.normal(size=5000)], 1)
    statistics = Statistics(accumulate(rows), accumulate(rows))
    off = statistics.normalise_state(rows[0] + 0.05)
    assert off[0] == pytest.approx(0.05)
    assert off[1] == STATE_CLIP == 10
    assert statistics.normalise_state(rows)[:, 1].std() == pytest.approx(1e-5 / 1e-3, rel=0.05)
    assert np.abs(statistics.normalise_state(np.array([1e30, -1e30, 1e30]))).tolist() == [10, 10, 10]


def test_older_files_keep_their_rules(tmp_path: Path) -> None:
    """A policy trained by the first version's rules is controlled by them: no fallback, no floor, no bound."""
    rows = np.stack([COLLAPSED["0 or 30"], 0.3 + 1e-5 * RNG.normal(size=5000)], 1)
    fields = config.to_dict(Statistics(accumulate(rows), accumulate(rows)))
    for field in ("state", "action"):
        fields[field] = {name: value for name, value in fields[field].items() if name not in ("q001", "q999")}
    (tmp_path / "statistics.json").write_text(json.dumps({name: fields[name] for name in ("state", "action")}))
    older = config.load(Statistics, tmp_path / "statistics.json")
    assert (older.rules, older.normalization) == (1, "quantiles")
    assert older.normalise_action(np.array([30.0, 0.3]), ())[0] == CLIP
    assert older.normalise_state(np.array([0.0, 0.35]))[1] == pytest.approx(5000, rel=0.05)
    config.save(older, tmp_path / "again.json")
    assert config.load(Statistics, tmp_path / "again.json") == older


def test_an_unknown_choice_is_named() -> None:
    fields = config.to_dict(Statistics(one_field(RNG.normal(size=9)), one_field(RNG.normal(size=9))))
    with pytest.raises(ConfigError, match=r"normalization: 'zscore' is none of 'quantiles', 'mean-std', 'min-max'"):
        config.from_dict(Statistics, {**fields, "normalization": "zscore"}, "statistics.json")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.array([[0.0, np.nan]]), "holds NaN or infinity: nan in dimension 1 in row 0"),
        (np.array([[0.0, 1.0], [-np.inf, 0.0]]), "holds NaN or infinity: -inf in dimension 0 in row 1"),
        (np.array([[0.0, 1e300]]), r"beyond float32: 1e\+300 in dimension 1"),
        (np.array([["a", "b"]]), "holds text"),
        (np.array([["1.5", "2"]]), "holds text"),
        (np.array([["2026-01-01", "2026-01-02"]], "datetime64[s]"), "holds dates"),
        (np.ma.masked_array(np.ones((1, 2)), mask=[[True, False]]), "holds text or gaps"),
        (np.array([[None, 1.0]], object), "holds NaN|does not hold numbers"),
        ([[1.0, 2.0], [3.0]], "does not hold numbers alone, in rows of one width"),
        (np.array([[1j, 0]]), "holds complex numbers"),
        (np.array([1.0, 2.0]), r"shape \(2,\) is not \(rows, 2\)"),
        (np.float64(3), "no dimensions, but the statistics have 2"),
        (np.zeros((3, 4, 2)), r"shape \(3, 4, 2\) is not \(rows, 2\)"),
    ],
)
def test_rows_that_are_no_statistics(rows, message: str) -> None:
    total = Accumulator(2)
    with pytest.raises(DataError, match=message):
        total.add(rows)
    assert total.count == 0


@pytest.mark.parametrize("dtype", ["float16", "int8", "uint8", "int64", "bool", "float64"])
def test_any_type_of_number_counts(dtype: str) -> None:
    rows = np.array([[0, 1], [1, 1], [1, 0]]).astype(dtype)
    np.testing.assert_allclose(accumulate(rows).mean, [2 / 3, 2 / 3])
    np.testing.assert_allclose(accumulate(np.array([[100], [100]], "int8")).mean, [100])


def test_a_field_without_dimensions() -> None:
    assert accumulate(np.zeros((3, 0))).q99 == ()


def test_the_rounding_of_a_large_constant_stays_small() -> None:
    """Nanoseconds since 1970 of ten seconds: equal to 1e-8."""
    rows = 1.7e18 + np.arange(200)[:, None] * 5e7
    statistics = Statistics(accumulate(rows), accumulate(rows))
    assert np.abs(statistics.normalise_state(rows)).max() < 1e-6
    assert np.abs(statistics.normalise_action(rows, ())).max() < 1e-6


def test_a_single_row_is_a_constant() -> None:
    statistics = Statistics(accumulate(np.array([[2.0, -1e5]])), accumulate(np.array([[2.0, -1e5]])))
    assert statistics.normalise_action(np.array([2.0, -1e5]), ()).tolist() == [0, 0]
    assert statistics.denormalise_action(np.zeros(2), ()).tolist() == [2.0, -1e5]


def test_huge_values_have_right_quantiles() -> None:
    """Half of the rows beyond what the sketch tells apart: their quantiles are the extremes."""
    field = one_field(np.where(np.arange(100) % 2, 1e30, 1.0))
    assert field.q99 == (1e30,)
    assert field.q01[0] == pytest.approx(1.0, rel=2e-3)


def test_a_long_episode_is_counted_in_pieces() -> None:
    rows = np.random.default_rng(3).normal(5, 2, (200_000, 1))
    field = accumulate(rows)
    np.testing.assert_allclose((field.mean[0], field.std[0]), (rows.mean(), rows.std()), rtol=1e-9)


def test_an_episode_that_cannot_be_used_counts_for_nothing() -> None:
    robot = Embodiment("arm", 1, (), ("x",), ("x", "grip"), (1,), 10.0)
    total = RobotAccumulator(robot)
    with pytest.raises(DataError, match=r"set: episode 4: action: holds NaN"):
        total.add(np.zeros((2, 1)), np.array([[0, 0], [0, np.nan]]), "set: episode 4")
    with pytest.raises(DataError, match=r"3 states, but 2 actions"):
        total.add(np.zeros((3, 1)), np.zeros((2, 2)), "set: episode 4")
    with pytest.raises(DataError, match=r"robot 'arm': no usable episode"):
        total.result()


def test_gripper_dims_that_the_action_does_not_have() -> None:
    with pytest.raises(DataError, match=r"'arm', gripper_dims: 7, but the action has dimensions 0 to 1"):
        RobotAccumulator(Embodiment("arm", 1, (), ("x",), ("x", "grip"), (7,), 10.0))


def test_a_diverged_models_output_is_no_command(statistics: Statistics) -> None:
    with pytest.raises(DataError, match="normalised action: holds NaN"):
        statistics.denormalise_action(np.array([np.nan, 0, 0, 0]), GRIPPER)
