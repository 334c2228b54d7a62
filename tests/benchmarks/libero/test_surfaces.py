"""The ray caster's textures, without LIBERO: sampling, cube maps, the grid of a mesh. Expected values by hand."""

import mujoco
import numpy as np
import pytest
from libero_worker.surfaces import Surfaces, _lattice, _levels, sample, sample_cube

IMAGE = np.array([[[1.0, 0, 0], [0, 1, 0]], [[0, 0, 1], [1, 1, 1]]])  # red green / blue white
# A pyramid on the plane z = 0; its texture, laid on from above, is made red at x < 0 and blue at x > 0.
PYRAMID = """
<mujoco>
  <asset>
    <texture name="two" type="2d" builtin="flat" rgb1="1 0 0" width="64" height="64"/>
    <material name="painted" texture="two"/>
    <mesh name="pyramid" vertex="-.1 -.1 0 .1 -.1 0 .1 .1 0 -.1 .1 0 0 0 .1" texcoord="0 0 1 0 1 1 0 1 .5 .5"
      face="0 1 4 1 2 4 2 3 4 3 0 4 0 3 2 0 2 1"/>
  </asset>
  <worldbody><geom name="it" type="mesh" mesh="pyramid" material="painted" group="1"/></worldbody>
</mujoco>
"""


def test_an_image_repeats_and_its_second_row_is_below() -> None:
    uv = np.array([[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [-0.25, 1.75]])
    assert sample(IMAGE, uv).tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1]]


def test_faces_of_a_cube_map_in_opengls_order() -> None:
    six = np.repeat(np.arange(6.0), 2)[:, None, None] * np.ones((1, 2, 3))
    directions = np.concatenate([sign * np.eye(3)[axis : axis + 1] for axis in range(3) for sign in (1, -1)])
    assert sample_cube(six, directions)[:, 0].tolist() == [0, 1, 2, 3, 4, 5]
    assert sample_cube(IMAGE, np.array([[0.0, 0, 1]])).shape == (1, 3), "one image for all six"


def test_srgb_is_decoded() -> None:
    assert _levels(False)[[0, 51, 255]] == pytest.approx([0, 0.2, 1])
    assert _levels(True)[[0, 128, 255]] == pytest.approx([0, 0.2159, 1], abs=1e-4)  # IEC 61966-2-1


@pytest.mark.parametrize("parts", [1, 2, 7])
def test_a_triangle_is_cut_into_equal_ones(parts: int) -> None:
    weights = _lattice(parts)
    assert len(weights) == parts**2
    assert weights.min() > 0
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    np.testing.assert_allclose(weights.mean(axis=0), 1 / 3)  # the centres' mean is the triangle's centre


def test_a_hit_on_a_mesh_has_the_textures_colour_there() -> None:
    model = mujoco.MjModel.from_xml_string(PYRAMID)
    image = model.tex_data.reshape(64, 64, 3)
    image[:, 32:] = (0, 0, 255)
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    points = np.array([[-0.06, 0.0, 0.0], [0.06, 0.0, 0.0]])  # on its lower side
    colour = np.ones((2, 3))
    Surfaces(model).paint(data, points, np.array([0, 0]), colour)
    np.testing.assert_allclose(colour, [[1, 0, 0], [0, 0, 1]], atol=1e-6)
