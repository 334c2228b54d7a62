"""What the backward pass keeps of a decoder layer, by policy, counted in the residuals of `jax.vjp`."""

import math
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from polymath import specs as weights
from polymath.model import decoder
from polymath.model.execution import Execution, remat_policy
from polymath.planning import remat
from polymath.planning.workload import Decoder
from polymath.sharding.products import GatheredWeight, times_transposed
from polymath.sharding.sharded_weight import Reduction, ShardLayout

BATCH, LENGTH, DEPTH = 3, 1024, 2  # no axis of a weight has 1,024 entries
CONFIG = decoder.Config(vocabulary=32, width=96, depth=DEPTH, heads=4, kv_heads=2, head_width=128, mlp=160)
SIZES = Decoder(DEPTH, 96, 4, 2, 128, 160, 32)


def kept_bytes(policy: Any, attention: Any) -> float:
    """Bytes a token and layer of all arrays of layers and tokens that wait for the backward pass. Nothing is run."""
    execution = Execution(dtype="bfloat16", remat=policy, attention=attention)
    ids = jnp.ones((BATCH, LENGTH), jnp.int32)

    def residuals(params: decoder.Params, x: Any) -> Any:
        return jax.vjp(lambda p, x: decoder.forward(p, CONFIG, x, ids, ids, execution), params, x)[1]

    x = jax.ShapeDtypeStruct((BATCH, LENGTH, CONFIG.width), jnp.bfloat16)
    waiting = jax.tree.leaves(jax.eval_shape(residuals, weights.abstract(decoder.specs(CONFIG)), x))
    stacked = [leaf for leaf in waiting if leaf.shape[:1] == (DEPTH,) and {LENGTH, BATCH * LENGTH} & set(leaf.shape)]
    return sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in stacked) / (BATCH * LENGTH * DEPTH)


@pytest.mark.parametrize("policy", ["full", "attention", "projections", "minimal"])
def test_every_tensor_is_kept_once(policy: str) -> None:
    """With splash, whose kernel names its own result: `planning.remat` counts the widths of the tensors, 2 bytes each;
    the float32 log-sum of each head goes along with the context.
    """
    assert kept_bytes(policy, "splash") == 2 * remat.kept(SIZES, policy)


@pytest.mark.parametrize("policy", ["full", "attention", "projections", "minimal"])
def test_the_reference_keeps_no_log_sums(policy: str) -> None:
    log_sums = 0 if policy == "full" else 4 * CONFIG.heads
    assert kept_bytes(policy, "reference") == 2 * remat.kept(SIZES, policy) - log_sums


@pytest.mark.parametrize(("policy", "kept"), [("full", False), ("projections", False), ("minimal", True)])
def test_a_product_that_reduces_its_own_gradient_is_kept_like_any_other(policy: str, kept: bool) -> None:
    layout = ShardLayout(((-2, ("data",), 4),), (("data", 4),), Reduction(by="hops"))
    weight = GatheredWeight(jnp.ones((8, 6)), jnp.ones((2, 6)), layout)
    body = jax.checkpoint(lambda x: jnp.sin(times_transposed(x, weight)), policy=remat_policy(policy))
    waiting = jax.eval_shape(lambda x: jax.vjp(body, x)[1], jax.ShapeDtypeStruct((5, 6), jnp.float32))
    assert ((5, 8) in {leaf.shape for leaf in jax.tree.leaves(waiting)}) == kept


@pytest.mark.parametrize("qk_norm", [True, False])
def test_of_a_layers_products_gate_and_up_alone_are_computed_again(qk_norm: bool) -> None:
    """FLOPs of the compiled gradient beyond the policy that repeats no product: 2 a multiply-add."""
    config = replace(CONFIG, depth=1, qk_norm=qk_norm)

    def flops(policy: Any) -> float:
        execution = Execution(remat=policy, attention="reference")
        ids = jnp.ones((BATCH, LENGTH), jnp.int32)

        def total(params: decoder.Params, x: Any) -> Any:
            return decoder.forward(params, config, x, ids, ids, execution).sum()

        x = jax.ShapeDtypeStruct((BATCH, LENGTH, config.width), jnp.float32)
        params = weights.abstract(decoder.specs(config))
        return float(jax.jit(jax.grad(total, (0, 1))).lower(params, x).compile().cost_analysis()["flops"])

    gate_and_up = 2 * 2 * BATCH * LENGTH * config.width * config.mlp
    assert flops("projections") - flops("minimal") == pytest.approx(gate_and_up, rel=0.05)
