"""The whole model: packing changes nothing, causality, placement of latents and states, no work on frozen vision."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from polymath import specs as weights
from polymath.data.sequences.packing import collate
from polymath.data.sequences.sequence import ControlStep, Document, Layout, pair, trajectory
from polymath.model import polymath_v
from polymath.model.execution import Execution
from polymath.presets.demo import TINY
from polymath.tokenizer import ControlTokens
from polymath.training import losses, optimizer

MODEL = replace(TINY.model, decoder=replace(TINY.model.decoder, depth=2), vit=replace(TINY.model.vit, depth=2))
LAYOUT = replace(TINY.layout, length=96)
PLAIN = Execution(remat="none")


@pytest.fixture(scope="module")
def params() -> polymath_v.Params:
    """Random weights whose biases and norms are not at their trivial start."""
    drawn = jax.jit(lambda key: weights.init(polymath_v.specs(MODEL), key))(jax.random.key(0))
    rng = np.random.default_rng(1)
    return jax.tree.map(lambda w: w + 0.1 * rng.normal(size=w.shape).astype(np.float32), drawn)


@jax.jit
def forward(params: polymath_v.Params, batch: Any) -> polymath_v.Outputs:
    return polymath_v.forward(params, MODEL, batch, PLAIN)


def gradient(params: polymath_v.Params, execution: Execution) -> polymath_v.Params:
    batch = collate([documents()], LAYOUT)
    return jax.jit(jax.grad(lambda p: losses.objective(p, MODEL, losses.Config(places=1.0), batch, execution)[0]))(
        params
    )


@pytest.fixture(scope="module")
def plain_gradient(params: polymath_v.Params) -> polymath_v.Params:
    return gradient(params, PLAIN)


def documents(layout: Layout = LAYOUT) -> list[Document]:
    rng = np.random.default_rng(0)
    image = lambda n: rng.integers(0, 256, (n, layout.image_size, layout.image_size, 3), dtype=np.uint8)  # noqa: E731
    step = ControlStep(
        images=image(2),
        state=rng.normal(size=4).astype(np.float32),
        actions=rng.uniform(-1, 1, (layout.chunk_length, 4)).astype(np.float32),
        mask=np.ones(layout.chunk_length, bool),
    )
    return [
        pair(layout, ControlTokens(512), image(1)[0], list(range(600, 609))),
        trajectory(layout, ControlTokens(512), 3, list(range(700, 705)), [step]),
    ]


def test_packed_equals_alone(params: polymath_v.Params) -> None:
    """Two documents in one row give the hidden states, chunks and losses that they give in rows of their own."""
    both = documents()
    packed, alone = collate([both], LAYOUT), collate([[d] for d in both], LAYOUT)
    a, b = forward(params, packed), forward(params, alone)
    first, second = (len(d.tokens) for d in both)
    np.testing.assert_allclose(a.hidden[0, :first], b.hidden[0, :first], atol=1e-5)
    np.testing.assert_allclose(a.hidden[0, first : first + second], b.hidden[1, :second], atol=1e-5)
    np.testing.assert_allclose(a.actions[0, 0], b.actions[1, 0], atol=1e-5)
    objective = jax.jit(lambda batch: losses.objective(params, MODEL, losses.Config(), batch, PLAIN)[0])
    loss = [objective(batch) for batch in (packed, alone)]
    np.testing.assert_allclose(loss[0], loss[1], rtol=1e-5)


def test_the_future_changes_nothing(params: polymath_v.Params) -> None:
    batch = collate([[documents()[1]]], LAYOUT)
    cut = int(batch.readout_positions[0, 0, -1]) + 1
    changed = batch._replace(tokens=batch.tokens + (np.arange(LAYOUT.length) >= cut).astype(np.int32))
    a, b = forward(params, batch), forward(params, changed)
    np.testing.assert_array_equal(a.actions[0, 0], b.actions[0, 0])
    assert float(jnp.abs(a.hidden[0, cut] - b.hidden[0, cut]).max()) > 1e-3


def test_latents_and_states_stand_at_their_places(params: polymath_v.Params) -> None:
    batch = collate([documents()], LAYOUT)
    x = jax.jit(lambda b: polymath_v.embed_sequence(params, MODEL, b))(batch)
    seen = jax.jit(lambda images: polymath_v.resampled(params, MODEL, images))(batch.images[0])
    latents = seen @ params.projection
    at = np.flatnonzero(batch.image_index[0] >= 0)
    expected = latents.reshape(-1, MODEL.decoder.width)[batch.image_index[0, at]]
    np.testing.assert_allclose(x[0, at], expected, atol=1e-6)
    (place,) = np.flatnonzero(batch.state_index[0] >= 0)
    state = batch.states[0, 0] @ np.asarray(params.state) + np.asarray(params.state_bias)
    np.testing.assert_allclose(x[0, place], state, atol=1e-5)
    text = np.asarray(params.decoder.embedding)[batch.tokens[0, 0]] * np.sqrt(MODEL.decoder.width)
    np.testing.assert_allclose(x[0, 0], text, rtol=1e-5)


@pytest.mark.parametrize("remat", ["full", "minimal"])
def test_rematerialisation_changes_no_gradient(
    params: polymath_v.Params, plain_gradient: polymath_v.Params, remat: Any
) -> None:
    again = gradient(params, Execution(remat=remat))
    for a, b in zip(jax.tree.leaves(plain_gradient), jax.tree.leaves(again), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_every_weight_learns(plain_gradient: polymath_v.Params) -> None:
    """A weight that no gradient reaches would be a weight that the forward pass forgot."""
    silent = [name for name, g in weights.named(plain_gradient) if float(jnp.abs(g).max()) == 0.0]
    assert silent == []


def scans(jaxpr: Any) -> Iterator[int]:
    """Lengths of all scans of a program, nested ones included."""
    for equation in jaxpr.eqns:
        if equation.primitive.name == "scan":
            yield equation.params["length"]
        for value in equation.params.values():
            inner = getattr(value, "jaxpr", value)
            if hasattr(inner, "eqns"):
                yield from scans(inner)


@pytest.mark.parametrize(("factor", "passes"), [(0.0, 1), (1.0, 2)])
def test_frozen_vision_receives_no_backward_pass(factor: float, passes: int) -> None:
    """The ViT alone has 7 layers here: one scan over 7 is its forward pass, a second one would be a backward pass."""
    config = replace(MODEL, vit=replace(MODEL.vit, depth=7))
    specs = polymath_v.specs(config)
    groups = optimizer.Config(groups=((r"vit\..*", factor), (r"(?!vit\.).*", 1.0)))
    batch = collate([documents()], LAYOUT)

    def objective(trainable: dict[str, Any], frozen: dict[str, Any]) -> jax.Array:
        merged = optimizer.merge(trainable, frozen, specs)
        return losses.objective(merged, config, losses.Config(), batch, PLAIN)[0]

    program = jax.make_jaxpr(jax.grad(objective))(*optimizer.split(weights.abstract(specs), specs, groups))
    assert list(scans(program.jaxpr)).count(7) == passes
