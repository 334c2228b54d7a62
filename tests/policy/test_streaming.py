"""Sessions of a run with a history against the uncached forward pass over the whole prompt of the same window."""

import gc
from collections.abc import Callable, Sequence
from dataclasses import replace

import jax
import numpy as np
import pytest

from polymath.data.sequences.packing import collate
from polymath.errors import DataError, PolymathError
from polymath.model import polymath_v
from polymath.policy import Decoding, Policy
from polymath.policy.cache_rows import Rows
from polymath.policy.history import tail
from polymath.policy.session import EpisodeKey, Session, Turn
from polymath.training.run import Run
from polymath.types import ActionChunk

from .conftest import observation

WINDOWS = [[0], [0, 1], [0, 1, 2], [0, 1, 2, 3], [2, 3, 4], [2, 3, 4, 5], [4, 5, 6], [4, 5, 6, 7], [6, 7, 8]]
"""A window of four: full after four, then two old ones are kept beside the new one."""


def moved(seed: int) -> np.ndarray:
    """The two actions (layout.stride) executed after observation `seed`."""
    return np.random.default_rng(50 + seed).uniform(-2, 2, (2, 3)).astype(np.float32)


Uncached = Callable[[Sequence[int]], np.ndarray]


@pytest.fixture(scope="module")
def uncached(run: Run, params: polymath_v.Params) -> Uncached:
    """The answer after these observations, by one forward pass over all of them."""
    forward = jax.jit(lambda batch: polymath_v.forward(params, run.recipe.model, batch, run.recipe.execution).actions)

    def answer(seeds: Sequence[int]) -> np.ndarray:
        document = run.transform.prompt([observation(seed) for seed in seeds], [moved(seed) for seed in seeds[:-1]])
        batch = collate([[document]], replace(run.recipe.layout, max_images=4, max_control_steps=4))
        return run.transform.chunk(np.asarray(forward(batch))[0, len(seeds) - 1], observation(seeds[-1]).state).actions

    return answer


def turn(session: Session, step: int, offset: int = 0, instruction: str = "press the button") -> Turn:
    """Turn number `step` of an episode whose observations are number `offset`, `offset` + 1, …"""
    return Turn(session, observation(offset + step, instruction), moved(offset + step - 1) if step else None)


@pytest.fixture(scope="module")
def policy(run: Run, params: polymath_v.Params) -> Policy:
    return Policy(run, params, "test")


@pytest.fixture(scope="module")
def batched(run: Run, params: polymath_v.Params) -> Policy:
    return Policy(run, params, "test", batch=4)


@pytest.fixture(scope="module")
def drawing(run: Run, params: polymath_v.Params) -> Policy:
    return Policy(run, params, "test", Decoding("tokens", 1.0), batch=4)


def test_every_step_equals_recomputing_its_window(policy: Policy, uncached: Uncached) -> None:
    session = policy.open()
    for step, seeds in enumerate(WINDOWS):
        chunk = session.act(observation(step), moved(step - 1) if step else None)
        np.testing.assert_allclose(chunk.actions, uncached(seeds), atol=1e-5)


def test_sessions_that_began_at_different_times_are_rows_of_one_batch(batched: Policy, uncached: Uncached) -> None:
    """Six sessions (more than the four rows of a pass) at six places of their windows, each equal to recomputing."""
    sessions = [batched.open() for _ in range(6)]
    begun = [0, 1, 2, 3, 4, 7]
    for time in range(9):
        active = [i for i in range(6) if time >= begun[i]]
        turns = [turn(sessions[i], time - begun[i]) for i in active]
        for i, chunk in zip(active, batched.answer(turns), strict=True):
            np.testing.assert_allclose(chunk.actions, uncached(WINDOWS[time - begun[i]]), atol=1e-5)
    for session in sessions:
        session.close()


