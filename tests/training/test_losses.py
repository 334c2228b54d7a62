"""The objective against closed forms: the plain cross-entropy over all logits, and a mean by hand."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from polymath import specs as weights
from polymath.data.sequences.packing import collate
from polymath.data.sequences.sequence import ControlStep, trajectory
from polymath.model import decoder
from polymath.presets.demo import TINY
from polymath.tokenizer import ControlTokens
from polymath.training import losses
from polymath.training.cross_entropy import tiled_cross_entropy


def decoder_params() -> decoder.Params:
    return weights.init(decoder.specs(TINY.model.decoder), jax.random.key(0))


def plain_cross_entropy(params: decoder.Params, hidden: jax.Array, targets: jax.Array, w: jax.Array) -> jax.Array:
    """-log softmax of the whole [B, S, V] logits, the textbook formula."""
    log_p = jax.nn.log_softmax(decoder.logits(params, TINY.model.decoder, hidden), axis=-1)
    return -jnp.sum(w * jnp.take_along_axis(log_p, targets[..., None], axis=-1)[..., 0])


@pytest.mark.parametrize("tile", [7, 32, 1000])
def test_tiled_cross_entropy_equals_the_plain_one_in_value_and_gradient(tile: int) -> None:
    params, rng = decoder_params(), np.random.default_rng(0)
    hidden = jnp.asarray(rng.normal(size=(3, 15, TINY.model.decoder.width)), jnp.float32)
    targets = jnp.asarray(rng.integers(0, TINY.model.decoder.vocabulary, (3, 15)))
    w = jnp.asarray(rng.uniform(0, 1, (3, 15)), jnp.float32)

    def tiled(params: decoder.Params, hidden: jax.Array) -> jax.Array:
        return tiled_cross_entropy(params.embedding, hidden, targets, w, tile)[0]

    def plain(params: decoder.Params, hidden: jax.Array) -> jax.Array:
        return plain_cross_entropy(params, hidden, targets, w)

    np.testing.assert_allclose(tiled(params, hidden), plain(params, hidden), rtol=1e-5)
    ours, theirs = (jax.grad(f, argnums=(0, 1))(params, hidden) for f in (tiled, plain))
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5, rtol=1e-5)


def test_tiles_without_weight_are_passed_over_and_change_nothing() -> None:
    """A row of pointing has no token loss: its logits are never computed."""
    params, rng = decoder_params(), np.random.default_rng(1)
    hidden = jnp.asarray(rng.normal(size=(4, 8, TINY.model.decoder.width)), jnp.float32)
    targets = jnp.asarray(rng.integers(0, TINY.model.decoder.vocabulary, (4, 8)))
    w = jnp.zeros((4, 8)).at[2, 3:].set(0.5)

    def of_rows(*rows: int) -> Any:
        at = jnp.asarray(rows)
        return jax.value_and_grad(lambda m, h: tiled_cross_entropy(m, h[at], targets[at], w[at], 8)[0], argnums=(0, 1))

    every, one = (of_rows(*rows)(params.embedding, hidden) for rows in ((0, 1, 2, 3), (2,)))
    jax.tree.map(np.testing.assert_array_equal, every, one)

    nothing_finite = jnp.where(w > 0, 0.0, jnp.inf)[..., None] + hidden  # would give NaN if it were looked at
    value, _ = tiled_cross_entropy(params.embedding, nothing_finite, targets, w, 8)
    assert np.isnan(value)  # row 2 has three tokens without weight beside its others
    value, _ = tiled_cross_entropy(params.embedding, nothing_finite.at[2].set(hidden[2]), targets, w, 8)
    np.testing.assert_array_equal(value, one[0])


def compiled_bytes(vocabulary: int, tokens: int, tile: int, width: int = 64) -> int:
    """Temporaries of the loss and both of its gradients, by XLA's own analysis of the program for a CPU."""
    matrix, hidden = (jax.ShapeDtypeStruct(shape, jnp.float32) for shape in ((vocabulary, width), (1, tokens, width)))
    targets, w = (jax.ShapeDtypeStruct((1, tokens), dtype) for dtype in (jnp.int32, jnp.float32))
    loss = jax.value_and_grad(lambda m, h, t, w: tiled_cross_entropy(m, h, t, w, tile)[0], argnums=(0, 1))
    stats: Any = jax.jit(loss).lower(matrix, hidden, targets, w).compile().memory_analysis()
    return int(stats.temp_size_in_bytes)


