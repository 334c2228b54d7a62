"""A stream against the uncached forward pass over the whole prompt of the same window."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from polymath.data.sequences.packing import collate
from polymath.errors import DataError
from polymath.model import polymath_v
from polymath.policy import StreamingPolicy
from polymath.policy.streaming import tail
from polymath.training.run import Run

from .conftest import observation


def uncached(run: Run, params: polymath_v.Params, seeds: list[int], executed: list[np.ndarray]) -> np.ndarray:
    document = run.transform.prompt([observation(seed) for seed in seeds], executed)
    batch = collate([[document]], replace(run.recipe.layout, max_images=4, max_control_steps=len(seeds)))
    forward = jax.jit(lambda p, b: polymath_v.forward(p, run.recipe.model, b, run.recipe.execution))
    return run.transform.chunk(np.asarray(forward(params, batch).actions)[0, -1]).actions


def test_every_step_equals_recomputing_its_window(run: Run, params: polymath_v.Params) -> None:
    """Ten steps with a window of four: full after four, then two old ones are kept beside the new one."""
    stream = StreamingPolicy(run, params, "test").start()
    actions = [np.random.default_rng(50 + i).uniform(-2, 2, (2, 3)).astype(np.float32) for i in range(10)]
    windows = [[0], [0, 1], [0, 1, 2], [0, 1, 2, 3], [2, 3, 4], [2, 3, 4, 5], [4, 5, 6], [4, 5, 6, 7], [6, 7, 8]]
    for step, seeds in enumerate(windows):
        chunk = stream.act(observation(step), actions[step - 1] if step else None)
        expected = uncached(run, params, seeds, [actions[i] for i in seeds[:-1]])
        np.testing.assert_allclose(chunk.actions, expected, atol=1e-5)


def test_history_matters_and_another_instruction_forgets_it(run: Run, params: polymath_v.Params) -> None:
    policy = StreamingPolicy(run, params, "test")
    alone = policy.start().act(observation(1)).actions
    stream, executed = policy.start(), np.zeros((2, 3), np.float32)
    stream.act(observation(0))
    after = stream.act(observation(1), executed).actions
    assert np.abs(after - alone).max() > 1e-3
    stream = policy.start()
    stream.act(observation(0, "open the door"))
    np.testing.assert_allclose(stream.act(observation(1), executed).actions, alone, atol=1e-6)


def test_a_refused_observation_leaves_the_stream_as_it_was(run: Run, params: polymath_v.Params) -> None:
    policy, executed = StreamingPolicy(run, params, "test"), np.zeros((2, 3), np.float32)
    stream, other = policy.start(), policy.start()
    with pytest.raises(DataError, match="no observation yet"):
        stream.act(observation(0), executed)
    for each in (stream, other):
        each.act(observation(0))
    with pytest.raises(DataError, match=r"executed actions: shape \(1, 3\)"):
        stream.act(observation(1), executed[:1])
    a, b = stream.act(observation(1), executed), other.act(observation(1), executed)
    np.testing.assert_array_equal(a.actions, b.actions)


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
