"""Errors computed by hand, a policy that knows the answers, histories, and the page."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polymath.data.robots.embodiments import WIDOWX_RAW
from polymath.errors import ConfigError, DataError, PolymathError
from polymath.evaluation.baselines import RandomPolicy
from polymath.evaluation.openloop import errors, measure
from polymath.evaluation.openloop.evaluate import evaluate
from polymath.evaluation.openloop.page import film_strip, write_page
from polymath.evaluation.openloop.probes import LEAST, mean_state, other_instructions, probe_all
from polymath.policy.session import SessionsLost, Turn
from polymath.types import ActionChunk, Observation

ROBOT = WIDOWX_RAW  # dx … dyaw [m, rad], gripper 0 closed 1 open; one camera
LENGTHS = (5, 9, 7)


class Episodes:
    """Three episodes; the state's first number is the step, its second one the episode."""

    name, embodiment = "three", ROBOT

    def __len__(self) -> int:
        return len(LENGTHS)

    def instruction(self, episode: int) -> str:
        return f"do {episode}"

    def task(self, episode: int) -> str:
        return "task"

    def states(self, episode: int) -> np.ndarray:
        states = np.zeros((LENGTHS[episode], 7), np.float32)
        states[:, 0], states[:, 1] = np.arange(LENGTHS[episode]), episode
        return states

    def actions(self, episode: int) -> np.ndarray:
        rng = np.random.default_rng(episode)
        actions = rng.normal(0, 0.02, (LENGTHS[episode], 7))
        actions[:, 6] = np.arange(LENGTHS[episode]) >= 3
        return actions.astype(np.float32)

    def frames(self, episode: int, steps: Sequence[int]) -> np.ndarray:
        return np.full((len(steps), 1, 4, 4, 3), episode, np.uint8)


class Knowing:
    """Answers with the recorded actions plus `offset`, in chunks of three; remembers what it was told."""

    name = "knowing"

    def __init__(self, offset: float = 0.0) -> None:
        self.offset = offset
        self.told: list[tuple[int, int, np.ndarray | None]] = []

    def open(self, episode=None):
        outer = self

        class Session:
            closed = False

            def act(self, observation, executed=None):
                return outer.answer([Turn(self, observation, executed)])[0]

            def reset(self) -> None: ...

            def close(self) -> None:
                self.closed = True

        return Session()

    def answer(self, turns: Sequence[Turn]) -> list[ActionChunk]:
        return [self._chunk(turn.observation, turn.executed) for turn in turns]

    def _chunk(self, observation: Observation, executed: np.ndarray | None) -> ActionChunk:
        step, episode = int(observation.state[0]), int(observation.state[1])
        assert int(observation.images["image_0"][0, 0, 0]) == episode
        self.told.append((episode, step, executed))
        padded = np.concatenate([Episodes().actions(episode), np.zeros((3, 7), np.float32)])
        return ActionChunk(padded[step : step + 3] + np.float32(self.offset))


def measured(policy, execute: int = 1, chosen: Sequence[int] = (0, 1, 2)) -> errors.OpenLoop:
    predicted = list(measure.predictions(policy, Episodes(), chosen, execute))
    return errors.summarise(predicted, ROBOT, policy.name, "", "three", execute)


def test_a_policy_that_knows_the_recordings_has_no_error() -> None:
    result = measured(Knowing())
    assert result.predictions == sum(LENGTHS)
    assert result.relative == 0
    assert all(each.mse == each.mae == 0 for each in result.dimensions)
    assert result.gripper[0].accuracy == 1
    assert result.gripper[0].changes == 3
    assert result.gripper[0].at_changes == 1
    # 3 of each episode's steps are closed: 9 of 21
    assert result.gripper[0].most_frequent == pytest.approx(12 / 21)


def test_a_policy_that_loses_its_sessions_is_asked_again(caplog) -> None:
    class Forgetful(Knowing):
        calls = 0

        def answer(self, turns: Sequence[Turn]) -> list[ActionChunk]:
            self.calls += 1
            if self.calls in (3, 6) or self.offset:
                raise SessionsLost("ws://lab: has left")
            return super().answer(turns)

    assert measured(Forgetful()) == measured(Knowing())
    assert "its 3 episodes under way begin again" in caplog.text
    with pytest.raises(SessionsLost):
        measured(Forgetful(offset=1.0))


def test_an_offset_is_the_error_in_the_robots_units() -> None:
    result = measured(Knowing(0.01))
    for each in result.dimensions:
        assert each.mae == pytest.approx(0.01, rel=1e-4)
        assert each.mse == pytest.approx(1e-4, rel=1e-3)
        assert each.by_step == pytest.approx([0.01] * 3, rel=1e-4)
    recorded = np.concatenate([Episodes().actions(i) for i in range(3)]).astype(np.float64)
    assert result.dimensions[0].relative == pytest.approx(1e-4 / recorded[:, 0].var(), rel=1e-3)
    assert result.relative == pytest.approx(np.mean([1e-4 / recorded[:, i].var() for i in range(6)]), rel=1e-3)


