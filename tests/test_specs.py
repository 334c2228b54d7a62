"""Specs: counts by hand, initial values that depend on a weight's name alone, the spread of the truncated normal."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from polymath import specs as weights
from polymath.model import decoder, polymath_v
from polymath.presets.demo import TINY
from polymath.specs import Constant, Normal, Spec

DECODER = decoder.Config(vocabulary=40, width=8, depth=3, heads=2, kv_heads=1, head_width=4, mlp=16)


def test_count_of_a_decoder_by_hand() -> None:
    query, key_value, out = 2 * 4 * 8, 2 * 1 * 4 * 8, 2 * 4 * 8
    block = 8 + query + key_value + 4 + 4 + out + 8 + 3 * 16 * 8 + 1  # norms, attention, QK-norm, SwiGLU, its beta
    assert weights.count(decoder.specs(DECODER)) == 40 * 8 + 3 * block + 8


def test_a_weights_draw_depends_on_its_name_alone() -> None:
    """The action head of a model with another ViT, another vocabulary and another depth starts the same."""
    small = TINY.model
    other = replace(small, vit=replace(small.vit, depth=2), decoder=replace(small.decoder, depth=1, vocabulary=512))
    key = jax.random.key(3)
    ours, theirs = (weights.init(polymath_v.specs(config), key) for config in (small, other))
    for a, b in zip(jax.tree.leaves(ours.action_head), jax.tree.leaves(theirs.action_head), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(ours.decoder.blocks.gate[0], ours.decoder.blocks.up[0])  # equal shapes, other names


def test_normal_has_the_stated_spread() -> None:
    """A normal cut at 2 standard deviations has 0.8796 of the standard deviation (Johnson et al. 1994, 13.10)."""
    spec = {"w": Spec((400, 500), (None, None), Normal(fan_in=500, scale=3.0))}
    drawn = np.asarray(weights.init(spec, jax.random.key(0))["w"])
    std = 3.0 / np.sqrt(500)
    np.testing.assert_allclose(drawn.std(), 0.8796 * std, rtol=0.01)
    assert np.abs(drawn).max() <= 2 * std
    assert abs(drawn.mean()) < 0.01 * std


@pytest.mark.parametrize(
    "spec",
    [
        Spec((9, 800, 600), ("layers", "mlp", "embed"), Normal(600)),
        Spec((14400, 600), ("vocab", "embed"), Normal(600)),
    ],
)
def test_a_large_weight_is_drawn_in_pieces_beside_which_little_is_held(spec: Spec) -> None:
    """Drawn at once it takes three times its own memory on a CPU, by XLA's count. No two pieces are the same."""
    program = jax.jit(lambda key: weights.draw("w", spec, key)).lower(jax.random.key(0)).compile()
    memory = program.memory_analysis()
    assert memory.temp_size_in_bytes < memory.output_size_in_bytes
    drawn = np.asarray(program(jax.random.key(0)))
    assert drawn.shape == spec.shape
    np.testing.assert_allclose(drawn.std() * np.sqrt(600), 0.8796, rtol=0.01)
    rows = drawn.reshape(-1, 600)
    assert len(np.unique(rows[:, 0])) > 0.99 * len(rows)


def test_abstract_values_match_the_real_ones() -> None:
    specs = decoder.specs(DECODER)
    shapes = jax.tree.map(lambda w: (w.shape, w.dtype), weights.init(specs, jax.random.key(0), jnp.bfloat16))
    abstract = jax.tree.map(lambda w: (w.shape, w.dtype), weights.abstract(specs, jnp.bfloat16))
    assert shapes == abstract


def test_stack_adds_the_layer_axis_and_names_stay_dotted() -> None:
    stacked = weights.stack({"w": Spec((2, 3), ("mlp", "embed"), Constant(1.0))}, 5)
    assert stacked["w"].shape == (5, 2, 3)
    assert stacked["w"].axes == ("layers", "mlp", "embed")
    names = [name for name, _ in weights.named(polymath_v.specs(TINY.model))]
    assert "decoder.blocks.query" in names
    assert len(set(names)) == len(names)


def test_an_axis_without_a_name_is_refused() -> None:
    with pytest.raises(ValueError, match="needs 2 axis names"):
        Spec((2, 3), ("mlp",), Constant(0.0))
