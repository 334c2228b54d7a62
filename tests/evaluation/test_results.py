"""results.json: merging policies, refusing mixed renderers and files that do not fit."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor

import pytest

from polymath.errors import ConfigError
from polymath.evaluation.episode_log import Identity
from polymath.evaluation.results import load_results, summarise, update_results
from polymath.evaluation.rollout import EpisodeKey, EpisodeResult

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


@pytest.mark.parametrize(
    ("text", "problem"), [("{", "not JSON"), ('{"seen": {"random": {"successes": 1}}}', "seen.random: missing field")]
)
def test_a_file_that_does_not_fit_is_named(tmp_path, text, problem):
    path = tmp_path / "results.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=problem):
        load_results(path)
