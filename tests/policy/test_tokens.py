"""Decoded control tokens against greedy decoding by full forward passes, one pass a token."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from polymath.data.sequences.packing import collate
from polymath.errors import DataError
from polymath.model import cache, decoder, polymath_v
from polymath.policy import Decoding, Policy
from polymath.policy.incremental import decode, observe
from polymath.policy.one_pass import bucket
from polymath.training.run import Run

from .conftest import observation

pytestmark = pytest.mark.filterwarnings("ignore:policy .* act answers each observation as the first")


def test_tokens_are_those_of_uncached_greedy_decoding(run: Run, params: polymath_v.Params) -> None:
    layout, model = replace(run.recipe.layout, max_images=1, max_control_steps=1), run.recipe.model
    batch = collate([[run.transform.prompt([observation(0)])]], layout)
    first, block = int(batch.segment_ids.sum()), run.tokenizer.control.actions
    forward = jax.jit(lambda b: polymath_v.forward(params, model, b, run.recipe.execution).hidden)
    expected = []
    for place in range(first, first + 12):
        scores = decoder.logits(params.decoder, model.decoder, forward(batch)[0, place - 1])[block.start : block.stop]
        expected.append(block.start + int(jnp.argmax(scores)))
        batch.tokens[0, place], batch.segment_ids[0, place], batch.positions[0, place] = expected[-1], 1, place
    chunk = Policy(run, params, "tokens", Decoding("tokens")).act([observation(0)])[0]
    normalised = run.tokenizer.control.decode_actions(np.array(expected)).reshape(4, 3)
    np.testing.assert_allclose(chunk.actions, run.transform.chunk(normalised, observation(0).state).actions, atol=1e-5)


def test_decoding_never_leaves_its_block(run: Run, params: polymath_v.Params) -> None:
    """Embeddings that make <eos> the likeliest token everywhere: it wins freely, but never within the block."""
    model, layout = run.recipe.model, replace(run.recipe.layout, max_images=1, max_control_steps=1)
    batch = collate([[run.transform.prompt([observation(seed)])] for seed in range(3)], layout)
    room = cache.empty(model.decoder, 3, layout.length)
    observed = jax.jit(lambda b, c: observe(params, model, b, c, run.recipe.execution))(batch, room)
    loud = params.decoder.embedding.at[2].set(100.0 * observed.last[0])
    decoders = replace(params.decoder, embedding=loud)
    assert int(jnp.argmax(decoder.logits(decoders, model.decoder, observed.last[0]))) == 2
    block = run.tokenizer.control.actions
    ids = jax.jit(lambda o: decode(decoders, model.decoder, o, block, 16))(observed)
    assert ids.shape == (3, 16)
    assert bool(((ids >= block.start) & (ids < block.stop)).all())


def test_answers_do_not_depend_on_the_group(run: Run, params: polymath_v.Params) -> None:
    """Three rows in one group of four, against each alone; instructions of different lengths make the rows ragged."""
    seen = [observation(0), observation(1, "now open the small door"), observation(2, "go")]
    for decoding in (Decoding(), Decoding("tokens")):
        policy = Policy(run, params, "test", decoding)
        together = policy.act(seen)
        for one, chunk in zip(seen, together, strict=True):
            assert chunk.actions.shape == (4, 3)
            np.testing.assert_allclose(policy.act([one])[0].actions, chunk.actions, atol=1e-5)


def test_an_instruction_that_leaves_no_room_is_refused(run: Run, params: polymath_v.Params) -> None:
    """96 tokens (layout.length): a prompt of 90 fits without its 12 action tokens, one of 99 not at all."""
    short = len(run.transform.prompt([observation(0, "a")]).tokens)
    long = observation(0, "a" + " a" * (90 - short))
    assert len(run.transform.prompt([long]).tokens) == 90
    assert Policy(run, params, "head").act([long])[0].actions.shape == (4, 3)
    with pytest.raises(
        DataError, match=r"the prompt has 90 tokens and the actions 12, .* 96 at most \(layout.length\)"
    ):
        Policy(run, params, "tokens", Decoding("tokens")).act([long])
    longer = observation(0, "a" + " a" * (99 - short))
    for policy in (Policy(run, params, "head").act, Policy(run, params, "tokens", Decoding("tokens")).act):
        with pytest.raises(DataError, match=r"the prompt has 99, but sequences of the training had 96 at most"):
            policy([longer])


def test_a_prompt_is_padded_to_its_own_length_not_the_layouts(run: Run, params: polymath_v.Params) -> None:
    """The answer is that of the whole row of the layout, at a fraction of its work."""
    assert [bucket(tokens, 1024) for tokens in (1, 32, 33)] == [32, 32, 64]
    assert [bucket(tokens, 96) for tokens in (90, 100)] == [96, 100]
    batch = collate([[run.transform.prompt([observation(0)])]], replace(run.recipe.layout, length=960, max_images=1))
    forward = jax.jit(lambda b: polymath_v.forward(params, run.recipe.model, b, run.recipe.execution).actions[0, 0])
    answer = Policy(run, params, "test").act([observation(0)])[0].actions
    np.testing.assert_allclose(
        answer, run.transform.chunk(np.asarray(forward(batch)), observation(0).state).actions, atol=1e-5
    )
