"""The vision transformer under rematerialisation: what waits for its backward pass, and that nothing else changes."""

import math
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from polymath import specs as weights
from polymath.model import vit
from polymath.model.execution import Execution

CONFIG = vit.Config(image_size=32, patch=4, width=24, depth=3, heads=2, mlp=80, class_token=False)
IMAGES = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)


def total(params: vit.Params, execution: Execution) -> jax.Array:
    return jnp.sum(jnp.sin(vit.forward(params, CONFIG, IMAGES, execution).astype(jnp.float32)))


def kept(execution: Execution) -> float:
    """Numbers a patch and layer of all arrays of layers and patches that wait for the backward pass."""
    residuals = jax.eval_shape(
        lambda params: jax.vjp(lambda p: total(p, execution), params)[1], weights.abstract(vit.specs(CONFIG))
    )
    rows = CONFIG.depth * len(IMAGES) * CONFIG.patches
    stacked = [leaf for leaf in jax.tree.leaves(residuals) if leaf.shape[:1] == (CONFIG.depth,)]
    return sum(math.prod(leaf.shape) for leaf in stacked if CONFIG.patches in leaf.shape) / rows


@pytest.mark.parametrize(("policy", "numbers"), [("full", 1), ("attention", 3), ("projections", 6)])
def test_what_each_policy_keeps_of_a_layer(policy: Any, numbers: int) -> None:
    """In widths: the layer's input; context and residual after the attention; query, key and value."""
    assert kept(Execution(remat=policy)) == numbers * CONFIG.width


def test_without_a_policy_more_is_kept() -> None:
    assert kept(Execution(remat="none")) > 10 * CONFIG.width


@pytest.mark.parametrize("policy", ["full", "attention", "projections", "minimal"])
def test_the_gradient_is_the_same(policy: Any) -> None:
    params = weights.init(vit.specs(CONFIG), jax.random.key(0))
    ours, plain = (
        jax.jit(jax.value_and_grad(total), static_argnums=1)(params, Execution(remat=remat))
        for remat in (policy, "none")
    )
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(plain), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-6)


def test_a_frozen_transformer_keeps_nothing() -> None:
    """Only what follows it is differentiated; its policy of rematerialisation then changes nothing."""

    def following(scale: jax.Array, params: vit.Params) -> jax.Array:
        return jnp.sum(scale * vit.forward(params, CONFIG, IMAGES, Execution(remat="full")))

    frozen = weights.init(vit.specs(replace(CONFIG)), jax.random.key(0))
    residuals = jax.eval_shape(lambda s: jax.vjp(lambda s: following(s, frozen), s)[1], jnp.ones(CONFIG.width))
    assert not [leaf for leaf in jax.tree.leaves(residuals) if leaf.shape[:1] == (CONFIG.depth,) and leaf.ndim > 3]