def test_a_session_is_told_the_recorded_actions_since_its_last_turn() -> None:
    policy = Knowing()
    measured(policy, execute=2, chosen=(1,))
    assert [step for _, step, _ in policy.told] == [0, 2, 4, 6, 8]
    assert policy.told[0][2] is None
    for _, step, executed in policy.told[1:]:
        np.testing.assert_array_equal(executed, Episodes().actions(1)[step - 2 : step])


def test_beyond_the_end_of_an_episode_nothing_counts() -> None:
    episode = errors.Predicted("e", "do", np.zeros((2, 7), np.float32), np.array([0, 1]), np.ones((2, 3, 7)))
    deviations = errors.deviations(episode, ROBOT)
    assert np.isnan(deviations[0, 2]).all()
    assert np.isnan(deviations[1, 1:]).all()
    assert (deviations[0, :2] == 1).all()
    result = errors.summarise([episode], ROBOT, "p", "", "d", 1)
    assert len(result.dimensions[0].by_step) == 2  # the third step of no chunk lies inside
    assert result.relative is None  # the recorded actions never change
    assert result.dimensions[0].relative is None


@given(st.floats(-7, 7), st.floats(-3, 3))
def test_angles_differ_the_short_way_round(predicted: float, recorded: float) -> None:
    actions, chunks = np.zeros((1, 7), np.float32), np.zeros((1, 1, 7))
    actions[0, 5], chunks[0, 0, 5] = recorded, predicted
    difference = errors.deviations(errors.Predicted("e", "", actions, np.array([0]), chunks), ROBOT)[0, 0, 5]
    assert abs(difference) <= np.pi + 1e-6
    assert np.cos(difference) == pytest.approx(np.cos(predicted - np.float32(recorded)), abs=1e-6)


def test_nothing_to_compare_with_is_an_error() -> None:
    with pytest.raises(DataError, match="no episode"):
        errors.summarise([], ROBOT, "p", "", "data", 1)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (np.zeros((3, 6)), "7 numbers"),
        (np.zeros((0, 7)), "7 numbers"),
        (np.full((3, 7), np.nan), "NaN"),
    ],
)
def test_other_answers_are_refused(answer: np.ndarray, words: str) -> None:
    class Wrong:
        name = "wrong"

        def act(self, observations: Sequence[Observation]) -> list[ActionChunk]:
            return [ActionChunk(answer)] * len(observations)

    with pytest.raises(PolymathError, match=words):
        list(measure.predictions(Wrong(), Episodes(), (0,)))


def test_a_step_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="execute 0"):
        list(measure.predictions(Knowing(), Episodes(), (0,), 0))


def test_the_page_shows_curves_and_escapes_names(tmp_path: Path) -> None:
    predicted = list(measure.predictions(Knowing(0.01), Episodes(), (0, 1)))
    result = errors.summarise(predicted, ROBOT, "<b>policy</b>", "", "three", 1)
    strips = [film_strip(Episodes(), 0)]
    write_page(result, predicted[:1], strips, ROBOT, tmp_path / "page.html", "polymath eval openloop --policy '<b>'")
    page = (tmp_path / "page.html").read_text()
    assert "<b>&#39;" not in page
    assert "polymath eval openloop" in page
    assert "<b>policy</b>" not in page
    assert page.count('class="curve"') == ROBOT.action_dim
    assert page.count("data:image/jpeg") == LENGTHS[0]  # fewer control steps than moments of the strip
    assert page.count('class="predicted"') == ROBOT.action_dim
    assert page.count('class="chunk"') == ROBOT.action_dim * LENGTHS[0]


def test_results_are_json(tmp_path: Path) -> None:
    from polymath import config

    json.dumps(config.to_dict(measured(Knowing(0.01))), allow_nan=False)


def test_the_key_of_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"--key-file: policy {tmp_path} is not served"):
        evaluate(tmp_path, "hdf5:nowhere", tmp_path / "out", key_file=tmp_path / "key")


def test_the_worst_episode_stands_first() -> None:
    class WorseInOne(Knowing):
        def _chunk(self, observation: Observation, executed: np.ndarray | None) -> ActionChunk:
            self.offset = 0.05 if observation.state[1] == 1 else 0.01
            return super()._chunk(observation, executed)

    result = measured(WorseInOne())
    assert [each.name for each in result.by_episode] == ["episode 1", "episode 0", "episode 2"]
    assert result.by_episode[0].mae == pytest.approx([0.05] * 7, rel=1e-3)
    # all errors of an episode are its offset, and the variances are the set's
    relative = [each.relative for each in result.by_episode]
    assert relative[0] / relative[1] == pytest.approx(25, rel=1e-3)


