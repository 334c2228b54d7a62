"""Pictures of a MuJoCo scene: by ray casting on the CPU (no OpenGL at all) or through OpenGL when asked for.

    renderer = make_renderer("ray", model, size=64)       # "ray", "egl" or "osmesa"
    picture = renderer.render(data, "front")              # uint8 [64, 64, 3], RGB

Both draw the visible geoms only (groups 0 to 2, see `scene.py`), with the same colours, lights and table texture, no
shadows and no reflections. Pictures of different renderers differ by a few percent, so `renderer_identity` is stored
with every data set and every result.
"""

from typing import Protocol

import mujoco
import numpy as np
from jaxtyping import Float, Int, UInt8

from polymath.benchmarks.metaworld.scene.scene import FIXED_GROUP, MOVING_GROUP
from polymath.errors import ConfigError
from polymath_worker.rays import camera_rays, cast, surface_normals

RENDERERS = ("ray", "egl", "osmesa")


class Renderer(Protocol):
    """What draws pictures of one model."""

    def render(self, data: mujoco.MjData, camera: str) -> UInt8[np.ndarray, "size size 3"]:
        """The scene as `data` has it (call mj_forward before), seen by the named camera."""

    def close(self) -> None:
        """Free what the renderer holds outside of Python."""


def renderer_identity(name: str) -> str:
    """The string stored with data sets and results, for example "mujoco-3.3.0/ray"."""
    if name not in RENDERERS:
        raise ConfigError(f"renderer {name!r}: choose one of {', '.join(RENDERERS)}; ray needs no OpenGL")
    return f"mujoco-{mujoco.__version__}/{name}"


def make_renderer(name: str, model: mujoco.MjModel, size: int) -> Renderer:
    """Raises ConfigError for an unknown name or an OpenGL library that is not there."""
    renderer_identity(name)
    if name == "ray":
        return RayCaster(model, size)
    from polymath.benchmarks.metaworld.scene.gl import GLRenderer

    return GLRenderer(model, size, name)


