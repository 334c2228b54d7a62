"""The replay self-test on the real simulator: recordings pass, and what is wrong with actions or cameras is named."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from polymath import cli
from polymath.benchmarks.metaworld.benchmark import BENCHMARK
from polymath.benchmarks.metaworld.record import record
from polymath.data.formats.lerobot.reader import LeRobotEpisodes
from polymath.data.formats.lerobot.writer import LeRobotWriter
from polymath.data.formats.memory import MemoryEpisodes
from polymath.data.robots.statistics import Statistics, of_episodes
from polymath.errors import ConfigError, DataError
from polymath.evaluation.benchmark import Plan
from polymath.evaluation.replay import Replay, replay
from polymath.presets.demo import TINY
from polymath.tokenizer import ControlTokens, Tokenizer, corpus
from polymath.tokenizer import train as train_tokenizer
from polymath.training.run import DataRecord, Run
from polymath.types import Episode

PLAN = Plan(workers=1, slots=4)
TASKS = ("reach-left", "faucet-open", "button-press-topdown-left")


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of each task one episode without noise and one with."""
    out = tmp_path_factory.mktemp("recording") / "episodes"
    record(out, TASKS, 2, seed=0, workers=1, image_size=64, cameras=("front", "top"))
    return out


@pytest.fixture(scope="module")
def demonstrations(recording: Path) -> MemoryEpisodes:
    read = LeRobotEpisodes(recording)
    return MemoryEpisodes(read.embodiment, [read.episode(i) for i in range(len(read))], "recording")


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer(corpus.shipped(), 2048, ControlTokens(512))


def run_of(demonstrations: MemoryEpisodes, tokenizer: Tokenizer, statistics: Statistics | None = None) -> Run:
    """What a training on the demonstrations has: no weights are needed for a replay."""
    recipe = TINY
    statistics = statistics or of_episodes(demonstrations)
    return Run(Path("run"), recipe, tokenizer, demonstrations.embodiment, statistics, DataRecord((), ()))


def changed(demonstrations: MemoryEpisodes, change: Callable[[Episode], Episode]) -> MemoryEpisodes:
    return replace(demonstrations, episodes=[change(episode) for episode in demonstrations.episodes])


def with_actions(factors: tuple[float, ...]) -> Callable[[Episode], Episode]:
    return lambda episode: replace(episode, actions=episode.actions * np.array(factors, np.float32))


def with_pictures(change: Callable[[dict], dict]) -> Callable[[Episode], Episode]:
    return lambda episode: replace(episode, images=change(episode.images))


def check_passed(outcome: Replay, deviation: float) -> None:
    assert outcome.problems == ()
    assert (outcome.total.successes, outcome.total.episodes) == (3, 3)
    assert outcome.left_out == {"recorded with noise on the executed actions": 3}
    assert all(match.deviation <= deviation for match in outcome.states.values())
    assert all(match.difference == 0 for match in outcome.cameras.values())


def test_recorded_demonstrations_succeed_again_to_the_bit(demonstrations: MemoryEpisodes) -> None:
    outcome = replay(BENCHMARK, demonstrations, PLAN)
    check_passed(outcome, deviation=1e-5)
    assert set(outcome.cameras) == {"front", "top"}


@pytest.mark.parametrize("tokens", [False, True])
def test_they_succeed_through_the_transforms_of_a_run(demonstrations, tokenizer, tokens) -> None:
    check_passed(replay(BENCHMARK, demonstrations, PLAN, run_of(demonstrations, tokenizer), tokens), deviation=0.1)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (with_actions((1, 1, 1, -1)), "state gripper departs from the recording"),
        (with_actions((2, 2, 2, 1)), "state z departs .* times as far; check the action's scale"),
        (
            with_pictures(lambda images: {"front": images["top"], "top": images["front"]}),
            "camera front shows what top showed in the recording",
        ),
        (
            with_pictures(lambda images: {name: image[:, ::-1] for name, image in images.items()}),
            "check the camera, its crop and whether it is upside down",
        ),
    ],
    ids=["flipped gripper", "doubled delta", "swapped cameras", "upside down"],
)
def test_what_is_wrong_is_named(demonstrations: MemoryEpisodes, change, problem: str) -> None:
    outcome = replay(BENCHMARK, changed(demonstrations, change), PLAN)
    assert not outcome.passed
    assert any(re.search(problem, each) for each in outcome.problems), outcome.problems