def test_a_gripper_is_known_by_its_name_where_the_robot_does_not_say() -> None:
    robot = replace(ROBOT, gripper_dims=(), conventions=None)
    predicted = list(measure.predictions(Knowing(), Episodes(), (0, 1, 2)))
    result = errors.summarise(predicted, robot, "p", "", "three", 1)
    assert [each.name for each in result.gripper] == ["gripper"]
    assert result.gripper[0].accuracy == 1  # recorded from 0 to 1, so decided at 0.5


class Using:
    """Adds to the recorded actions 0.02 for each sense in `senses` whose input is not the recorded one."""

    name = "using"

    def __init__(self, *senses: str) -> None:
        self.senses = senses

    def act(self, observations: Sequence[Observation]) -> list[ActionChunk]:
        return [self._chunk(each) for each in observations]

    def _chunk(self, seen: Observation) -> ActionChunk:
        known = next((i for i in range(3) if (Episodes().states(i) == seen.state).all(axis=1).any()), None)
        picture, words = int(seen.images["image_0"][0, 0, 0]) - 1, int(seen.instruction.removeprefix("do "))
        truth = {"eyes": picture, "ears": words, "own state": known}
        episode = next(v for v in truth.values() if v is not None and list(truth.values()).count(v) >= 2)
        wrong = sum(truth[sense] != episode for sense in self.senses)
        rng = np.random.default_rng(episode)
        return ActionChunk(rng.normal(0, 0.001, (3, 7)).astype(np.float32) + np.float32(0.05 * wrong))


class Counted(Episodes):
    """Pictures whose number is not 0, which black ones are."""

    def frames(self, episode: int, steps: Sequence[int]) -> np.ndarray:
        return np.full((len(steps), 1, 4, 4, 3), episode + 1, np.uint8)


@pytest.mark.parametrize("senses", [(), ("eyes",), ("ears",), ("own state",), ("eyes", "ears")])
def test_probes_tell_which_senses_a_policy_uses(senses: tuple[str, ...]) -> None:
    policy, episodes = Using(*senses), Counted()
    predicted = list(measure.predictions(policy, episodes, (0, 1, 2)))
    results = probe_all(policy, episodes, list(enumerate(predicted)), 1)
    assert [each.name for each in results] == ["instruction swapped", "pictures blanked", "state blanked"]
    for each in results:
        assert each.uses == (each.sense in senses), each
        assert each.probed - each.relative == pytest.approx(each.difference)


@pytest.mark.parametrize(("error", "uses"), [(0.001, False), (0.05, True)])
def test_a_difference_that_steers_nothing_is_no_use_of_a_sense(error: float, uses: bool) -> None:
    """A policy of a few steps answers a little less well to anything that changes, and does so each time."""

    class Knows(Knowing):
        def _chunk(self, seen: Observation, executed: np.ndarray | None) -> ActionChunk:
            step, episode = int(seen.state[0]), int(seen.state[1])
            padded = np.concatenate([Episodes().actions(episode), np.zeros((3, 7), np.float32)])
            black = not seen.images["image_0"].any()
            return ActionChunk(padded[step : step + 3] + np.float32(error * black))

    policy, episodes = Knows(), Counted()
    predicted = list(measure.predictions(policy, episodes, (0, 1, 2)))
    eyes = probe_all(policy, episodes, list(enumerate(predicted)), 1)[1]
    assert eyes.interval is not None
    assert eyes.interval[0] > 0
    assert (eyes.uses, eyes.difference >= LEAST) == (uses, uses)


def test_probes_take_what_another_episode_was_told_and_the_mean_state() -> None:
    assert other_instructions(Episodes()) == ["do 1", "do 2", "do 0"]
    np.testing.assert_allclose(mean_state(Episodes(), (0, 2))[:2], [(10 + 21) / 12, 14 / 12], rtol=1e-6)


def test_a_probe_without_another_instruction_is_left_out() -> None:
    class Alike(Counted):
        def instruction(self, episode: int) -> str:
            return "do 0"

    alone = list(measure.predictions(Knowing(), Episodes(), (0,)))
    results = probe_all(Knowing(), Episodes(), [(0, alone[0])], 1)
    assert all("two episodes" in each.skipped for each in results)
    policy = RandomPolicy(action_dim=7, chunk_length=3)
    predicted = list(measure.predictions(policy, Alike(), (0, 1)))
    results = probe_all(policy, Alike(), list(enumerate(predicted)), 1)
    assert results[0].skipped == "all episodes have the same instruction"
    assert results[1].interval is not None