def test_memory_beyond_one_tile_does_not_depend_on_the_vocabulary() -> None:
    """A tile is its float32 logits and their gradient: 8 bytes for each of its tokens and entries."""
    tile, small, large = 128, 8_192, 65_536
    sizes = {v: compiled_bytes(v, 2_048, tile) for v in (small, large)}
    assert sizes[large] - sizes[small] <= 8 * tile * (large - small)
    beyond = {v: size - 8 * tile * v for v, size in sizes.items()}
    assert abs(beyond[large] - beyond[small]) < 4 * tile * 64  # one tile's hidden states
    assert sizes[large] < 2_048 * large * 4 / 4  # the plain logits of these tokens are four times as large


def test_memory_beyond_one_tile_does_not_depend_on_the_tokens() -> None:
    """But for the gradient of the hidden states, which is the result."""
    assert compiled_bytes(32_768, 4_096, 128) - compiled_bytes(32_768, 1_024, 128) <= 3_072 * 64 * 4


def test_z_loss_is_the_square_of_the_log_partition_function() -> None:
    params = decoder_params()
    hidden = jnp.zeros((1, 4, TINY.model.decoder.width))  # all logits 0: log Z = log V
    value, total = tiled_cross_entropy(params.embedding, hidden, jnp.zeros((1, 4), int), jnp.ones((1, 4)), 4, 0.5)
    np.testing.assert_allclose(value, total.cross_entropy + 0.5 * total.z_loss, rtol=1e-6)
    np.testing.assert_allclose(total.z_loss / total.weight, np.log(TINY.model.decoder.vocabulary) ** 2, rtol=1e-6)
    np.testing.assert_allclose(total.cross_entropy / total.weight, np.log(TINY.model.decoder.vocabulary), rtol=1e-6)


def test_action_error_counts_only_the_dimensions_that_exist() -> None:
    predicted, target = jnp.zeros((1, 2, 1, 3)), jnp.asarray([[[[1.0, 2.0, 9.0]], [[9.0, 9.0, 9.0]]]])
    mask = jnp.asarray([[[[True, True, False]], [[False, False, False]]]])
    np.testing.assert_allclose(losses.action_error(predicted, target, mask), 1.0 + 4.0)
    assert float(losses.action_error(predicted, target, jnp.zeros_like(mask))) == 0.0


def test_places_are_read_off_the_last_image_before_the_state() -> None:
    """Two images of a control step: reading n is n + 1, so the error says which image it belongs to."""
    layout = replace(TINY.layout, length=64, max_control_steps=1)
    step = ControlStep(
        images=np.zeros((2, 64, 64, 3), np.uint8),
        state=np.zeros(4, np.float32),
        actions=np.zeros((layout.chunk_length, 4), np.float32),
        mask=np.ones(layout.chunk_length, bool),
    )
    batch = collate([[trajectory(layout, ControlTokens(512), 0, [600], [step])]], layout)
    readings = jnp.arange(1.0, 4.0)[None, :, None] * jnp.ones((1, 3, 16))
    error = losses.places_error(readings, batch, layout.latents_per_image)
    np.testing.assert_allclose(error, 16 * 2.0**2)


def test_the_z_loss_has_its_gradient_as_well() -> None:
    """Against autodiff through the plain formula, z-loss included."""
    params, rng = decoder_params(), np.random.default_rng(3)
    hidden = jnp.asarray(rng.normal(size=(2, 9, TINY.model.decoder.width)), jnp.float32)
    targets, w = jnp.asarray(rng.integers(0, TINY.model.decoder.vocabulary, (2, 9))), jnp.ones((2, 9))

    def plain(matrix: jax.Array, hidden: jax.Array) -> jax.Array:
        log_z = jax.nn.logsumexp(jnp.einsum("BSD,VD->BSV", hidden, matrix), axis=-1)
        return jnp.sum(log_z - jnp.einsum("BSD,BSD->BS", hidden, matrix[targets]) + 0.1 * log_z**2)

    ours = jax.grad(lambda m, h: tiled_cross_entropy(m, h, targets, w, 5, 0.1)[0], argnums=(0, 1))
    theirs = jax.grad(plain, argnums=(0, 1))
    for a, b in zip(ours(params.embedding, hidden), theirs(params.embedding, hidden), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("error", "expected"), [("l1", 0.05 + 0.3 + 2.0), ("huber", 0.05**2 / 2 + 0.1 * 0.25 + 0.1 * 1.95)]
)
def test_robust_errors_by_hand(error: Any, expected: float) -> None:
    """Of errors 0.05, -0.3, 2 and a masked one; Huber's is e^2/2 up to 0.1, 0.1 (|e| - 0.05) beyond."""
    predicted, mask = jnp.array([[[[0.05, -0.3, 2.0, 7.0]]]]), jnp.array([[[[True, True, True, False]]]])
    total = losses.robust_error(predicted, jnp.zeros((1, 1, 1, 4)), mask, losses.Config(error=error, huber=0.1))
    assert float(total) == pytest.approx(expected, rel=1e-6)
