"""Pictures of a MuJoCo scene without OpenGL: the rays of a camera, and what they hit. Needs mujoco, which is no
dependency of this package; simulators that draw with rays have it.
"""

from contextlib import contextmanager
from typing import Any, Dict, Iterator, Sequence, Tuple

import mujoco
import numpy as np

GROUPS = 6
_HAS_NORMALS = "normal" in (mujoco.mj_multiRay.__doc__ or "")


def camera_rays(size: int, fovy: float) -> np.ndarray:
    """float64 [size * size, 3]: unit directions through the pixel centres in the camera's frame, row by row.

    `fovy` is the vertical field of view in degrees; the first row is the picture's upper one.
    """
    offsets = ((np.arange(size) + 0.5) / size * 2 - 1) * np.tan(np.radians(fovy) / 2)
    across, down = np.meshgrid(offsets, -offsets)
    rays = np.stack([across, down, -np.ones_like(across)], axis=-1).reshape(-1, 3)
    return rays / np.linalg.norm(rays, axis=1, keepdims=True)


def cast(
    model: Any, data: Any, position: np.ndarray, rays: np.ndarray, groups: Sequence[int], fixed: bool
) -> Tuple[np.ndarray, np.ndarray]:
    """Distance [n] and geom id [n] of the first hit among the geoms of `groups` (id -1: none, distance infinite).

    `rays` [n, 3] are directions in the world from `position`; `fixed`: geoms of bodies that cannot move count too.
    """
    mask = np.zeros(GROUPS, np.uint8)
    mask[list(groups)] = 1
    geom, distance = np.full(len(rays), -1, np.int32), np.zeros(len(rays))
    more: Dict[str, Any] = {"normal": None} if _HAS_NORMALS else {}
    with _no_angular_culling(model):
        mujoco.mj_multiRay(
            m=model,
            d=data,
            pnt=position,
            vec=np.ascontiguousarray(rays).ravel(),
            geomgroup=mask,
            flg_static=int(fixed),
            bodyexclude=-1,
            geomid=geom,
            dist=distance,
            nray=len(rays),
            cutoff=mujoco.mjMAXVAL,
            **more,
        )
    distance[geom < 0] = np.inf
    return distance, geom


def surface_normals(points: np.ndarray, geom: np.ndarray) -> np.ndarray:
    """[h * w, 3]: unit normals, of either sign, from differences to neighbouring hits on the same geom.

    points: hits [h, w, 3]; geom: their ids [h, w].
    """
    across = _difference(points, geom, axis=1)
    down = _difference(points, geom, axis=0)
    normal = np.empty_like(points)
    for i, (j, k) in enumerate(((1, 2), (2, 0), (0, 1))):
        normal[..., i] = across[..., j] * down[..., k] - across[..., k] * down[..., j]
    normal = normal.reshape(-1, 3)
    return normal / (np.sqrt(np.einsum("ij,ij->i", normal, normal))[:, None] + 1e-12)


def _difference(points: np.ndarray, geom: np.ndarray, axis: int) -> np.ndarray:
    """The shorter of the forward and the backward difference along `axis`, preferring neighbours of the same geom."""
    step = np.diff(points, axis=axis)
    length = np.einsum("ijk,ijk->ij", step, step) + 1e3 * (np.diff(geom, axis=axis) != 0)
    first, last = [slice(None)] * 2, [slice(None)] * 2
    first[axis], last[axis] = slice(0, 1), slice(-1, None)
    forward = np.concatenate([step, step[tuple(last)]], axis=axis)
    backward = np.concatenate([step[tuple(first)], step], axis=axis)
    ahead = np.concatenate([length, length[tuple(last)]], axis=axis)
    behind = np.concatenate([length[tuple(first)], length], axis=axis)
    return np.where((ahead <= behind)[..., None], forward, backward)


@contextmanager
def _no_angular_culling(model: Any) -> Iterator[None]:
    """Make mj_multiRay exact: MuJoCo 3.3.0 bounds a geom by the longitudes and latitudes of its box's corners, which
    is too tight below the camera (it cuts a disc out of a table); bodies without a volume hierarchy are not culled.
    """
    hierarchy = model.body_bvhadr.copy()
    model.body_bvhadr[:] = -1
    try:
        yield
    finally:
        model.body_bvhadr[:] = hierarchy
