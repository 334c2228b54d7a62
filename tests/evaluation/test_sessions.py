"""Episodes as sessions: what the evaluator tells them, and trained runs with a history and with probes."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest

import polymath
from polymath import specs as weights
from polymath.data.robots.statistics import FieldStatistics, Statistics
from polymath.errors import ConfigError, PolymathError
from polymath.evaluation.benchmark import Benchmark
from polymath.evaluation.episode_log import read_episodes
from polymath.evaluation.find_candidate import find_candidate
from polymath.evaluation.rollout import EpisodeKey, run_episodes
from polymath.model import polymath_v
from polymath.policy import Decoding, Policy
from polymath.policy.session import Turn
from polymath.presets.demo import TINY
from polymath.tokenizer import ControlTokens, corpus
from polymath.tokenizer import train as train_tokenizer
from polymath.training.run import DataRecord, Run
from polymath.types import ActionChunk, Embodiment, Observation
from polymath.workers.pool import WorkerPool
from polymath.workers.process import WorkerCommand

POINT = Embodiment("point", 20, ("top",), ("x", "y"), ("dx", "dy"), (), 20.0)
KEYS = [EpisodeKey(task, "seen", seed) for task in ("a", "b") for seed in range(3)]
Workers = Callable[..., WorkerCommand]


class Noting:
    """A policy of sessions that notes for every episode what it was told; answers by a counter of the session."""

    name = "noting"

    def __init__(self) -> None:
        self.told: dict[EpisodeKey, list[np.ndarray | None]] = {}
        self.open_sessions: set[EpisodeKey] = set()
        self.most = 0

    def open(self, episode: EpisodeKey | None = None) -> "NotingSession":
        assert episode is not None
        self.told[episode] = []
        self.open_sessions.add(episode)
        self.most = max(self.most, len(self.open_sessions))
        return NotingSession(self, episode)

    def answer(self, turns: Sequence[Turn]) -> list[ActionChunk]:
        assert threading.current_thread() is threading.main_thread()
        return [turn.session.act(turn.observation, turn.executed) for turn in turns]


class NotingSession:
    def __init__(self, policy: Noting, key: EpisodeKey) -> None:
        self.policy, self.key = policy, key

    def act(self, observation: Observation, executed: np.ndarray | None = None) -> ActionChunk:
        told = self.policy.told[self.key]
        told.append(executed)
        return ActionChunk(np.full((4, 2), 0.001 * len(told), np.float32))

    def reset(self) -> None:
        raise AssertionError("the toy simulator has no parts")

    def close(self) -> None:
        self.policy.open_sessions.remove(self.key)


def run_keys(policy: object, command: WorkerCommand, workers: int, execute: int) -> dict[EpisodeKey, tuple]:
    results = {}
    with WorkerPool(command, workers) as pool:
        run_episodes(
            policy,  # type: ignore[arg-type]
            pool,
            KEYS,
            execute,
            lambda result, _: results.update({result.key: (result.success, result.steps)}),
        )
    return results


def test_sessions_are_opened_told_and_closed(point_worker: Workers) -> None:
    """Turn n + 1 is told the first two actions of answer n; no more sessions are open than simulators run."""
    policy = Noting()
    results = run_keys(policy, point_worker(3), 1, 2)
    assert policy.open_sessions == set()
    assert policy.most == 3
    for key, told in policy.told.items():
        assert told[0] is None
        assert len(told) == -(-results[key][1] // 2)
        for number, executed in enumerate(told[1:], start=1):
            np.testing.assert_array_equal(executed, np.full((2, 2), 0.001 * number, np.float32))


def test_sessions_are_closed_where_the_evaluation_ends_in_an_error(point_worker: Workers) -> None:
    class Failing(Noting):
        def answer(self, turns: Sequence[Turn]) -> list[ActionChunk]:
            answer = super().answer(turns)
            return answer[:-1] if any(len(told) > 3 for told in self.told.values()) else answer

    policy = Failing()
    with pytest.raises(PolymathError, match=r"policy noting: \d action chunks for \d turns; answer each of them"):
        run_keys(policy, point_worker(3), 1, 1)
    assert policy.open_sessions == set()


def field(width: int) -> FieldStatistics:
    low, zero, high = (-2.0,) * width, (0.0,) * width, (2.0,) * width
    return FieldStatistics(9, zero, (1.0,) * width, low, high, low, low, zero, high, high)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A robot of the toy simulator with a window of three observations, two actions apart; pictures of 64 pixels."""
    recipe = replace(TINY, layout=replace(TINY.layout, length=96, window=3, stride=2))
    tokenizer = train_tokenizer(corpus.shipped(), 2048, ControlTokens(512))
    statistics = Statistics(state=field(2), action=field(2))
    return Run(tmp_path_factory.mktemp("run"), recipe, tokenizer, POINT, statistics, DataRecord((), ()))


@pytest.fixture(scope="module")
def params(run: Run) -> polymath_v.Params:
    drawn = jax.jit(lambda key: weights.init(polymath_v.specs(run.recipe.model), key))(jax.random.key(0))
    rng = np.random.default_rng(1)
    return jax.tree.map(lambda w: w + 0.05 * rng.normal(size=w.shape).astype(np.float32), drawn)


