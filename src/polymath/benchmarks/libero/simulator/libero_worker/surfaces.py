"""Colours of surfaces for the ray caster: textures of planes, boxes and cylinders, and of meshes.

A ray's hit says which geom it is, not which of a mesh's triangles. So a mesh's texture is laid out once as a grid of
little cubes, of 3 mm or more, with the mean colour of the surface inside; a hit takes the colour of its cube.
"""

import itertools
from functools import lru_cache
from typing import Any, Dict, NamedTuple

import mujoco
import numpy as np

CELL = 0.003
"""Metres of a cube's side, or 1/CUBES of a mesh's longest side if that is more."""
CUBES = 150
_NEIGHBOURS = sorted(itertools.product((0, -1, 1), repeat=3), key=lambda shift: sum(map(abs, shift)))
_DEFAULT_RGBA = (0.5, 0.5, 0.5, 1.0)
"""MuJoCo's own colour of a geom: one that is set wins over its material's."""


class Grid(NamedTuple):
    """A mesh's colours: lower corner [3], a cube's side, cubes along each axis [3]; sorted keys of the cubes that hold
    a piece of the surface [n], and their colours [n, 3].
    """

    low: np.ndarray
    side: float
    sides: np.ndarray
    keys: np.ndarray
    colours: np.ndarray


class Surfaces:
    """The colours of one model. `colours` [geoms, 3] are those without texture, in [0, 1]."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.colours = np.array(model.geom_rgba[:, :3], np.float32)
        of_material = (model.geom_matid >= 0) & (model.geom_rgba == np.array(_DEFAULT_RGBA, np.float32)).all(axis=1)
        self.colours[of_material] = model.mat_rgba[model.geom_matid[of_material], :3]
        self._textured = [geom for geom in range(model.ngeom) if self._texture(geom) >= 0 and model.geom_group[geom]]
        self._images: Dict[int, np.ndarray] = {}
        self._grids: Dict[int, Grid] = {}

    def paint(self, data: Any, points: np.ndarray, geom: np.ndarray, colour: np.ndarray) -> None:
        """Multiply the textures into `colour` [n, 3], in place; `points` [n, 3] in the world, `geom` [n]."""
        seen = set(np.unique(geom).tolist())
        for textured in self._textured:
            if textured not in seen:
                continue
            pixels = np.flatnonzero(geom == textured)
            local = (points[pixels] - data.geom_xpos[textured]) @ data.geom_xmat[textured].reshape(3, 3)
            colour[pixels] *= self._look_up(textured, local)

    def _image(self, texture: int) -> np.ndarray:
        if texture not in self._images:
            self._images[texture] = texture_image(self.model, texture)
        return self._images[texture]

    def _texture(self, geom: int) -> int:
        material = self.model.geom_matid[geom]
        if material < 0:
            return -1
        return int(self.model.mat_texid[material, mujoco.mjtTextureRole.mjTEXROLE_RGB])

    def _look_up(self, geom: int, local: np.ndarray) -> np.ndarray:
        model, texture = self.model, self._texture(geom)
        if model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_MESH:
            if model.mesh_texcoordadr[model.geom_dataid[geom]] < 0:
                return self._image(texture).reshape(-1, 3).mean(axis=0)
            return self._of_mesh(geom, local)
        size = np.where(model.geom_size[geom] > 0, model.geom_size[geom], 1.0)
        if model.tex_type[texture] == mujoco.mjtTexture.mjTEXTURE_CUBE:
            return sample_cube(self._image(texture), local / size)
        scale = model.mat_texrepeat[model.geom_matid[geom]] / 2.0
        if not model.mat_texuniform[model.geom_matid[geom]]:
            scale = scale / size[:2]
        return sample(self._image(texture), local[:, :2] * scale * (1, -1) - 0.5)

    def _of_mesh(self, geom: int, local: np.ndarray) -> np.ndarray:
        if geom not in self._grids:
            self._grids[geom] = self._lay_out(geom)
        low, side, sides, keys, colours = self._grids[geom]
        cell = np.floor((local - low) / side).astype(np.int64)
        found, result = np.zeros(len(local), bool), np.full((len(local), 3), colours.mean(axis=0))
        for shift in _NEIGHBOURS:
            key = _key(cell + shift, sides)
            place = np.minimum(np.searchsorted(keys, key), len(keys) - 1)
            hit = ~found & (keys[place] == key)
            result[hit] = colours[place[hit]]
            found |= hit
            if found.all():
                break
        return result

    def _lay_out(self, geom: int) -> Grid:
        model, mesh = self.model, self.model.geom_dataid[geom]
        faces = slice(model.mesh_faceadr[mesh], model.mesh_faceadr[mesh] + model.mesh_facenum[mesh])
        corners = model.mesh_vert[model.mesh_vertadr[mesh] + model.mesh_face[faces]]  # [F, 3, 3]
        uv = model.mesh_texcoord[model.mesh_texcoordadr[mesh] + model.mesh_facetexcoord[faces]]  # [F, 3, 2]
        image = self._image(self._texture(geom))
        low, high = corners.min(axis=(0, 1)), corners.max(axis=(0, 1))
        side = max(CELL, float((high - low).max()) / CUBES)
        edge = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(axis=1)
        parts = np.clip(np.ceil(edge / side), 1, CUBES).astype(int)
        points, colours = [], []
        for part in np.unique(parts):
            weights = _lattice(part)
            chosen = parts == part
            points.append(np.einsum("kc,fcd->fkd", weights, corners[chosen]).reshape(-1, 3))
            at = np.einsum("kc,fcd->fkd", weights, uv[chosen]).reshape(-1, 2)
            colours.append(sample(image, at))
        where, colour = np.concatenate(points), np.concatenate(colours)
        low = low - side
        cell = np.floor((where - low) / side).astype(np.int64)
        sides = cell.max(axis=0) + 2
        keys, index, count = np.unique(_key(cell, sides), return_inverse=True, return_counts=True)
        index = index.ravel()
        mean = np.stack([np.bincount(index, colour[:, c], len(keys)) / count for c in range(3)], axis=1)
        return Grid(low, side, sides, keys, mean)


def sample(image: np.ndarray, uv: np.ndarray) -> np.ndarray:
    """[n, 3] in [0, 1]: the image [h, w, 3], repeated in both directions, at u to the right, v down [n, 2]."""
    height, width = image.shape[:2]
    column = np.floor(uv[:, 0] * width).astype(int) % width
    row = np.floor(uv[:, 1] * height).astype(int) % height
    return image[row, column]


def sample_cube(image: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """[n, 3] in [0, 1]: OpenGL's cube map in the directions [n, 3]; six faces one above the other, or one for all."""
    x, y, z = direction.T
    axis = np.abs(direction).argmax(axis=1)
    positive = direction[np.arange(len(direction)), axis] > 0
    depth = np.abs(direction).max(axis=1)
    sign = np.where(positive, 1, -1)
    across = np.select([axis == 0, axis == 1], [-z * sign, x], x * sign)
    down = np.select([axis == 0, axis == 1], [-y, z * sign], -y)
    side = image.shape[1]
    column = np.clip((across / depth + 1) / 2 * side, 0, side - 1).astype(int)
    row = np.clip((down / depth + 1) / 2 * side, 0, side - 1).astype(int)
    face = np.where(image.shape[0] > side, 2 * axis + (1 - positive), 0)
    return image[face * side + row, column]


