"""Pictures through OpenGL, off screen: EGL (libEGL) or OSMesa (libOSMesa). Only imported when asked for."""

import importlib

import mujoco
import numpy as np
from jaxtyping import UInt8

from polymath.errors import ConfigError


class GLRenderer:
    """MuJoCo's own renderer without multisampling, shadows and reflections (15 times faster in software OpenGL)."""

    def __init__(self, model: mujoco.MjModel, size: int, backend: str):
        self.model, self.size = model, size
        try:
            self._context = importlib.import_module(f"mujoco.{backend}").GLContext(size, size)
        except Exception as error:
            raise ConfigError(
                f"renderer {backend!r}: no usable OpenGL library ({type(error).__name__}: {error}); "
                f"install lib{'egl1' if backend == 'egl' else 'osmesa6'} or choose the renderer 'ray', which needs none"
            ) from error
        self._context.make_current()
        model.vis.quality.offsamples, model.vis.quality.shadowsize = 0, 64
        model.vis.global_.offwidth = model.vis.global_.offheight = size
        self._scene = mujoco.MjvScene(model, maxgeom=2000)
        for flag in (mujoco.mjtRndFlag.mjRND_SHADOW, mujoco.mjtRndFlag.mjRND_REFLECTION):
            self._scene.flags[flag] = False
        self._options = mujoco.MjvOption()
        self._options.sitegroup[:] = 0
        self._camera = mujoco.MjvCamera()
        self._camera.type = mujoco.mjtCamera.mjCAMERA_FIXED
        self._drawer = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._drawer)
        self._textures = bytes(model.tex_data)

    def close(self) -> None:
        self._drawer.free()
        self._context.free()

    def render(self, data: mujoco.MjData, camera: str) -> UInt8[np.ndarray, "size size 3"]:
        self._context.make_current()
        self._upload_textures()
        self._camera.fixedcamid = self.model.camera(camera).id
        everything = mujoco.mjtCatBit.mjCAT_ALL
        mujoco.mjv_updateScene(self.model, data, self._options, None, self._camera, everything, self._scene)
        view = mujoco.MjrRect(0, 0, self.size, self.size)
        mujoco.mjr_render(view, self._scene, self._drawer)
        picture = np.empty((self.size, self.size, 3), np.uint8)
        mujoco.mjr_readPixels(picture, None, view, self._drawer)
        return picture[::-1].copy()

    def _upload_textures(self) -> None:
        textures = bytes(self.model.tex_data)
        if textures != self._textures:
            for texture in range(self.model.ntex):
                mujoco.mjr_uploadTexture(self.model, self._drawer, texture)
            self._textures = textures