def played(policy: Policy, together: int, steps: int = 7) -> list[list[np.ndarray]]:
    """Five episodes of different instructions, `together` of them at a time, in rows that others had before."""
    texts = ["press the button", "now open the small door", "go", "press the button", "reach"]
    answers: list[list[np.ndarray]] = [[] for _ in texts]
    for first in range(0, len(texts), together):
        members = range(first, min(first + together, len(texts)))
        sessions = {i: policy.open(EpisodeKey("task", "seen", i)) for i in members}
        for step in range(steps):
            turns = [turn(sessions[i], step, offset=100 * i, instruction=texts[i]) for i in members]
            for i, chunk in zip(members, policy.answer(turns), strict=True):
                answers[i].append(chunk.actions)
        for session in sessions.values():
            session.close()
    return answers


@pytest.mark.parametrize("name", ["batched", "drawing"])
def test_answers_are_the_same_bits_whatever_else_is_in_the_batch(name: str, batched: Policy, drawing: Policy) -> None:
    """Alone, two or three at a time, all at once: every pass has four rows."""
    runs = [played({"batched": batched, "drawing": drawing}[name], together) for together in (1, 2, 3, 5)]
    for other in runs[1:]:
        np.testing.assert_array_equal(other, runs[0])


def test_history_matters_and_another_instruction_or_a_reset_forgets_it(policy: Policy) -> None:
    alone = policy.open().act(observation(1)).actions
    session, executed = policy.open(), np.zeros((2, 3), np.float32)
    session.act(observation(0))
    after = session.act(observation(1), executed).actions
    assert np.abs(after - alone).max() > 1e-3
    session = policy.open()
    session.act(observation(0, "open the door"))
    np.testing.assert_allclose(session.act(observation(1), executed).actions, alone, atol=1e-6)
    session.reset()
    np.testing.assert_allclose(session.act(observation(1)).actions, alone, atol=1e-6)


WRONG = [
    (np.zeros((1, 3), np.float32), r"executed actions: shape \(1, 3\)"),
    (np.zeros((3, 3), np.float32), r"shape \(3, 3\), expected \(2, 3\): layout.stride actions"),
    (np.zeros((2, 4), np.float32), r"shape \(2, 4\)"),
    (np.zeros(3, np.float32), r"shape \(3,\)"),
    (np.full((2, 3), np.nan, np.float32), "NaN or infinity"),
    (None, r"executed: missing; pass on the 2 actions \(layout.stride\)"),
]


@pytest.mark.parametrize(("executed", "message"), WRONG)
def test_a_refused_turn_leaves_all_sessions_of_its_batch_as_they_were(
    batched: Policy, executed: np.ndarray | None, message: str
) -> None:
    first, second, other = batched.open(), batched.open(), batched.open()
    for session in (first, second, other):
        session.act(observation(0))
    with pytest.raises(DataError, match=message):
        batched.answer([turn(first, 1), Turn(second, observation(1), executed)])
    blind = replace(observation(1), images={})
    with pytest.raises(DataError, match="no camera 'front'"):
        batched.answer([turn(first, 1), Turn(second, blind, moved(0))])
    expected = batched.answer([turn(other, 1)])[0].actions
    for chunk in batched.answer([turn(first, 1), turn(second, 1)]):
        np.testing.assert_array_equal(chunk.actions, expected)


def test_actions_before_the_first_observation(policy: Policy) -> None:
    session = policy.open()
    with pytest.raises(DataError, match="no observation yet"):
        session.act(observation(0), moved(0))
    session.act(observation(0))
    session.reset()
    with pytest.raises(DataError, match="no observation yet"):
        session.act(observation(1), moved(0))


def test_closed_and_foreign_sessions(run: Run, params: polymath_v.Params, policy: Policy) -> None:
    session = policy.open()
    session.act(observation(0))
    session.close()
    session.close()
    with pytest.raises(DataError, match="is closed"):
        session.act(observation(1), moved(0))
    with pytest.raises(DataError, match="opened by another policy"):
        Policy(run, params, "other").answer([Turn(policy.open(), observation(0))])