def texture_image(model: Any, texture: int) -> np.ndarray:
    """float32 [h, w, 3] in [0, 1]: the texture, decoded where it is in sRGB, as OpenGL does."""
    height, width = int(model.tex_height[texture]), int(model.tex_width[texture])
    channels, start = int(model.tex_nchannel[texture]), int(model.tex_adr[texture])
    image = model.tex_data[start : start + channels * height * width].reshape(height, width, channels)[..., :3]
    if not hasattr(model, "tex_colorspace"):  # before MuJoCo 3.3.1 no texture was decoded
        return _levels(False)[image]
    return _levels(bool(model.tex_colorspace[texture] == mujoco.mjtColorSpace.mjCOLORSPACE_SRGB))[image]


@lru_cache(maxsize=2)
def _levels(srgb: bool) -> np.ndarray:
    """float32 [256]: what a byte of a texture stands for. sRGB's curve is that of IEC 61966-2-1."""
    values = np.arange(256, dtype=np.float32) / 255
    if not srgb:
        return values
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4).astype(np.float32)


def _lattice(parts: int) -> np.ndarray:
    """[parts squared, 3]: barycentric weights of the centres of a triangle that is cut into `parts` a side."""
    up = [(i + 1 / 3, j + 1 / 3) for i in range(parts) for j in range(parts - i)]
    down = [(i + 2 / 3, j + 2 / 3) for i in range(parts) for j in range(parts - 1 - i)]
    first_two = np.array(up + down) / parts
    return np.concatenate([first_two, 1 - first_two.sum(axis=1, keepdims=True)], axis=1)


def _key(cell: np.ndarray, sides: np.ndarray) -> np.ndarray:
    cell = np.clip(cell, 0, sides - 1)
    return (cell[:, 0] * sides[1] + cell[:, 1]) * sides[2] + cell[:, 2]
