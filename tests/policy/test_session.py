"""The seam that all policies share, on policies without weights."""

from collections.abc import Sequence

import numpy as np
import pytest

from polymath.errors import ConfigError, DataError, PolymathError
from polymath.policy.session import BATCH, EpisodeKey, Stateless, Turn, name_of, with_sessions
from polymath.types import ActionChunk, Observation


def seen(number: int) -> Observation:
    return Observation({}, np.full(2, number, np.float32), "go", "point")


class Echo:
    """Answers with the state of the observation."""

    name = "echo"

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def act(self, observations: Sequence[Observation]) -> list[ActionChunk]:
        self.sizes.append(len(observations))
        return [ActionChunk(observation.state[None]) for observation in observations]


@pytest.mark.parametrize("count", [1, BATCH - 1, BATCH, BATCH + 1])
def test_an_object_that_only_acts_is_asked_in_batches_of_one_size(count: int) -> None:
    echo = Echo()
    policy = with_sessions(echo)
    sessions = [policy.open(EpisodeKey("a", "seen", seed)) for seed in range(count)]
    chunks = policy.answer([Turn(session, seen(number)) for number, session in enumerate(sessions)])
    assert [chunk.actions[0, 0] for chunk in chunks] == list(range(count))
    assert set(echo.sizes) == {BATCH}
    assert sum(echo.sizes) == -(-count // BATCH) * BATCH


def test_a_session_answers_as_the_policy_does() -> None:
    policy = with_sessions(Echo())
    session = policy.open()
    np.testing.assert_array_equal(session.act(seen(3)).actions, [[3, 3]])
    session.reset()
    np.testing.assert_array_equal(session.act(seen(4), np.zeros((1, 2), np.float32)).actions, [[4, 4]])


def test_a_policy_with_sessions_is_taken_as_it_is() -> None:
    policy = Stateless(Echo())
    assert with_sessions(policy) is policy
    assert policy.name == "echo"


def test_sessions_that_cannot_be_answered() -> None:
    policy, other = with_sessions(Echo()), with_sessions(Echo())
    session, closed = policy.open(), policy.open()
    closed.close()
    closed.close()
    with pytest.raises(DataError, match=r"turns\[1\].session: is closed"):
        policy.answer([Turn(session, seen(0)), Turn(closed, seen(0))])
    with pytest.raises(DataError, match="is closed"):
        closed.act(seen(0))
    with pytest.raises(DataError, match="opened by another policy than echo"):
        other.answer([Turn(session, seen(0))])
    with pytest.raises(DataError, match="stands in two"):
        policy.answer([Turn(session, seen(0)), Turn(session, seen(1))])
    assert policy.answer([]) == []


def test_what_is_no_policy() -> None:
    for wrong in (object(), Echo, None, "run"):
        with pytest.raises(ConfigError, match="without name and act"):
            with_sessions(wrong)

    class Silent(Echo):
        def act(self, observations: Sequence[Observation]) -> list[ActionChunk]:
            return []

    with pytest.raises(PolymathError, match=f"policy echo: 0 action chunks for {BATCH} observations"):
        with_sessions(Silent()).open().act(seen(0))


def test_a_policy_without_a_name_goes_by_its_class() -> None:
    class Nameless:
        def act(self, observations: Sequence[Observation]) -> list[ActionChunk]:
            return []

    assert name_of(Nameless()) == "Nameless"
    assert with_sessions(Nameless()).name == "Nameless"


def test_committed_actions_need_a_policy_that_continues_them() -> None:
    session = with_sessions(Echo()).open()
    with pytest.raises(ConfigError, match=r"turns\[0\].committed: policy echo does not continue committed actions"):
        session.act(seen(0), committed=np.zeros((1, 2), np.float32))
    np.testing.assert_array_equal(session.act(seen(3), committed=np.zeros((0, 2), np.float32)).actions, [[3, 3]])