def test_rows_come_back_from_closed_and_from_forgotten_sessions(run: Run, params: polymath_v.Params) -> None:
    policy = Policy(run, params, "test", batch=2)
    for _ in range(3):  # eight sessions at a time, never more rows than eight
        sessions = [policy.open() for _ in range(8)]
        policy.answer([turn(session, 0) for session in sessions])
        for session in sessions[:4]:
            session.close()
        del sessions, session
        gc.collect()
    assert policy._streams is not None
    assert policy._streams.rows.ever_taken == 8
    assert policy._streams._memory is not None
    assert policy._streams._memory.rows == 8


def test_more_sessions_than_rows() -> None:
    rows = Rows(most=2)
    assert [rows.take(), rows.take()] == [0, 1]
    with pytest.raises(PolymathError, match="2 sessions are open; close those"):
        rows.take()
    rows.give_back(0)
    assert rows.take() == 0


def test_the_memory_grows_under_sessions_that_go_on(run: Run, params: polymath_v.Params) -> None:
    """1, 2, 4, then 8 rows, against a policy whose memory had all of them from the beginning."""
    growing, policy = Policy(run, params, "test"), Policy(run, params, "test")
    opened = [policy.open() for _ in range(5)]
    opened[0].close()
    first = growing.open()
    expected = policy.open()
    chunks: list[tuple[ActionChunk, ActionChunk]] = []
    others = []
    for step in range(5):
        chunks.append((growing.answer([turn(first, step)])[0], policy.answer([turn(expected, step)])[0]))
        others.append(growing.open())
        growing.answer([turn(others[-1], 0, offset=7)])
    for ours, theirs in chunks:
        np.testing.assert_array_equal(ours.actions, theirs.actions)


def test_two_sessions_of_one_episode_are_apart(drawing: Policy) -> None:
    """They draw alike and share nothing: the one that has seen less answers as it would alone."""
    key = EpisodeKey("a", "seen", 1)
    first, second = drawing.open(key), drawing.open(key)
    expected = [first.act(observation(0)).actions, first.act(observation(1), moved(0)).actions]
    np.testing.assert_array_equal(second.act(observation(0)).actions, expected[0])
    np.testing.assert_array_equal(second.act(observation(1), moved(0)).actions, expected[1])


def test_an_instruction_too_long_for_a_whole_window_is_refused_at_once(policy: Policy) -> None:
    """Beside the instruction stand 2 + 4 * (8 + 1 + 4) + 3 * 2 * 3 = 72 tokens, so 24 fit into 96 and 25 do not."""
    policy.open().act(observation(0, "a" + " a" * 23))
    with pytest.raises(DataError, match="25 tokens the prompt of 4 observations has 97, and the answer 0 more"):
        policy.open().act(observation(0, "a" + " a" * 24))


def test_acting_without_sessions_says_that_the_history_is_missing(policy: Policy) -> None:
    with pytest.warns(UserWarning, match=r"up to 3 before it \(layout.window\); open a session"):
        [chunk] = policy.act([observation(0)])
    np.testing.assert_allclose(chunk.actions, policy.open().act(observation(0)).actions, atol=1e-5)


def test_a_tail_continues_where_the_shorter_prompt_ended(run: Run) -> None:
    """The prompt of two observations begins with the prompt of the first: what a cache relies on."""
    executed = [np.zeros((2, 3), np.float32)]
    short = run.transform.prompt([observation(0)])
    long = run.transform.prompt([observation(0), observation(1)], executed)
    start = len(short.tokens)
    np.testing.assert_array_equal(long.tokens[:start], short.tokens)
    rest = tail(long, start)
    assert len(rest.tokens) == 2 * 3 + run.recipe.layout.latents_per_image + 1 + 4  # executed, picture, state, readouts
    np.testing.assert_array_equal(rest.images, [observation(1).images["front"]])
    assert rest.readout_positions.tolist() == [list(range(len(rest.tokens) - 4, len(rest.tokens)))]
