"""A tiny random model of each family of public decoders, as transformers wrote and computed it (`tests/oracles`)."""

from functools import cache
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from polymath import specs as weights
from polymath.model import cache as caches
from polymath.model import decoder, int8, lora
from polymath.model.execution import Execution
from polymath.model.weights import decoder_config, load_decoder
from polymath.sharding import mesh as meshes
from polymath.sharding.placement import partitioner
from polymath.specs import named
from polymath.training.cross_entropy import tiled_cross_entropy

LANGUAGE = Path(__file__).parents[2] / "fixtures" / "language"
NAMES = sorted(path.name.removesuffix(".io.npz") for path in LANGUAGE.glob("*.io.npz"))
TOLERANCE = 1e-5


@cache
def loaded(name: str) -> tuple[decoder.Config, decoder.Params, dict[str, np.ndarray]]:
    config = decoder_config(LANGUAGE / name / "config.json")
    return config, load_decoder(LANGUAGE / name, config), dict(np.load(LANGUAGE / f"{name}.io.npz"))


def hidden(params: decoder.Params, config: decoder.Config, tokens: Any, execution: Execution) -> jax.Array:
    positions = jnp.broadcast_to(jnp.arange(tokens.shape[1]), tokens.shape)
    x = decoder.embed(params, config, tokens)
    return decoder.forward(params, config, x, positions, jnp.ones(tokens.shape, int), execution)


def close(ours: jax.Array, theirs: np.ndarray) -> None:
    assert ours.shape == theirs.shape
    assert float(jnp.linalg.norm(ours - theirs)) <= TOLERANCE * float(np.linalg.norm(theirs))


@pytest.mark.parametrize("name", NAMES)
def test_the_whole_sequence_at_once(name: str) -> None:
    config, params, recorded = loaded(name)
    whole = jax.jit(lambda tokens: decoder.logits(params, config, hidden(params, config, tokens, Execution("float32"))))
    close(whole(recorded["tokens"]), recorded["logits"])


@pytest.mark.parametrize("name", NAMES)
def test_piece_by_piece_through_the_cache(name: str) -> None:
    """Eleven tokens, then one, then the rest: windows and rotations go on where the cache ends."""
    config, params, recorded = loaded(name)
    tokens, parts = recorded["tokens"], []
    kept = caches.empty(config, len(tokens), tokens.shape[1])
    step = jax.jit(lambda kept, x, new: caches.append(params, config, kept, x, new))
    for piece in np.split(tokens, [11, 12], axis=1):
        new = jnp.full(len(tokens), piece.shape[1])
        part, kept = step(kept, decoder.embed(params, config, piece), new)
        parts.append(decoder.logits(params, config, part))
    close(jnp.concatenate(parts, axis=1), recorded["logits"])


@pytest.mark.parametrize("name", NAMES)
def test_the_loss_and_its_gradient(name: str) -> None:
    """The tiled cross-entropy is that of their logits, soft cap included, and every weight has a gradient."""
    config, params, recorded = loaded(name)
    tokens = recorded["tokens"]
    ones = jnp.ones(tokens[:, 1:].shape)

    def loss(params: decoder.Params) -> jax.Array:
        matrix = params.embedding if params.output is None else params.output
        states = hidden(params, config, tokens, Execution("float32", remat="attention"))[:, :-1]
        return tiled_cross_entropy(matrix, states, tokens[:, 1:], ones, 16, 0.0, config.logit_cap)[0]

    value, gradient = jax.jit(jax.value_and_grad(loss))(params)
    log_p = jax.nn.log_softmax(recorded["logits"][:, :-1])
    expected = -np.take_along_axis(np.asarray(log_p), tokens[:, 1:, None], axis=-1).sum()
    assert float(value) == pytest.approx(float(expected), rel=TOLERANCE)
    for weight, leaf in named(gradient):
        assert np.isfinite(leaf).all(), weight
        assert np.any(np.asarray(leaf) != 0), weight


@pytest.mark.parametrize("name", NAMES)
def test_what_is_generic_over_the_weights(name: str) -> None:
    """Counting, the sharding table, adapters and 8 bits know every weight that the family adds."""
    config, params, _ = loaded(name)
    specs = decoder.specs(config)
    assert weights.count(specs) == sum(leaf.size for _, leaf in named(params))
    for column in ("fsdp", "pax_2d"):
        assert partitioner(meshes.Config(rules=column), jax.devices()[:1]).specs(specs)
    adapted = lora.attach(params, lora.specs(specs, lora.Config(r"blocks\.(query|gate)", rank=2)), jax.random.key(0))
    for (weight, before), (_, after) in zip(named(params), named(lora.merge(adapted)), strict=True):
        np.testing.assert_array_equal(before, after, err_msg=weight)
    projected = {weight for weight, spec in named(specs) if int8.is_projected(f"decoder.{weight}", spec)}
    assert projected == {f"blocks.{part}" for part in ("query", "key_value", "out", "gate", "up", "down")}
