"""The named sizes: what their names promise, and the whole objective of the 30B on shapes alone."""

from dataclasses import replace

import jax
import pytest

from polymath import specs as weights
from polymath.data.sequences.packing import collate
from polymath.model import polymath_v
from polymath.planning.count import count_by_part
from polymath.planning.reference_mix import LAYOUT
from polymath.presets import PRESETS, preset
from polymath.training import losses


@pytest.mark.parametrize(
    ("name", "size", "tolerance"),
    [
        ("polymath_v_30b", 30.0e9, 0.01),
        ("polymath_v_8b", 8.0e9, 0.03),
        ("polymath_v_1b", 1.0e9, 0.03),
        ("polymath_v_200m", 200e6, 0.03),
    ],
)
def test_the_name_is_the_size(name: str, size: float, tolerance: float) -> None:
    assert count_by_part(preset(name).model)["total"] == pytest.approx(size, rel=tolerance)


def test_the_30b_sees_with_vit_g() -> None:
    """1,844,907,264 weights of CLIP ViT-bigG/14 as published, less its projection to 1,280 and its final norm."""
    published = 1_844_907_264 - 1664 * 1280 - 2 * 1664
    patch_bias = 1664  # ours; CLIP has none and loads as zero
    assert count_by_part(preset("polymath_v_30b").model)["vision"] == published + patch_bias
    assert published == pytest.approx(1.84e9, rel=0.01)


@pytest.mark.parametrize("name", ["polymath_v_30b", "polymath_v_8b", "polymath_v_1b", "polymath_v_200m"])
def test_rows_are_those_of_the_reference_mix(name: str) -> None:
    """What fills rows to 98.5 % (tests/data/test_reference_mix.py) is what the presets pack into."""
    assert replace(preset(name).layout, state_dim=LAYOUT.state_dim) == LAYOUT


@pytest.mark.parametrize("name", list(PRESETS))
def test_objective_on_shapes_alone(name: str) -> None:
    """Forward pass, loss and gradient of the true sizes, without memory."""
    recipe = preset(name)
    batch = jax.eval_shape(lambda: jax.tree.map(jax.numpy.asarray, collate([[]], recipe.layout)))
    params = weights.abstract(polymath_v.specs(recipe.model))
    outputs = jax.eval_shape(lambda p, b: polymath_v.forward(p, recipe.model, b, recipe.execution), params, batch)
    layout = recipe.layout
    assert outputs.hidden.shape == (1, layout.length, recipe.model.decoder.width)
    assert outputs.actions.shape == (1, layout.max_control_steps, layout.chunk_length, layout.action_dim)

    def loss(params: polymath_v.Params, batch: object) -> jax.Array:
        return losses.objective(params, recipe.model, recipe.robot.loss, batch, recipe.execution)[0]

    value, gradient = jax.eval_shape(jax.value_and_grad(loss), params, batch)
    assert value.shape == ()
    assert jax.tree.map(lambda w: w.shape, gradient) == jax.tree.map(lambda w: w.shape, params)
