"""Weights in 8 bits: the rounding that absmax promises, what is left alone, a model that answers nearly the same."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from polymath import specs as weights
from polymath.data.sequences.packing import collate
from polymath.data.sequences.sequence import pair
from polymath.model import int8, lora, polymath_v
from polymath.model.execution import Execution
from polymath.presets.demo import TINY
from polymath.specs import Tree, is_spec, named
from polymath.tokenizer import ControlTokens

MODEL = replace(TINY.model, decoder=replace(TINY.model.decoder, depth=2), vit=replace(TINY.model.vit, depth=1))
LAYOUT = replace(TINY.layout, length=48)
IMAGE = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
BATCH = collate([[pair(LAYOUT, ControlTokens(512), IMAGE, list(range(600, 620)))]], LAYOUT)


@pytest.fixture(scope="module")
def params() -> polymath_v.Params:
    return jax.jit(lambda key: weights.init(polymath_v.specs(MODEL), key))(jax.random.key(0))


def in_int8(params: polymath_v.Params, specs: Tree) -> polymath_v.Params:
    """Every projected matrix in 8 bits, as `polymath.policy.weights` loads them."""
    leaves = [
        int8.quantised(weight) if int8.is_projected(name, spec) else weight
        for (name, spec), (_, weight) in zip(named(specs), named(params), strict=True)
    ]
    return jax.tree.unflatten(jax.tree.structure(specs, is_leaf=is_spec), leaves)


@pytest.fixture(scope="module")
def quantised(params: polymath_v.Params) -> polymath_v.Params:
    return in_int8(params, polymath_v.specs(MODEL))


def hidden(params: polymath_v.Params, model: polymath_v.Config = MODEL) -> np.ndarray:
    forward = jax.jit(lambda p, b: polymath_v.forward(p, model, b, Execution(remat="none")).hidden)
    return np.asarray(forward(params, BATCH))


def test_a_weight_is_off_by_at_most_half_a_step_of_its_row(
    params: polymath_v.Params, quantised: polymath_v.Params
) -> None:
    exact, found = params.decoder.blocks.gate, quantised.decoder.blocks.gate
    assert found.values.dtype == jnp.int8
    assert found.scale.shape == (*exact.shape[:-1], 1)
    step = jnp.max(jnp.abs(exact), axis=-1, keepdims=True) / 127.5  # the outermost bin ends at the largest weight
    np.testing.assert_allclose(found.scale, step, rtol=1e-5)
    assert bool((jnp.abs(found.astype(jnp.float32) - exact) <= 0.5001 * step).all())


def test_matrices_shrink_and_the_rest_stays(params: polymath_v.Params, quantised: polymath_v.Params) -> None:
    assert quantised.decoder.embedding is params.decoder.embedding
    assert quantised.vit.blocks.qkv_bias is params.vit.blocks.qkv_bias
    assert quantised.decoder.norm is params.decoder.norm
    small, large = (sum(w.nbytes for w in jax.tree.leaves(p.decoder.blocks)) for p in (quantised, params))
    assert small < 0.3 * large


def test_the_model_answers_nearly_the_same(params: polymath_v.Params, quantised: polymath_v.Params) -> None:
    exact, rough = hidden(params), hidden(quantised)
    used = BATCH.segment_ids[0] > 0
    error = np.linalg.norm(rough[0, used] - exact[0, used]) / np.linalg.norm(exact[0, used])
    assert 0 < error < 0.03  # half a step of 1/127.5 is 0.4 % of a row's largest weight, over seven layers


def test_below_adapters_only_the_base_is_rounded(params: polymath_v.Params) -> None:
    model = replace(MODEL, adapters=lora.Config(r"decoder\.blocks\.(query|down|key_value)", rank=2))
    specs = polymath_v.specs(model)
    adapted = in_int8(lora.attach(params, specs, jax.random.key(1)), specs)
    assert isinstance(adapted.decoder.blocks.query.base, int8.Quantised)
    assert adapted.decoder.blocks.query.lora_down.dtype == jnp.float32
    plain = in_int8(params, polymath_v.specs(MODEL))
    np.testing.assert_allclose(hidden(adapted, model), hidden(plain), atol=1e-4)  # fresh adapters change nothing
