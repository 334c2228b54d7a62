"""The embedded benchmark with the real simulator in real worker processes."""

import dataclasses
import json

import pytest

from polymath.benchmarks.metaworld import seeds
from polymath.benchmarks.metaworld.benchmark import BENCHMARK
from polymath.benchmarks.metaworld.robot import CAMERA_NAMES
from polymath.benchmarks.metaworld.scene.cameras import CAMERAS
from polymath.errors import ConfigError
from polymath.evaluation.baselines import RandomPolicy
from polymath.evaluation.benchmark import Plan
from polymath.evaluation.candidate import Candidate
from polymath.evaluation.episode_log import read_episodes
from polymath.evaluation.harness import run_benchmark
from polymath.evaluation.results import load_results
from polymath.evaluation.rollout import EpisodeKey
from polymath.evaluation.statistics import wilson
from polymath.evaluation.video import read_tags

SMALL = Plan(tasks=("reach-left", "faucet-open"), episodes=2, workers=2, slots=2)
RENDERER = "mujoco-3.3.0/ray"
RANDOM = Candidate("random", RandomPolicy(action_dim=4, chunk_length=4), trained_on=RENDERER)


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    out = tmp_path_factory.mktemp("evaluation")
    return out, run_benchmark(BENCHMARK, RANDOM, out, SMALL)


def test_results_hold_every_split_with_rates_and_intervals(evaluated):
    out, results = evaluated
    assert list(results) == list(BENCHMARK.splits)
    for policies in results.values():
        entry = policies["random"]
        assert entry.episodes == 4
        assert entry.interval == wilson(entry.successes, 4)
        assert set(entry.per_task) == set(SMALL.tasks)
        assert entry.identity.renderer == RENDERER
        assert all(seed in seeds.EVALUATION and seed not in seeds.RECORDING for seed in entry.seeds)
    assert load_results(out / "results.json") == results


def test_results_json_is_split_then_policy(evaluated):
    entry = json.loads((evaluated[0] / "results.json").read_text())["novel_objects"]["random"]
    assert {"successes", "episodes", "rate", "interval", "seeds", "per_task", "identity"} == set(entry)
    assert len(entry["interval"]) == 2


def test_the_log_holds_each_episode_once(evaluated):
    identity, episodes = read_episodes(evaluated[0] / "episodes" / "random.jsonl")
    assert sorted(episodes) == sorted(BENCHMARK.episode_keys(SMALL))
    assert identity.policy == "random"
    assert all(1 <= e.steps <= identity.max_steps for e in episodes.values())
    assert all(e.success or e.steps == identity.max_steps for e in episodes.values())


def test_the_first_seen_episode_of_each_task_is_a_video(evaluated):
    out, _ = evaluated
    videos = sorted((out / "videos" / "random").glob("*.mp4"))
    assert [v.stem for v in videos] == sorted(SMALL.tasks)
    _, episodes = read_episodes(out / "episodes" / "random.jsonl")
    for video in videos:
        first = episodes[EpisodeKey(video.stem, "seen", seeds.EVALUATION.start)]
        outcome = f"{'' if first.success else 'no '}success after {first.steps} control steps"
        assert read_tags(video) == (first.instruction, outcome)


def test_an_interrupted_evaluation_goes_on_and_ends_the_same(evaluated, tmp_path):
    whole = (evaluated[0] / "episodes" / "random.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "episodes").mkdir()
    log = tmp_path / "episodes" / "random.jsonl"
    log.write_text("".join(whole[:6]) + whole[6][:10])
    results = run_benchmark(BENCHMARK, RANDOM, tmp_path, dataclasses.replace(SMALL, workers=1, slots=3))
    assert log.read_text().startswith("".join(whole[:6]))
    assert results == evaluated[1]  # one worker of three simulators, or two of two: the same episodes


def test_other_pictures_than_in_training_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="but this evaluation renders with 'mujoco-3.3.0/ray'".replace(".", r"\.")):
        run_benchmark(BENCHMARK, dataclasses.replace(RANDOM, trained_on="mujoco-3.3.0/egl"), tmp_path, SMALL)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"tasks": ("reach-lefd",)}, "did you mean reach-left"),
        ({"splits": ("novel",)}, "split 'novel': .* choose from seen, novel_objects"),
        ({"episodes": 1001}, "episodes 1001"),
        ({"episodes": -1}, "episodes -1"),
        ({"cameras": ("wrist",)}, "camera 'wrist': .* choose from front, top"),
        ({"renderer": "vulkan"}, "renderer 'vulkan': .* choose from ray, egl, osmesa"),
        ({"options": {"wind": "3"}}, "option 'wind': .* it has none"),
        ({"workers": 0}, "workers 0"),
        ({"execute": 0}, "execute 0"),
        ({"seed": 1000}, "seed 1000"),
    ],
)
def test_impossible_evaluations_are_refused_before_anything_starts(tmp_path, changes, problem):
    with pytest.raises(ConfigError, match=problem):
        run_benchmark(BENCHMARK, RANDOM, tmp_path, dataclasses.replace(SMALL, **changes))


def test_a_policy_name_that_is_no_file_name_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="it names files"):
        run_benchmark(BENCHMARK, dataclasses.replace(RANDOM, name="ws://host:8000"), tmp_path, SMALL)


def test_each_seed_is_a_block_of_its_own():
    first, second = (
        {k.seed for k in BENCHMARK.episode_keys(dataclasses.replace(SMALL, episodes=1000, seed=s))} for s in (0, 1)
    )
    assert len(first) == len(second) == 1000
    assert not first & second


def test_the_cameras_named_without_the_simulator_are_those_of_the_simulator():
    assert tuple(CAMERAS) == CAMERA_NAMES
