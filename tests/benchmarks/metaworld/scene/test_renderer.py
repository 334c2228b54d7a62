"""The ray caster against MuJoCo's single-ray function and, where there is EGL, against MuJoCo's OpenGL renderer."""

import subprocess
import sys

import mujoco
import numpy as np
import pytest

from polymath.benchmarks.metaworld.scene.renderer import RayCaster, make_renderer, renderer_identity
from polymath.benchmarks.metaworld.simulator import Simulator
from polymath.errors import ConfigError


@pytest.fixture(scope="module")
def simulator():
    simulation = Simulator(cameras=("front", "top"))
    simulation.reset("coffee-button-left", "novel_environments", 3)  # tall things below the camera: the hard case
    return simulation


def single_rays(model, data, position, rays):
    """Nearest visible geom and distance of each ray by mj_ray, one call a ray."""
    groups, found = np.array([1, 1, 1, 0, 0, 0], np.uint8), np.zeros(1, np.int32)
    distances, geoms = [], []
    for ray in rays:
        distances.append(mujoco.mj_ray(model, data, position, ray, groups, 1, -1, found))
        geoms.append(found[0])
    return np.array(distances), np.array(geoms)


@pytest.mark.parametrize("camera", ["front", "top"])
def test_every_pixel_sees_what_a_single_ray_sees(simulator, camera, monkeypatch):
    model, data = simulator.model, simulator.data
    caster = RayCaster(model, 48)
    seen = {}
    monkeypatch.setattr(caster, "_shade", lambda *arguments: seen.update(distance=arguments[4], geom=arguments[5]))
    caster.render(data, camera)
    ident = model.camera(camera).id
    rays = caster._camera_rays(float(model.cam_fovy[ident])) @ data.cam_xmat[ident].reshape(3, 3).T
    distance, geom = single_rays(model, data, data.cam_xpos[ident].copy(), rays)
    np.testing.assert_array_equal(seen["geom"], geom)
    np.testing.assert_allclose(seen["distance"], distance, rtol=1e-5)


def test_background_follows_what_moves(simulator):
    """A kept background must not survive a change of scene: a fresh caster gives the same picture."""
    caster = RayCaster(simulator.model, 32)
    caster.render(simulator.data, "front")
    simulator.reset("coffee-button-right", "train", 5)
    again = caster.render(simulator.data, "front")
    np.testing.assert_array_equal(again, RayCaster(simulator.model, 32).render(simulator.data, "front"))


def test_opengl_draws_the_same_picture(simulator):
    """Colours, lights and texture agree; edges and curved meshes differ (normals come from neighbouring rays)."""
    simulator.reset("coffee-button-right", "novel_environments", 9)
    try:
        opengl = make_renderer("egl", simulator.model, 96)
    except ConfigError as error:
        pytest.skip(f"no EGL here: {error}")
    try:
        other = opengl.render(simulator.data, "front").astype(float)
    finally:
        opengl.close()
    ours = RayCaster(simulator.model, 96).render(simulator.data, "front").astype(float)
    difference = np.abs(ours - other).max(axis=-1)
    assert np.median(difference) <= 1  # of 255
    assert (difference > 40).mean() < 0.04


@pytest.mark.parametrize("size", [2, 33, 128])
def test_any_square_size(simulator, size):
    picture = RayCaster(simulator.model, size).render(simulator.data, "front")
    assert picture.shape == (size, size, 3)
    assert picture.dtype == np.uint8


def test_identity_names_version_and_renderer():
    assert renderer_identity("ray") == f"mujoco-{mujoco.__version__}/ray"
    with pytest.raises(ConfigError, match="ray"):
        renderer_identity("vulkan")


def test_no_opengl_library_is_loaded():
    """In a fresh process: a picture is drawn, PyOpenGL is never imported and no GL library is mapped."""
    program = """
import sys
from polymath.benchmarks.metaworld.simulator import Simulator
Simulator().reset("reach-left", "train", 1)
maps = open("/proc/self/maps").read()
bad = [name for name in ("libGL.so", "libEGL", "libOSMesa") if name in maps]
assert not bad and "OpenGL" not in sys.modules, bad
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
