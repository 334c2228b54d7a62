"""Action by action: queues give out what an evaluation executes; sessions are told, and forget at new words."""

from collections.abc import Sequence

import numpy as np
import pytest

from polymath.errors import ConfigError, DataError, PolymathError
from polymath.policy import Policy
from polymath.policy.session import Turn, with_sessions
from polymath.policy.stepper import Stepper
from polymath.types import ActionChunk, Observation

from .conftest import observation


def seen(state: float, instruction: str = "go") -> Observation:
    image = np.zeros((4, 4, 3), np.uint8)
    return Observation({"top": image}, np.array([state], np.float32), instruction, "point")


class Counting:
    """Answers [state + 0.1, state + 0.2, state + 0.3] and keeps what it was told."""

    name = "counting"

    def __init__(self) -> None:
        self.told: list[list[tuple[float, list[float] | None]]] = []
        self.events: list[str] = []

    def open(self, episode=None):
        policy = self

        class Session:
            def reset(self) -> None:
                policy.events.append("reset")

            def close(self) -> None:
                policy.events.append("close")

        self.events.append("open")
        return Session()

    def answer(self, turns: Sequence[Turn]) -> list[ActionChunk]:
        self.told.append(
            [
                (float(turn.observation.state[0]), None if turn.executed is None else turn.executed[:, 0].tolist())
                for turn in turns
            ]
        )
        return [ActionChunk(turn.observation.state + np.array([[0.1], [0.2], [0.3]], np.float32)) for turn in turns]


def test_the_policy_is_asked_every_second_step_and_told_what_was_executed() -> None:
    policy = Counting()
    stepper = Stepper(policy, execute=2)
    actions = [stepper.actions([seen(10 * step)])[0, 0] for step in range(5)]
    np.testing.assert_allclose(actions, [0.1, 0.2, 20.1, 20.2, 40.1], rtol=1e-6)
    first, second, third = policy.told
    assert first == [(0.0, None)]
    assert second == [(20.0, pytest.approx([0.1, 0.2]))]
    assert third == [(40.0, pytest.approx([20.1, 20.2]))]


def test_other_words_drop_the_rest_of_the_chunk_and_the_history() -> None:
    """As `rollout._turn` does where the simulator names another part."""
    policy = Counting()
    stepper = Stepper(policy, execute=3)
    stepper.actions([seen(0, "open"), seen(1, "open")])
    stepper.actions([seen(2, "close"), seen(3, "open")])
    assert policy.told[1] == [(2.0, None)]  # the first row alone, anew
    assert policy.events == ["open", "open", "reset"]


def test_a_reset_opens_new_sessions_and_gives_the_old_ones_back() -> None:
    policy = Counting()
    stepper = Stepper(policy, execute=1)
    stepper.actions([seen(0)])
    stepper.reset()
    stepper.actions([seen(1), seen(2)])
    assert policy.events == ["open", "close", "open", "open"]
    assert policy.told[1] == [(1.0, None), (2.0, None)]


def test_what_does_not_fit_is_refused() -> None:
    for execute in (0, -1, 2.0, True):
        with pytest.raises(ConfigError, match="at least 1, actions of each chunk"):
            Stepper(Counting(), execute)  # type: ignore[arg-type]
    with pytest.raises(PolymathError, match=r"of shape \[3, 1\], but 4 actions are to be executed"):
        Stepper(Counting(), 4).actions([seen(0)])
    with pytest.raises(PolymathError, match="a NaN or infinite action"):
        Stepper(Counting(), 1).actions([seen(np.nan)])
    stepper = Stepper(Counting(), 1)
    with pytest.raises(DataError, match="observations: none"):
        stepper.actions([])
    stepper.actions([seen(0)])
    with pytest.raises(DataError, match="observations: 2, but the episodes under way are 1; call reset first"):
        stepper.actions([seen(0), seen(1)])


def test_a_policy_that_failed_is_asked_again_for_the_same_turn() -> None:
    policy, stepper = Counting(), Stepper(Counting(), 1)
    stepper.policy = policy
    working, policy.answer = policy.answer, lambda turns: []  # type: ignore[method-assign]
    with pytest.raises(PolymathError, match="0 action chunks for 1 turns"):
        stepper.actions([seen(0)])
    policy.answer = working  # type: ignore[method-assign]
    np.testing.assert_allclose(stepper.actions([seen(0)]), [[0.1]])
    assert policy.told == [[(0.0, None)]]


def test_actions_of_a_run_with_a_history_are_those_of_its_sessions(run, params) -> None:
    policy = Policy(run, params, "run", batch=2)
    stepper, sessions = Stepper(policy, execute=2), [policy.open(), policy.open()]
    executed: list[np.ndarray | None] = [None, None]
    for turn in range(3):
        shown = [observation(10 * turn + row) for row in range(2)]
        chunks = policy.answer([Turn(*each) for each in zip(sessions, shown, executed, strict=True)])
        for step in range(2):
            actions = stepper.actions(shown)
            np.testing.assert_array_equal(actions, [chunk.actions[step] for chunk in chunks])
        executed = [chunk.actions[:2] for chunk in chunks]


def test_chunks_are_whole_and_leave_the_rows_alone() -> None:
    stepper = Stepper(with_sessions(Counting()), execute=1)
    assert stepper.chunks([seen(0), seen(1)]).shape == (2, 3, 1)
    stepper.actions([seen(0)])