class Recorded:
    """A run's policy, and every answer that an episode got."""

    def __init__(self, policy: Policy) -> None:
        self.policy, self.name = policy, policy.name
        self.keys: dict[int, EpisodeKey] = {}
        self.answers: dict[EpisodeKey, list[np.ndarray]] = {}

    def open(self, episode: EpisodeKey | None = None) -> object:
        session = self.policy.open(episode)
        assert episode is not None
        self.keys[id(session)], self.answers[episode] = episode, []
        return session

    def answer(self, turns: Sequence[Turn]) -> list[ActionChunk]:
        chunks = self.policy.answer(turns)
        for turn, chunk in zip(turns, chunks, strict=True):
            self.answers[self.keys[id(turn.session)]].append(chunk.actions)
        return chunks


def test_a_run_with_a_history_answers_the_same_bits_with_any_number_of_workers(
    run: Run, params: polymath_v.Params, point_worker: Workers
) -> None:
    """Every action of every episode: one simulator alone, and two workers of three; rows are given back and reused."""
    policy = Policy(run, params, "arm", Decoding("tokens", 0.5), batch=4)
    alone, beside = Recorded(policy), Recorded(policy)
    results = run_keys(alone, point_worker(1), 1, 2)
    assert run_keys(beside, point_worker(3), 2, 2) == results
    for key in KEYS:
        assert len(alone.answers[key]) == -(-results[key][1] // 2)
        np.testing.assert_array_equal(alone.answers[key], beside.answers[key])
    assert policy._streams is not None
    assert policy._streams.rows.ever_taken == 6


@pytest.fixture
def benchmark(point_worker: Workers) -> Benchmark:
    point_worker()  # puts the toy simulator on the path
    return Benchmark(
        name="point",
        embodiment=POINT,
        tasks=("a", "b"),
        splits={"seen": ("Seen", "")},
        seeds=range(1000, 3000),
        worker=lambda plan: WorkerCommand("point_worker", (str(plan.slots),), plan.python),
    )


def test_the_stride_of_a_history_is_that_of_the_evaluation(
    run: Run, params: polymath_v.Params, benchmark: Benchmark, tmp_path: Path
) -> None:
    """Left out, it is the run's (2, as the benchmark's here is too); another is refused before a worker starts."""
    loaded = Policy(run, params, "arm")
    (run.path / "checkpoints" / "robot").mkdir(parents=True, exist_ok=True)
    candidate = find_candidate(loaded, benchmark)
    assert (candidate.execute, candidate.decode) == (2, "head")
    message = r"trained with 2 actions between the observations .*\(layout.stride\), but execute is 3; choose"
    with pytest.raises(ConfigError, match=message):
        polymath.evaluate(benchmark, loaded, tmp_path, execute=3)
    assert list(tmp_path.iterdir()) == []


class Still:
    name = "still"

    def act(self, observations: Sequence[Observation]) -> list[ActionChunk]:
        self.shown = observations[0]
        return [ActionChunk(np.zeros((4, 2), np.float32))] * len(observations)


def test_probes_run_beside_the_policy_under_names_of_their_own(benchmark: Benchmark, tmp_path: Path) -> None:
    policy = Still()
    small = {"image_size": 16, "tasks": ["a"], "episodes": 1, "workers": 1, "slots": 1}
    rates = polymath.evaluate(benchmark, policy, tmp_path, probe=("blind", "deaf"), **small)
    assert rates["seen"].episodes == 1
    assert policy.shown.instruction == ""
    logs = {path.stem: read_episodes(path) for path in (tmp_path / "episodes").glob("*.jsonl")}
    assert sorted(logs) == ["still", "still-blind", "still-deaf"]
    assert {identity.policy for identity, _ in logs.values()} == set(logs)
    keys = [sorted(episodes) for _, episodes in logs.values()]
    assert keys[0] == keys[1] == keys[2]


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"probe": "blind"}, "probe is the text 'blind'; give a list"),
        ({"probe": ["mute"]}, "probe 'mute': choose from blind, deaf"),
        ({"decode": "tokens"}, "the policy is loaded already; choose it where the policy is made"),
        ({"decode": "beam"}, "decode 'beam': choose head or tokens"),
        ({"temperature": 0.5}, "the action head draws nothing; set decode to tokens"),
    ],
)
def test_choices_that_do_not_fit(benchmark: Benchmark, tmp_path: Path, choices: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        polymath.evaluate(benchmark, Still(), tmp_path, **choices)
    with pytest.raises(ConfigError, match="--decode tokens: policy random is no run directory"):
        find_candidate("random", benchmark, decoding=Decoding("tokens"))
    with pytest.raises(ConfigError, match="dtype: the policy is loaded already; choose it where"):
        find_candidate(Still(), benchmark, dtype="int8")
    with pytest.raises(ConfigError, match="key_file: the policy is loaded already"):
        find_candidate(Still(), benchmark, key_file=tmp_path / "key")


def test_a_policy_without_a_name(benchmark: Benchmark, tmp_path: Path) -> None:
    class Nameless:
        def act(self, observations: Sequence[Observation]) -> list[ActionChunk]:
            return []

    with pytest.raises(ConfigError, match="has no name; give it the attribute name"):
        polymath.evaluate(benchmark, Nameless(), tmp_path)  # type: ignore[arg-type]
    with pytest.raises(PolymathError, match="policy Nameless: 0 action chunks"):
        polymath.evaluate(benchmark, Nameless(), tmp_path, name="mine", image_size=16, workers=1)  # type: ignore[arg-type]