class RayCaster:
    """One ray per pixel with `mj_multiRay`.

    Fixed geoms are cast once per camera pose and kept until something fixed moves; each frame then casts the moving
    geoms only, and only through the pixels that their bounding spheres can cover.
    """

    def __init__(self, model: mujoco.MjModel, size: int):
        self.model, self.size = model, size
        visible = model.geom_group < 3
        self._fixed = np.flatnonzero(visible & (model.geom_group != MOVING_GROUP))
        self._moving = np.flatnonzero(visible & (model.geom_group == MOVING_GROUP))
        self._directions: dict[float, Float[np.ndarray, "pixels 3"]] = {}
        self._background: dict[str, tuple[bytes, Float[np.ndarray, " pixels"], Int[np.ndarray, " pixels"]]] = {}

    def close(self) -> None:
        self._background.clear()

    def render(self, data: mujoco.MjData, camera: str) -> UInt8[np.ndarray, "size size 3"]:
        ident = self.model.camera(camera).id
        position, rotation = data.cam_xpos[ident].copy(), data.cam_xmat[ident].reshape(3, 3)
        fovy = float(self.model.cam_fovy[ident])
        rays = self._camera_rays(fovy) @ rotation.T
        distance, geom = self._cast_fixed(data, camera, position, rays)
        covered = self._covered(data, position, rotation, fovy)
        if covered.size:
            near, nearest = self._cast(data, position, rays[covered], MOVING_GROUP)
            hit = (nearest >= 0) & (near < distance[covered])
            distance[covered[hit]], geom[covered[hit]] = near[hit], nearest[hit]
        single = np.float32
        return self._shade(data, position, rotation[:, 2], rays.astype(single), distance.astype(single), geom)

    def _camera_rays(self, fovy: float) -> Float[np.ndarray, "pixels 3"]:
        if fovy not in self._directions:
            self._directions[fovy] = camera_rays(self.size, fovy)
        return self._directions[fovy]

    def _cast(
        self, data: mujoco.MjData, position: Float[np.ndarray, "3"], rays: Float[np.ndarray, "n 3"], group: int
    ) -> tuple[Float[np.ndarray, " n"], Int[np.ndarray, " n"]]:
        """Distance and geom id of the first hit among the geoms of `group` (id -1: none, distance infinite)."""
        return cast(self.model, data, position, rays, [group], fixed=group != MOVING_GROUP)

    def _cast_fixed(
        self, data: mujoco.MjData, camera: str, position: Float[np.ndarray, "3"], rays: Float[np.ndarray, "pixels 3"]
    ) -> tuple[Float[np.ndarray, " pixels"], Int[np.ndarray, " pixels"]]:
        places = (rays[:: self.size + 1], position, data.geom_xpos[self._fixed], data.geom_xmat[self._fixed])
        key = b"".join(part.tobytes() for part in places)
        if camera not in self._background or self._background[camera][0] != key:
            self._background[camera] = (key, *self._cast(data, position, rays, FIXED_GROUP))
        _, distance, geom = self._background[camera]
        return distance.copy(), geom.copy()

    def _covered(
        self, data: mujoco.MjData, position: Float[np.ndarray, "3"], rotation: Float[np.ndarray, "3 3"], fovy: float
    ) -> Int[np.ndarray, " n"]:
        """Pixels inside the squares that bound the moving geoms' bounding spheres in the picture."""
        local = (data.geom_xpos[self._moving] - position) @ rotation
        radius = self.model.geom_rbound[self._moving]
        scale = self.size / (2 * np.tan(np.radians(fovy) / 2))
        depth = np.maximum(-local[:, 2] - radius, 0.05)
        column = self.size / 2 + scale * np.stack([local[:, 0] - radius, local[:, 0] + radius]) / depth
        row = self.size / 2 - scale * np.stack([local[:, 1] + radius, local[:, 1] - radius]) / depth
        far = np.maximum(-local[:, 2], 0.05)  # the sphere's near side magnifies; its centre's depth bounds the far edge
        column = _outer(column, self.size / 2 + scale * np.stack([local[:, 0] - radius, local[:, 0] + radius]) / far)
        row = _outer(row, self.size / 2 - scale * np.stack([local[:, 1] + radius, local[:, 1] - radius]) / far)
        mask = np.zeros((self.size, self.size), bool)
        bounds = np.clip(np.concatenate([column, row]), 0, self.size).astype(int)
        for left, right, top, bottom in bounds.T:
            mask[top : bottom + 1, left : right + 1] = True
        return np.flatnonzero(mask)

    def _shade(
        self,
        data: mujoco.MjData,
        position: Float[np.ndarray, "3"],
        backward: Float[np.ndarray, "3"],
        rays: Float[np.ndarray, "pixels 3"],
        distance: Float[np.ndarray, " pixels"],
        geom: Int[np.ndarray, " pixels"],
    ) -> UInt8[np.ndarray, "size size 3"]:
        """Ambient light, the headlight along the camera's axis and the directional lights, by Lambert's law.

        As in OpenGL's fixed pipeline the lit colour is clipped before the texture is multiplied in.
        """
        miss = geom < 0
        points = position.astype(np.float32) + rays * np.where(miss, 10, distance)[:, None]
        normals = surface_normals(points.reshape(self.size, self.size, 3), geom.reshape(self.size, self.size))
        normals *= -np.sign(np.einsum("ij,ij->i", normals, rays))[:, None]
        head = self.model.vis.headlight
        light = head.ambient + head.diffuse * np.maximum(normals @ backward.astype(np.float32), 0)[:, None]
        for index in np.flatnonzero(self.model.light_active):
            lambert = np.maximum(normals @ -data.light_xdir[index].astype(np.float32), 0)
            light = light + self.model.light_ambient[index] + self.model.light_diffuse[index] * lambert[:, None]
        colour = np.minimum(self.model.geom_rgba[geom, :3] * light, 1)
        self._paint_textures(points, geom, colour)
        colour[miss] = 0
        return (colour * 255 + 0.5).astype(np.uint8).reshape(self.size, self.size, 3)

    def _paint_textures(
        self, points: Float[np.ndarray, "pixels 3"], geom: Int[np.ndarray, " pixels"], colour: Float[np.ndarray, "p 3"]
    ) -> None:
        """Multiply in the 2D textures (uniform scale, laid on the geom's x-y plane). In place."""
        model = self.model
        for textured in np.flatnonzero(model.geom_matid >= 0):
            pixels = np.flatnonzero(geom == textured)
            texture = model.mat_texid[model.geom_matid[textured], mujoco.mjtTextureRole.mjTEXROLE_RGB]
            if not pixels.size or texture < 0:
                continue
            height, width = model.tex_height[texture], model.tex_width[texture]
            start = model.tex_adr[texture]
            image = model.tex_data[start : start + 3 * height * width].reshape(height, width, 3)
            uv = points[pixels, :2] * model.mat_texrepeat[model.geom_matid[textured]]
            row = (uv[:, 1] * height).astype(int) % height
            column = (uv[:, 0] * width).astype(int) % width
            colour[pixels] *= image[row, column] / 255.0


def _outer(first: Float[np.ndarray, "2 n"], second: Float[np.ndarray, "2 n"]) -> Float[np.ndarray, "2 n"]:
    return np.stack([np.minimum(first[0], second[0]), np.maximum(first[1], second[1])])
