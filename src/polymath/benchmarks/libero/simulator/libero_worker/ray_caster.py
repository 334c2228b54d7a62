"""Pictures without OpenGL: one ray a pixel, MuJoCo's lights and textures; no shadows, reflections or marks (sites)."""

from typing import Any

import mujoco
import numpy as np

from polymath_worker.rays import camera_rays, cast, surface_normals

from .surfaces import Surfaces, texture_image

VISIBLE_GROUPS = (1, 2)
FAR = 10.0
"""Metres at which rays that hit nothing end."""


class RayCaster:
    """Draws one model, with the interface of `pictures.EGL`."""

    def __init__(self, model: Any, size: int) -> None:
        self.model, self.size = model, size
        self._surfaces = Surfaces(model)
        skies = np.flatnonzero(model.tex_type == mujoco.mjtTexture.mjTEXTURE_SKYBOX)
        self._sky = texture_image(model, int(skies[0])).mean(axis=(0, 1)) if skies.size else np.zeros(3)

    def render(self, data: Any, camera: str, site_rgba: np.ndarray) -> np.ndarray:
        """uint8 [size, size, 3], RGB, upside down as robosuite has it."""
        ident = self.model.camera(camera).id
        position, rotation = data.cam_xpos[ident].copy(), data.cam_xmat[ident].reshape(3, 3)
        rays = camera_rays(self.size, float(self.model.cam_fovy[ident])) @ rotation.T
        distance, geom = cast(self.model, data, position, rays, VISIBLE_GROUPS, fixed=True)
        miss = geom < 0
        points = position + rays * np.where(miss, FAR, distance)[:, None]
        shape = (self.size, self.size)
        normals = surface_normals(points.reshape(*shape, 3), geom.reshape(shape))
        normals *= -np.sign(np.einsum("ij,ij->i", normals, rays))[:, None]
        colour = self._light(data, points, normals, rotation[:, 2], geom)
        self._surfaces.paint(data, points, geom, colour)
        colour[miss] = self._sky
        picture = (colour * 255 + 0.5).astype(np.uint8).reshape(*shape, 3)
        return picture[::-1]

    def close(self) -> None:
        """Nothing is held outside of Python."""

    def _light(
        self, data: Any, points: np.ndarray, normals: np.ndarray, backward: np.ndarray, geom: np.ndarray
    ) -> np.ndarray:
        """[n, 3] in [0, 1]: OpenGL's fixed pipeline: ambient, Lambert and Blinn terms, clipped before the texture."""
        model, head = self.model, self.model.vis.headlight
        material: np.ndarray = model.geom_matid[geom]
        shine: np.ndarray = np.where(material >= 0, model.mat_specular[material], 0.5)
        exponent: np.ndarray = 128 * np.where(material >= 0, model.mat_shininess[material], 0.5)
        emission = np.where(material >= 0, model.mat_emission[material], 0.0)
        diffuse = head.ambient + head.diffuse * np.maximum(normals @ backward, 0)[:, None]
        specular = head.specular * (np.maximum(normals @ backward, 0) ** exponent)[:, None]
        for i in np.flatnonzero(model.light_active).tolist():
            towards = _towards_light(model, data, i, points)
            strength = _spot(model, data, i, towards)
            lambert = np.einsum("ij,ij->i", normals, towards)
            half = towards + backward
            half /= np.linalg.norm(half, axis=1, keepdims=True)
            blinn = np.where(lambert > 0, np.maximum(np.einsum("ij,ij->i", normals, half), 0) ** exponent, 0)
            diffuse = diffuse + model.light_ambient[i] * strength[:, None]
            diffuse = diffuse + model.light_diffuse[i] * (np.maximum(lambert, 0) * strength)[:, None]
            specular = specular + model.light_specular[i] * (blinn * strength)[:, None]
        return np.clip(self._surfaces.colours[geom] * (diffuse + emission[:, None]) + specular * shine[:, None], 0, 1)


def _towards_light(model: Any, data: Any, light: int, points: np.ndarray) -> np.ndarray:
    """[n, 3]: unit directions from the points to the light."""
    if _is_directional(model, light):
        return np.broadcast_to(-data.light_xdir[light], points.shape)
    towards = data.light_xpos[light] - points
    return towards / np.linalg.norm(towards, axis=1, keepdims=True)


def _spot(model: Any, data: Any, light: int, towards: np.ndarray) -> np.ndarray:
    """[n]: the share of a spotlight's strength, 0 outside of its cone, 1 for other lights."""
    if _is_directional(model, light):
        return np.ones(len(towards))
    along = -towards @ data.light_xdir[light]
    inside = along >= np.cos(np.radians(model.light_cutoff[light]))
    return np.where(inside, np.maximum(along, 0) ** model.light_exponent[light], 0.0)


def _is_directional(model: Any, light: int) -> bool:
    return bool(model.light_type[light] == mujoco.mjtLightType.mjLIGHT_DIRECTIONAL)
