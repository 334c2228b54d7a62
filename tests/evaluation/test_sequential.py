"""Evaluations that stop when they are decided: the order that counts, what is kept, how often they are wrong."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import polymath
from polymath.errors import ConfigError, DataError
from polymath.evaluation.benchmark import Benchmark, Plan
from polymath.evaluation.episode_log import EpisodeLog, read_episodes
from polymath.evaluation.episode_result import EpisodeResult
from polymath.evaluation.find_candidate import of_object
from polymath.evaluation.harness import run_benchmark
from polymath.evaluation.identity import Identity
from polymath.evaluation.sequential import Opponent, Race, race, read_verdict, remaining, verdict_path
from polymath.policy.session import EpisodeKey
from polymath.workers.process import WorkerCommand

IDENTITY = Identity("point", "other", "", "drawn", 16, ("top",), 2, 30)
KEYS = [EpisodeKey("a", "seen", seed) for seed in range(60)]


def results(keys, solved):
    return {key: EpisodeResult(key, bool(s), 20, 1.0, "go") for key, s in zip(keys, solved, strict=True)}


def test_eight_to_nil_decides_and_what_comes_later_does_not_count():
    mine, other = results(KEYS, [True] * 60), results(KEYS, [False] * 60)
    course = Race(KEYS, other, 1, 0.05)
    logged = [each for key in KEYS for each in course.add(mine[key])]
    # 2^8/9 = 28.4 is above 20, 2^7/8 = 16 is not
    assert [result.key for result in logged] == KEYS[:8]
    verdict = course.verdict(IDENTITY)
    assert (verdict.decision, verdict.pairs, verdict.planned) == ("better", 8, 60)
    assert verdict.e_value == pytest.approx(256 / 9)
    assert verdict.difference[0] > 0
    assert verdict.mean[0] < 1 == verdict.mean[1]


def test_the_order_of_ending_does_not_matter():
    rng = np.random.Generator(np.random.PCG64(0))
    mine, other = results(KEYS, rng.random(60) < 0.9), results(KEYS, rng.random(60) < 0.3)
    verdicts, counted = [], []
    for order in (range(60), rng.permutation(60), sorted(range(60), key=lambda i: not mine[KEYS[i]].success)):
        course = Race(KEYS, other, 1, 0.05)
        for i in order:
            course.add(mine[KEYS[i]])
        verdicts.append(course.verdict(IDENTITY))
        counted.append([result.key for result in course.counted])
    assert verdicts[0].decision == "better"
    assert verdicts[0] == verdicts[1] == verdicts[2]
    assert counted[0] == counted[1] == counted[2]


def test_equal_on_the_whole_but_not_on_each_task_is_not_separated_more_often_than_alpha():
    rng = np.random.Generator(np.random.PCG64(1))
    tasks = [f"t{i}" for i in range(10)]
    keys = [EpisodeKey(task, "seen", seed) for task in tasks for seed in range(6)]
    better = {task: 0.6 if i < 5 else 0.0 for i, task in enumerate(tasks)}  # on five tasks a alone, on five b alone
    wrong = 0
    for seed in range(200):
        sides = rng.random((2, 60))
        mine = results(keys, [sides[0, i] < better[key.task] for i, key in enumerate(keys)])
        other = results(keys, [sides[1, i] < 0.6 - better[key.task] for i, key in enumerate(keys)])
        order = np.random.Generator(np.random.PCG64(seed)).permutation(60)
        course = Race([keys[i] for i in order], other, 1, 0.05)
        for result in mine.values():
            course.add(result)
        wrong += course.decided
    assert wrong / 200 <= 0.05


def test_average_lengths_are_separated_by_their_scores():
    def chains(scores):
        return {k: EpisodeResult(k, s == 5, 20, 1.0, "go", float(s)) for k, s in zip(KEYS, scores, strict=True)}

    course = Race(KEYS, chains([0] * 60), 5, 0.05)
    for result in chains([3] * 60).values():
        course.add(result)
    verdict = course.verdict(IDENTITY)
    assert verdict.decision == "better"  # though neither solved a whole chain
    assert 0 < verdict.difference[0] < 3 < verdict.difference[1] <= 5
    assert 0 <= verdict.mean[0] < 3 < verdict.mean[1] <= 5


def write(path, identity, solved, keys=KEYS):
    log = EpisodeLog(path, identity)
    for result in results(keys, solved).values():
        log.append(result)
    return path


def test_what_cannot_be_tested_is_said(tmp_path):
    log = write(tmp_path / "other.jsonl", IDENTITY, [True] * 60)
    with pytest.raises(ConfigError, match="one split; name it with --splits"):
        race(Opponent(log), IDENTITY, [*KEYS, EpisodeKey("a", "novel", 1)], 1, 0)
    with pytest.raises(ConfigError, match="ran none of these episodes"):
        race(Opponent(log), IDENTITY, [EpisodeKey("a", "seen", 1000)], 1, 0)
    with pytest.raises(ConfigError, match="renderer"):
        race(Opponent(log), replace(IDENTITY, renderer="egl"), KEYS, 1, 0)
    with pytest.raises(DataError, match="no such file"):
        race(Opponent(tmp_path / "gone.jsonl"), IDENTITY, KEYS, 1, 0)
    for alpha in (0, 1, -0.1, float("nan")):
        with pytest.raises(ConfigError, match="choose a level above 0"):
            Opponent(log, alpha)


def test_it_goes_on_where_it_was_in_an_order_that_the_seed_draws(tmp_path):
    log = write(tmp_path / "other.jsonl", IDENTITY, [False] * 60)
    mine = results(KEYS, [True] * 60)
    course, theirs = race(Opponent(log), IDENTITY, KEYS, 1, 3)
    assert theirs == IDENTITY
    assert course.keys != KEYS
    assert sorted(course.keys) == KEYS
    assert course.keys == race(Opponent(log), IDENTITY, KEYS, 1, 3)[0].keys
    left = remaining(course, [mine[key] for key in course.keys[:5]])
    assert left == course.keys[5:]
    assert remaining(course, mine.values()) == []


class Seeing:
    """Goes to the white pixel, one step of 0.1 per control step."""

    name = "seeing"

    def act(self, observations):
        return [self._chunk(observation) for observation in observations]

    def _chunk(self, observation):
        y, x = np.argwhere(observation.images["top"][..., 0])[0]
        step = ((np.array([x, y]) + 0.5) / 16 - observation.state) / 0.1
        actions = np.stack([step / max(1, abs(step).max())] * 2)
        return polymath.ActionChunk(actions.astype(np.float32))


def test_an_evaluation_stops_keeps_what_counts_and_can_be_completed(point_worker, tmp_path: Path):
    robot = polymath.Embodiment("point", 20, ("top",), ("x", "y"), ("dx", "dy"), (), 20.0)
    benchmark = Benchmark(
        name="point",
        embodiment=robot,
        tasks=("a", "b"),
        splits={"seen": ("Seen", "")},
        seeds=range(1000),
        seeds_per_block=100,
        image_size=16,
        worker=lambda plan: WorkerCommand("point_worker", (str(plan.slots), ""), plan.python),
    )
    plan = Plan(episodes=30, workers=1, slots=3)
    candidate = of_object(Seeing())
    run_benchmark(benchmark, candidate, tmp_path, replace(plan, episodes=1))
    identity, _ = read_episodes(tmp_path / "episodes" / "seeing.jsonl")
    (tmp_path / "episodes" / "seeing.jsonl").unlink()
    keys = benchmark.episode_keys(plan)
    other = write(tmp_path / "other.jsonl", replace(identity, policy="still"), [False] * 60, keys)

    entries = run_benchmark(benchmark, candidate, tmp_path, plan, opponent=Opponent(other))
    log = tmp_path / "episodes" / "seeing.jsonl"
    verdict = read_verdict(log)
    assert (verdict.decision, verdict.against, verdict.planned) == ("better", "still", 60)
    assert verdict.pairs == entries["seen"]["seeing"].episodes == len(read_episodes(log)[1]) < 20
    assert {key.task for key in read_episodes(log)[1]} == {"a", "b"}
    before = log.read_text()
    run_benchmark(benchmark, candidate, tmp_path, plan, opponent=Opponent(other))
    assert log.read_text() == before, "it was decided already"
    complete = run_benchmark(benchmark, candidate, tmp_path, replace(plan, episodes=12))
    assert complete["seen"]["seeing"].episodes == 24
    assert not verdict_path(log).exists()