def test_statistics_that_cut_actions_off_are_found(demonstrations: MemoryEpisodes, tokenizer: Tokenizer) -> None:
    """A run whose statistics are of tamer demonstrations clips what it normalises."""
    tame = of_episodes(changed(demonstrations, with_actions((0.3, 0.3, 0.3, 1))))
    outcome = replay(BENCHMARK, demonstrations, PLAN, run_of(demonstrations, tokenizer, tame))
    assert any("departs from the recording" in problem for problem in outcome.problems), outcome.problems


def test_the_command_says_so_with_its_exit_status(recording: Path, demonstrations, tmp_path: Path, capsys) -> None:
    words = ["eval", "metaworld", "--workers", "1", "--tasks", "reach-left", "--replay"]
    assert cli.main([*words, str(recording)]) == 0
    printed = capsys.readouterr().out
    assert "replay: 1 of 1 succeed; the actions mean what they meant" in printed
    assert "3 left out: recorded with noise on the executed actions" in printed
    mirrored = tmp_path / "mirrored"
    episode = with_actions((-1, -1, 1, 1))(demonstrations.episodes[0])
    with LeRobotWriter(mirrored, demonstrations.embodiment, 20, 64) as writer:
        writer.add(episode)
    assert cli.main([*words, str(mirrored), "--json"]) == 1
    caught = capsys.readouterr()
    assert "polymath: replay: 0 of 1 replayed demonstrations succeed" in caught.err
    assert json.loads(caught.out)["passed"] is False


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"action_noise": 0.1}, DataError, "no demonstration can be replayed .6 recorded with noise"),
        ({"seed": None}, DataError, "6 without seed or start state"),
        ({"seed": "7"}, DataError, "split 'train' and seed '7' are no name and whole number"),
        ({"initial": "[0.1, nowhere]"}, DataError, "the start state `initial` is no list of numbers"),
        ({"initial": [[1.0]]}, DataError, r"`initial` of shape \[1, 1\]"),
        ({"renderer": "mujoco-3.3.0/egl"}, ConfigError, "was recorded with renderer 'mujoco-3.3.0/egl'"),
    ],
)
def test_recordings_that_cannot_be_replayed(demonstrations: MemoryEpisodes, change: dict, error, message: str) -> None:
    def noted(episode: Episode) -> Episode:
        metadata = {key: value for key, value in (episode.metadata | change).items() if value is not None}
        return replace(episode, metadata=metadata)

    with pytest.raises(error, match=message):
        replay(BENCHMARK, changed(demonstrations, noted), PLAN)


def test_a_robot_of_another_convention_and_unknown_tasks(demonstrations: MemoryEpisodes) -> None:
    other = replace(demonstrations, embodiment=replace(demonstrations.embodiment, action_space="joint angles"))
    with pytest.raises(ConfigError, match="action_space of robot sawyer-metaworld is 'joint angles', but benchmark"):
        replay(BENCHMARK, other, PLAN)
    renamed = changed(demonstrations, lambda episode: replace(episode, task="juggle"))
    with pytest.raises(DataError, match="task 'juggle' is none of benchmark metaworld"):
        replay(BENCHMARK, renamed, PLAN)
    with pytest.raises(ConfigError, match="task 'juggle': no such task of benchmark metaworld"):
        replay(BENCHMARK, demonstrations, replace(PLAN, tasks=("juggle",)))
    with pytest.raises(DataError, match="3 of other tasks or splits, 3 recorded with noise"):
        replay(BENCHMARK, demonstrations, replace(PLAN, tasks=("reach-right",)))
