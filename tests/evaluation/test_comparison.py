"""Paired and unpaired comparison of two evaluations."""

from dataclasses import replace

import pytest

from polymath.errors import ConfigError, DataError, PolymathError
from polymath.evaluation.comparison import compare, compare_runs
from polymath.evaluation.episode_log import EpisodeLog, Identity
from polymath.evaluation.episode_result import EpisodeResult
from polymath.evaluation.rollout import EpisodeKey

IDENTITY = Identity("metaworld", "a", "", "mujoco-3.3.0/ray", 64, ("front",), 2, 55)


def outcomes(split, seeds, solved):
    keys = [EpisodeKey("push", split, seed) for seed in seeds]
    return {key: EpisodeResult(key, key.seed in solved, 20, 1.0, "push it") for key in keys}


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


def write_log(path, identity, solved):
    log = EpisodeLog(path, identity)
    for seed in range(10):
        log.append(EpisodeResult(EpisodeKey("push", "seen", seed), seed < solved, 20, 1.0, "push it"))
    return path


def test_two_logs_or_the_directories_around_them_are_compared(tmp_path):
    a = write_log(tmp_path / "first" / "evaluation" / "episodes" / "a.jsonl", IDENTITY, 8)
    b = write_log(tmp_path / "second" / "episodes" / "b.jsonl", replace(IDENTITY, policy="b"), 2)
    [result] = compare_runs(a, b)
    assert (result.pairs, result.only_a, result.only_b) == (10, 6, 0)
    assert compare_runs(tmp_path / "first", tmp_path / "second") == [result]


@pytest.mark.parametrize(
    ("field", "value"), [("renderer", "mujoco-3.3.0/egl"), ("benchmark", "calvin"), ("max_steps", 60)]
)
def test_what_cannot_be_compared_is_named(tmp_path, field, value):
    a = write_log(tmp_path / "a.jsonl", IDENTITY, 8)
    b = write_log(tmp_path / "b.jsonl", replace(IDENTITY, **{field: value}), 2)
    with pytest.raises(ConfigError, match=f"compare: {field} is "):
        compare_runs(a, b)
    if field == "renderer":
        assert len(compare_runs(a, b, allow_mixed_renderers=True)) == 1


def test_a_directory_with_several_logs_asks_which(tmp_path):
    for name in ("a", "b"):
        write_log(tmp_path / "episodes" / f"{name}.jsonl", replace(IDENTITY, policy=name), 3)
    with pytest.raises(DataError, match=r"found episodes/a\.jsonl, episodes/b\.jsonl"):
        compare_runs(tmp_path, tmp_path)
    with pytest.raises(DataError, match="no such file"):
        compare_runs(tmp_path / "none", tmp_path)
