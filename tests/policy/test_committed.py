"""Answers that continue committed actions, in one pass and as a stream, against an uncached forward pass."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from polymath.data.sequences.packing import collate
from polymath.errors import ConfigError, DataError
from polymath.model import decoder, polymath_v
from polymath.policy import Decoding, Policy
from polymath.policy.session import Turn
from polymath.training.run import Run

from .conftest import RECIPE, observation

ROBOT = replace(RECIPE.robot, committed=2)
STREAMING = replace(RECIPE, robot=ROBOT)
ONE_PASS = replace(RECIPE, robot=replace(ROBOT, committed=3), layout=replace(RECIPE.layout, window=1))


def commit(seed: int, count: int) -> np.ndarray:
    return np.random.default_rng(70 + seed).uniform(-1.5, 1.5, (count, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def weights(params: polymath_v.Params) -> polymath_v.Params:
    matrix = np.random.default_rng(3).normal(size=(5, 96)).astype(np.float32)
    return replace(params, committed=jnp.asarray(matrix))


@pytest.fixture(scope="module")
def policy(run: Run, weights: polymath_v.Params) -> Policy:
    return Policy(replace(run, recipe=STREAMING), weights, "streaming", batch=2)


@pytest.fixture(scope="module")
def one_pass(run: Run, weights: polymath_v.Params) -> Policy:
    return Policy(replace(run, recipe=ONE_PASS), weights, "one-pass", batch=2)


def test_one_pass(run: Run, weights: polymath_v.Params, one_pass: Policy) -> None:
    """Two rows of different numbers of committed actions, against a forward pass of each; the first D are exact."""
    transform, recipe = one_pass.transform, ONE_PASS
    forward = jax.jit(lambda batch: polymath_v.forward(weights, recipe.model, batch, recipe.execution).actions)
    sessions, given = [one_pass.open(), one_pass.open()], [commit(0, 1), commit(1, 3)]
    turns = [Turn(sessions[i], observation(i), committed=given[i]) for i in range(2)]
    chunks = one_pass.answer(turns)
    for i, chunk in enumerate(chunks):
        prompt = transform.prompt([observation(i)], committed=given[i])
        expected = transform.chunk(
            np.asarray(forward(collate([[prompt]], recipe.layout)))[0, 0], observation(i).state
        ).actions
        count = len(given[i])
        np.testing.assert_array_equal(chunk.actions[:count], given[i])
        np.testing.assert_allclose(chunk.actions[count:], expected[count:], atol=1e-5)
    free = one_pass.open().act(observation(0)).actions
    assert np.abs(free - chunks[0].actions)[1:].max() > 1e-3
    np.testing.assert_array_equal(
        one_pass.open().act(observation(0), committed=np.zeros((0, 3), np.float32)).actions, free
    )


def test_a_stream_remembers_what_was_committed_at_each_turn(weights: polymath_v.Params, policy: Policy) -> None:
    """Over a window that fills and starts anew, each turn against one pass over the whole prompt."""
    transform, recipe = policy.transform, STREAMING
    forward = jax.jit(lambda batch: polymath_v.forward(weights, recipe.model, batch, recipe.execution).actions)
    layout = replace(recipe.layout, max_images=4, max_control_steps=4)
    windows = [[0], [0, 1], [0, 1, 2], [0, 1, 2, 3], [2, 3, 4], [2, 3, 4, 5]]
    session = policy.open()
    counts, moved = [0, 2, 1, 2, 0, 1], [np.full((2, 3), 0.1 * n, np.float32) for n in range(6)]
    steps = [transform.observed(observation(n), commit(n, counts[n])) for n in range(6)]
    for turn, seeds in enumerate(windows):
        chunk = session.act(observation(turn), moved[turn - 1] if turn else None, commit(turn, counts[turn]))
        past = [transform.followed_by(steps[n], moved[n]) for n in seeds[:-1]]
        prompt = transform.prompt_of(transform.instruction_ids("press the button"), [*past, steps[turn]])
        expected = transform.chunk(
            np.asarray(forward(collate([[prompt]], layout)))[0, len(seeds) - 1], observation(turn).state
        ).actions
        np.testing.assert_array_equal(chunk.actions[: counts[turn]], commit(turn, counts[turn]))
        np.testing.assert_allclose(chunk.actions[counts[turn] :], expected[counts[turn] :], atol=1e-5)


def test_decoded_tokens_continue_the_committed_ones(run: Run, weights: polymath_v.Params) -> None:
    """Greedy decoding by full passes, the first two actions' tokens put in."""
    tokens = Policy(replace(run, recipe=ONE_PASS), weights, "tokens", Decoding("tokens"))
    transform, model, given = tokens.transform, ONE_PASS.model, commit(4, 2)
    batch = collate(
        [[transform.prompt([observation(4)], committed=given)]], replace(RECIPE.layout, max_control_steps=1)
    )
    block, first = run.tokenizer.control.actions, int(batch.segment_ids.sum())
    known = run.tokenizer.control.encode_actions(run.statistics.normalise_action(given, (2,))).ravel()
    forward = jax.jit(lambda b: polymath_v.forward(weights, model, b, ONE_PASS.execution).hidden)
    for number in range(12):
        place = first + number
        scores = decoder.logits(weights.decoder, model.decoder, forward(batch)[0, place - 1])[block.start : block.stop]
        chosen = known[number] if number < len(known) else block.start + int(jnp.argmax(scores))
        batch.tokens[0, place], batch.segment_ids[0, place], batch.positions[0, place] = chosen, 1, place
    ids = batch.tokens[0, first : first + 12]
    expected = transform.chunk(run.tokenizer.control.decode_actions(ids).reshape(4, 3), observation(4).state).actions
    chunk = tokens.open().act(observation(4), committed=given).actions
    np.testing.assert_array_equal(chunk[:2], given)
    np.testing.assert_allclose(chunk[2:], expected[2:], atol=1e-5)


@pytest.mark.parametrize(
    ("committed", "problem"),
    [
        (np.zeros((3, 3), np.float32), r"3 actions, but the training gave 2 at most \(robot.committed\)"),
        (np.zeros((1, 4), np.float32), r"float32 \[1, 4\]; give numbers, \[D, 3\]"),
        (np.zeros(3, np.float32), r"float32 \[3\]"),
        (np.full((1, 3), np.nan, np.float32), "NaN or infinity"),
        (np.array([["a", "b", "c"]]), "give numbers"),
    ],
)
def test_committed_actions_that_do_not_fit(policy: Policy, committed: np.ndarray, problem: str) -> None:
    session = policy.open()
    with pytest.raises(DataError, match=problem):
        session.act(observation(0), committed=committed)
    assert session.act(observation(0)).actions.shape == (4, 3)  # as if it had never been asked


def test_a_run_without_them_says_how_to_train_one(run: Run, params: polymath_v.Params) -> None:
    plain = Policy(run, params, "plain")
    with pytest.raises(ConfigError, match=r"trained without committed actions .* --set robot.committed=D"):
        plain.open().act(observation(0), committed=np.zeros((1, 3), np.float32))
