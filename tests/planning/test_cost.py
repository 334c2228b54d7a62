"""FLOPs against the matrix products of the traced program, and against a hand count of the 30B's step."""

import math
from typing import Any

import jax
import numpy as np
import pytest

from polymath import specs as weights
from polymath.data.sequences.packing import collate
from polymath.model import decoder, polymath_v
from polymath.planning.cost import forward_flops, memory_bytes, training_flops_per_token
from polymath.presets import preset


def matrix_flops(jaxpr: Any) -> int:
    """2 x multiply-adds of every dot_general, scans multiplied by their length."""
    total = 0
    for equation in jaxpr.eqns:
        repeat = equation.params["length"] if equation.primitive.name == "scan" else 1
        if equation.primitive.name == "dot_general":
            (contracted, _), _ = equation.params["dimension_numbers"]
            left = equation.invars[0].aval.shape
            total += 2 * math.prod(equation.outvars[0].aval.shape) * math.prod(left[i] for i in contracted)
        for value in equation.params.values():
            inner = getattr(value, "jaxpr", value)
            total += repeat * matrix_flops(inner) if hasattr(inner, "eqns") else 0
    return total


@pytest.mark.parametrize("name", ["demo", "polymath_v_200m", "polymath_v_30b"])
def test_forward_flops_are_those_of_the_program(name: str) -> None:
    """The program computes the whole square of the attention, of which the formula counts the causal half."""
    recipe = preset(name)

    def forward(params: polymath_v.Params, batch: Any) -> Any:
        outputs = polymath_v.forward(params, recipe.model, batch, recipe.execution)
        return decoder.logits(params.decoder, recipe.model.decoder, outputs.hidden), outputs.actions

    batch = jax.eval_shape(lambda: jax.tree.map(jax.numpy.asarray, collate([[]], recipe.layout)))
    program = jax.make_jaxpr(forward)(weights.abstract(polymath_v.specs(recipe.model)), batch)
    parts = forward_flops(recipe.model, recipe.layout)
    np.testing.assert_allclose(matrix_flops(program.jaxpr), sum(parts.values()) + parts["attention"], rtol=1e-9)


def test_a_step_of_the_30b() -> None:
    """6 x (decoder + tied embedding) + 6 S H E L a token, vision and bridge (64 image slots a sequence) 10 % on top."""
    body = 6 * (25_837_561_900 + 256_000 * 7168) + 6 * 4096 * 64 * 128 * 44
    assert training_flops_per_token(preset("polymath_v_30b")) == pytest.approx(1.10 * body, rel=0.01)


def test_memory_of_the_30b() -> None:
    """2 bytes a weight; 4 bytes a weight and under 1 % of factored statistics; gradients of all but the vision."""
    memory, total = memory_bytes(preset("polymath_v_30b")), 29_793_877_436
    assert memory["weights_bfloat16"] == 2 * total
    assert 4 * total < memory["training_state"] < 4 * total * 1.01
    assert memory["gradients"] == 4 * (total - 1_842_775_680)
