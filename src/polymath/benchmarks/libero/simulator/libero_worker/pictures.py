"""Pictures of a stage's moment.

renderer   through                       beside robosuite's own pictures
egl        OpenGL (libEGL)               the same, pixel for pixel
egl-fast   OpenGL without multisampling  edges are jagged; half the time
ray        the ray caster, no OpenGL     see docs/evaluation.md

robosuite's pictures are upside down. Those of LIBERO's HDF5 files are like that too; the converted data sets and other
projects' evaluations turn them by 180 degrees, which makes them upright and mirrored.
"""

import ctypes
import os
import sys
import types
from typing import Any

import numpy as np

RENDERERS = ("egl", "egl-fast", "ray")
ORIENTATIONS = {"turned": "turned by 180 degrees: upright and mirrored", "raw": "robosuite's own: upside down"}
SAMPLES = {"egl": 4, "egl-fast": 0}
"""Multisamples: robosuite leaves MuJoCo's own 4."""


def prepare_imports(renderer: str) -> None:
    """To be called before robosuite is imported: it chooses an OpenGL library at import, and fails without one.

    The ray caster needs none. robosuite also imports OpenCV, for a window that is never opened here; where OpenCV's
    own libraries are missing, an empty module takes its place.
    """
    os.environ["MUJOCO_GL"] = "glx" if renderer == "ray" else "egl"
    if renderer == "ray":
        try:
            import cv2  # noqa: F401
        except ImportError:
            sys.modules["cv2"] = types.ModuleType("cv2")
        return
    try:
        ctypes.CDLL("libEGL.so.1")
    except OSError as error:
        raise SystemExit(
            f"libero_worker: renderer {renderer}: libEGL cannot be loaded ({error}); install libegl1 and "
            "libegl-mesa0, or choose the renderer ray, which needs no OpenGL"
        ) from error


def make_renderer(name: str, model: Any, size: int) -> Any:
    """The renderer of that name for a mujoco.MjModel and square pictures of `size` pixels a side."""
    if name == "ray":
        from .ray_caster import RayCaster

        return RayCaster(model, size)
    return EGL(model, size, SAMPLES[name])


class EGL:
    """MuJoCo's own renderer, set as robosuite sets it: visual geoms only."""

    def __init__(self, model: Any, size: int, samples: int) -> None:
        import mujoco
        from mujoco.egl import GLContext

        self.model, self.size = model, size
        self._context = GLContext(size, size)
        self._context.make_current()
        model.vis.quality.offsamples = samples
        model.vis.global_.offwidth = model.vis.global_.offheight = size
        self._scene = mujoco.MjvScene(model, maxgeom=1000)
        self._options = mujoco.MjvOption()
        self._options.geomgroup[0] = 0
        self._camera = mujoco.MjvCamera()
        self._camera.type = mujoco.mjtCamera.mjCAMERA_FIXED
        self._drawer = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_50)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._drawer)

    def render(self, data: Any, camera: str, site_rgba: np.ndarray) -> np.ndarray:
        """uint8 [size, size, 3], RGB, upside down as robosuite has it."""
        import mujoco

        self._context.make_current()
        self._camera.fixedcamid = self.model.camera(camera).id
        present = self.model.site_rgba.copy()
        self.model.site_rgba[:] = site_rgba
        mujoco.mjv_updateScene(
            self.model, data, self._options, None, self._camera, mujoco.mjtCatBit.mjCAT_ALL, self._scene
        )
        self.model.site_rgba[:] = present
        view = mujoco.MjrRect(0, 0, self.size, self.size)
        mujoco.mjr_render(view, self._scene, self._drawer)
        picture = np.empty((self.size, self.size, 3), np.uint8)
        mujoco.mjr_readPixels(picture, None, view, self._drawer)
        return picture

    def close(self) -> None:
        self._context.make_current()
        self._drawer.free()
        self._context.free()
