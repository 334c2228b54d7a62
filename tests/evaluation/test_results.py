"""results.json: merging policies, refusing mixed renderers and files that do not fit."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor

import pytest

from polymath.errors import ConfigError
from polymath.evaluation.episode_log import Identity
from polymath.evaluation.episode_result import EpisodeResult
from polymath.evaluation.results import load_results, summarise, update_results
from polymath.evaluation.rollout import EpisodeKey

IDENTITY = Identity("metaworld", "polymath-v", "demo 800", "mujoco-3.3.0/ray", 64, ("front",), 2, 55)


def episodes(split, outcomes):
    return [
        EpisodeResult(EpisodeKey(task, split, seed), success, 10, 1.0, "do it")
        for task, successes in outcomes.items()
        for seed, success in enumerate(successes)
    ]


def test_summary_counts_by_split_and_task():
    found = summarise(
        IDENTITY, episodes("seen", {"push": [1, 1, 0], "pull": [0, 0, 1]}) + episodes("novel", {"push": [1]})
    )
    assert list(found) == ["seen", "novel"]
    seen = found["seen"]
    assert (seen.successes, seen.episodes, seen.rate, seen.seeds) == (3, 6, 0.5, (0, 1, 2))
    assert {task: (r.successes, r.episodes) for task, r in seen.per_task.items()} == {"push": (2, 3), "pull": (1, 3)}
    # statsmodels 0.15.0, proportion_confint(3, 6, 0.05, "wilson")
    assert seen.interval == pytest.approx((0.187617, 0.812383), abs=1e-6)


def test_scores_and_measures_are_summed_up_and_read_back(tmp_path):
    key = EpisodeKey("chain", "D", 0)
    chains = [(0, {}), (1, {"grasped": 1.0}), (1, {"grasped": 0.0}), (5, {"grasped": 1.0}), (3, {})]
    results = [
        EpisodeResult(key._replace(seed=i), score == 5, 360, 9.0, "do it", float(score), measures)
        for i, (score, measures) in enumerate(chains)
    ]
    entry = summarise(IDENTITY, results, levels=5)["D"]
    assert [rate.successes for rate in entry.levels] == [4, 2, 2, 1, 1]
    assert entry.score.mean == sum(rate.rate for rate in entry.levels) == 2.0  # CALVIN's average length
    assert entry.score.interval[0] < 2.0 < entry.score.interval[1]
    assert (entry.measures["grasped"].mean, entry.measures["grasped"].episodes) == (pytest.approx(2 / 3), 3)
    path = tmp_path / "results.json"
    update_results(path, {"D": entry})
    assert load_results(path)["D"]["polymath-v"] == entry
    [plain] = summarise(IDENTITY, results).values()
    assert (plain.score, plain.levels) == (None, ())


def test_policies_are_merged_and_replaced(tmp_path):
    path = tmp_path / "results.json"
    update_results(path, summarise(IDENTITY, episodes("seen", {"push": [1, 0]})))
    other = dataclasses.replace(IDENTITY, policy="random")
    update_results(path, summarise(other, episodes("seen", {"push": [0, 0]})))
    update_results(path, summarise(IDENTITY, episodes("seen", {"push": [1, 1]})))
    results = load_results(path)
    assert {name: entry.successes for name, entry in results["seen"].items()} == {"polymath-v": 2, "random": 0}


def test_evaluations_that_end_together_lose_nothing(tmp_path):
    path = tmp_path / "results.json"
    names = [f"policy-{i}" for i in range(24)]

    def finish(name):
        update_results(path, summarise(dataclasses.replace(IDENTITY, policy=name), episodes("seen", {"push": [1]})))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(finish, names))
    assert set(load_results(path)["seen"]) == set(names)


def test_another_renderer_is_refused_unless_asked_for(tmp_path):
    path = tmp_path / "results.json"
    update_results(path, summarise(IDENTITY, episodes("seen", {"push": [1]})))
    egl = summarise(
        dataclasses.replace(IDENTITY, policy="random", renderer="mujoco-3.3.0/egl"), episodes("seen", {"a": [0]})
    )
    before = path.read_bytes()
    with pytest.raises(ConfigError, match=r"seen\.polymath-v\.identity\.renderer is 'mujoco-3\.3\.0/ray'"):
        update_results(path, egl)
    assert path.read_bytes() == before
    assert set(update_results(path, egl, allow_mixed_renderers=True)["seen"]) == {"polymath-v", "random"}


@pytest.mark.parametrize(("field", "value"), [("max_steps", 60), ("protocol", "2"), ("options", {"a": "b"})])
def test_another_protocol_is_refused(tmp_path, field, value):
    path, first = tmp_path / "results.json", dataclasses.replace(IDENTITY, protocol="1")
    update_results(path, summarise(first, episodes("seen", {"push": [1]})))
    other = dataclasses.replace(first, policy="random", **{field: value})
    with pytest.raises(ConfigError, match=f"identity.{field} is .*evaluate into another directory"):
        update_results(path, summarise(other, episodes("seen", {"push": [1]})))


@pytest.mark.parametrize(
    ("text", "problem"), [("{", "not JSON"), ('{"seen": {"random": {"successes": 1}}}', "seen.random: missing field")]
)
def test_a_file_that_does_not_fit_is_named(tmp_path, text, problem):
    path = tmp_path / "results.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=problem):
        load_results(path)
