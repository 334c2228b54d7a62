"""What is kept of an instruction: its answers are those of the whole sequence, and it is computed once."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from polymath.data.sequences.packing import collate
from polymath.model import polymath_v
from polymath.policy import Policy, prefixes
from polymath.policy.one_pass import beginning, padded
from polymath.policy.prefixes import Prefixes
from polymath.training.run import Run

from .conftest import RECIPE, observation

ALONE = replace(RECIPE, layout=replace(RECIPE.layout, window=1))
TEXTS = ("go", "press the button", "now open the small door of the cupboard on the left and put the cup into it")


@pytest.fixture
def alone(run: Run, params: polymath_v.Params) -> Policy:
    return Policy(replace(run, recipe=ALONE), params, "alone")


def test_answers_are_those_of_one_forward_pass_over_the_whole_sequence(
    alone: Policy, run: Run, params: polymath_v.Params
) -> None:
    """Expected: `polymath_v.forward` over the padded prompt, without a cache; asked twice, new and kept."""
    forward = jax.jit(lambda b: polymath_v.forward(params, ALONE.model, b, ALONE.execution).actions[0, 0])
    layout = replace(ALONE.layout, max_images=1, max_control_steps=1)
    for text in (*TEXTS, *TEXTS):
        seen = observation(3, text)
        batch = collate([[alone.transform.prompt([seen])]], layout)
        expected = run.transform.chunk(np.asarray(forward(batch)), seen.state).actions
        np.testing.assert_allclose(alone.open().act(seen).actions, expected, atol=1e-5)


def test_an_answer_is_the_same_bits_with_a_new_and_a_kept_instruction(alone: Policy) -> None:
    seen = observation(1, TEXTS[1])
    first = alone.open().act(seen).actions
    np.testing.assert_array_equal(alone.open().act(seen).actions, first)


def test_an_instruction_is_computed_once(alone: Policy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Per text and weights; the padding of its length leaves no trace."""
    tokens = [alone.transform.prompt([observation(0, text)]).tokens for text in TEXTS]
    starts = [beginning(alone.transform.prompt([observation(0, text)])) for text in TEXTS]
    kept, computed = Prefixes(alone.run), []
    append = kept._append
    monkeypatch.setattr(kept, "_append", lambda *arguments: computed.append(1) or append(*arguments))
    first = [kept.of(alone.params, each[:start], 64) for each, start in zip(tokens, starts, strict=True)]
    again = [kept.of(alone.params, each[:start], 64) for each, start in zip(tokens, starts, strict=True)]
    assert len(computed) == len(TEXTS)
    assert all(one is other for one, other in zip(first, again, strict=True))
    for cache, start in zip(first, starts, strict=True):
        assert cache.lengths.tolist() == [start]
        assert not np.asarray(cache.key)[:, :, start:].any()
    other = jax.tree.map(lambda weight: weight * 1.5, alone.params)
    changed = kept.of(other, tokens[0][: starts[0]], 64)
    assert len(computed) == len(TEXTS) + 1
    assert not np.array_equal(changed.value, first[0].value)


def test_what_is_kept_is_bounded(alone: Policy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Room for two instructions of 32 tokens and none of 96: the older one goes, the long one is answered unkept."""
    tokens = np.arange(30, dtype=np.int32)
    size = prefixes._bytes(Prefixes(alone.run).of(alone.params, tokens, 32))
    monkeypatch.setattr(prefixes, "MOST_BYTES", 2 * size)
    kept = Prefixes(alone.run)
    one = kept.of(alone.params, tokens, 32)
    for number in range(1, 4):
        kept.of(alone.params, tokens + number, 32)
    assert kept.of(alone.params, tokens, 32) is not one
    assert kept.of(alone.params, tokens, 96).capacity == 96
    assert kept._kept.currsize <= 2 * size


def test_the_padded_beginning_never_leads_beyond_the_training(alone: Policy) -> None:
    """Tokens before the first picture in 32s, as long as what follows still fits into layout.length (96)."""
    prompt = alone.transform.prompt([observation(0, "go")])
    after = len(prompt.tokens) - beginning(prompt)
    assert padded(prompt, 1024) == (32, after)
    assert padded(prompt, 20 + after) == (20, after)
    assert padded(prompt, 3 + after) == (beginning(prompt), after)
