"""Committed actions in the model: where they are added, what they can change, and what teaches nothing."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from polymath import specs as weights
from polymath.data.sequences.committed import drawn
from polymath.data.sequences.packing import collate
from polymath.data.sequences.sequence import ControlStep, pair, trajectory
from polymath.model import polymath_v
from polymath.model.execution import Execution
from polymath.planning.cost import forward_flops
from polymath.planning.count import count_by_part
from polymath.presets.demo import TINY
from polymath.tokenizer import ControlTokens
from polymath.training import losses
from polymath.training.ahead import abstract_batch
from polymath.types import Batch

PLAIN_MODEL = replace(
    TINY.model, decoder=replace(TINY.model.decoder, depth=2), vit=replace(TINY.model.vit, depth=1), localizer=0
)
MODEL = replace(PLAIN_MODEL, committed=True)
LAYOUT, PLAIN = replace(TINY.layout, length=96), Execution(remat="none")


@pytest.fixture(scope="module")
def params() -> polymath_v.Params:
    drawn_weights = jax.jit(lambda key: weights.init(polymath_v.specs(MODEL), key))(jax.random.key(0))
    rng = np.random.default_rng(1)
    return jax.tree.map(lambda w: w + 0.1 * rng.normal(size=w.shape).astype(np.float32), drawn_weights)


@pytest.fixture(scope="module")
def batch() -> Batch:
    """A pair and a window of which two of four actions are given, in one row."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (1, 64, 64, 3), dtype=np.uint8)
    actions = rng.uniform(-1, 1, (4, 4)).astype(np.float32)
    step = ControlStep(images, rng.normal(size=4).astype(np.float32), actions, np.ones(4, bool))
    window = trajectory(LAYOUT, ControlTokens(512), 3, [700, 701], [step])
    documents = (drawn(window, 3, np.random.default_rng(seed)) for seed in range(100))
    two = next(document for document in documents if document.actions[0, :, -1].sum() == 2)
    return collate([[drawn(pair(LAYOUT, ControlTokens(512), images[0], [600, 601]), 0, rng), two]], LAYOUT)


@jax.jit
def forward(params: polymath_v.Params, batch: Batch) -> polymath_v.Outputs:
    return polymath_v.forward(params, MODEL, batch, PLAIN)


def changed(batch: Batch, action: int, by: float = 0.3) -> Batch:
    actions = batch.actions.copy()
    actions[0, 0, action, :4] += by
    return batch._replace(actions=actions)


def test_given_actions_are_added_at_their_readouts_by_hand(params: polymath_v.Params, batch: Batch) -> None:
    """The first two <act> positions of the window hold their embedding and [a, 1] W besides."""
    latents = polymath_v.resampled(params, MODEL, batch.images)
    with_them = np.asarray(polymath_v.embed_with(params, MODEL, batch, latents))
    plain_params = replace(params, committed=None)
    without = np.asarray(polymath_v.embed_with(plain_params, PLAIN_MODEL, batch, latents))
    matrix = np.asarray(params.committed)
    expected = without.copy()
    for i in range(2):
        expected[0, batch.readout_positions[0, 0, i]] += np.append(batch.actions[0, 0, i, :4], 1.0) @ matrix
    np.testing.assert_allclose(with_them, expected, atol=1e-6)


def test_at_zero_the_model_is_the_one_without_them_bit_for_bit(params: polymath_v.Params, batch: Batch) -> None:
    at_start = replace(params, committed=jnp.zeros_like(params.committed))
    plain = batch._replace(actions=batch.actions[..., :4], action_mask=batch.action_mask[..., :4])
    theirs = jax.jit(lambda p, b: polymath_v.forward(p, PLAIN_MODEL, b, PLAIN))(replace(params, committed=None), plain)
    np.testing.assert_array_equal(forward(at_start, batch).actions, theirs.actions)


def test_a_given_action_changes_what_follows_and_an_open_one_nothing(params: polymath_v.Params, batch: Batch) -> None:
    before, given, free = (forward(params, each) for each in (batch, changed(batch, 1), changed(batch, 2)))
    np.testing.assert_array_equal(before.hidden, free.hidden)
    place = int(batch.readout_positions[0, 0, 1])
    np.testing.assert_allclose(before.hidden[0, :place], given.hidden[0, :place], atol=1e-6)
    assert np.abs(before.actions - given.actions)[0, 0, 2:].max() > 1e-3


def test_no_gradient_comes_from_what_is_given(params: polymath_v.Params, batch: Batch) -> None:
    """As targets the given actions teach nothing: neither head nor action tokens are corrected towards them."""

    def loss(predicted: jax.Array) -> jax.Array:
        return losses.action_error(predicted, batch.actions[..., :4], batch.action_mask[..., :4])

    slope = np.asarray(jax.grad(loss)(jnp.full(batch.actions[..., :4].shape, 3.0)))
    assert (slope[0, 0, :2] == 0).all()
    assert (slope[0, 0, 2:] != 0).all()

    @jax.jit
    def gradient(batch: Batch) -> polymath_v.Params:
        return jax.grad(lambda p: losses.objective(p, MODEL, losses.Config(), batch, PLAIN)[0])(at_start)

    at_start = replace(params, committed=jnp.zeros_like(params.committed))  # the only other way in is closed
    ours, theirs = gradient(batch), gradient(changed(batch, 1))
    for name, leaf in weights.named(replace(ours, committed=None)):
        np.testing.assert_array_equal(leaf, dict(weights.named(theirs))[name], err_msg=name)
    assert np.abs(ours.committed).max() > 0  # though it stands at zero, it learns


def test_it_is_counted(batch: Batch) -> None:
    more = {part: n - count_by_part(PLAIN_MODEL)[part] for part, n in count_by_part(MODEL).items()}
    assert {part: n for part, n in more.items() if n} == {"total": 5 * 96, "state": 5 * 96}
    flops = forward_flops(MODEL, LAYOUT)["action_head"] - forward_flops(PLAIN_MODEL, LAYOUT)["action_head"]
    assert flops == 2 * LAYOUT.max_control_steps * LAYOUT.chunk_length * 5 * 96
    shapes = jax.tree.map(lambda x: (x.shape, x.dtype), abstract_batch(LAYOUT, 1, committed=True))
    assert shapes == jax.tree.map(lambda x: (x.shape, x.dtype), batch)
