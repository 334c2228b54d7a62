"""Rotations, and points on the collision geometry that the experts plan with. Lengths in metres, angles in radians."""

from typing import Any, Tuple

import numpy as np

SPACING = 0.006  # of the points on a geometry
MOST_ALONG_AN_EDGE = 24


def downward(yaw: float) -> np.ndarray:
    """The rotation [3, 3] of a gripper that points down and whose fingers close along the direction `yaw`."""
    closing = np.array([np.cos(yaw), np.sin(yaw), 0.0])
    approach = np.array([0.0, 0.0, -1.0])
    return np.stack([closing, np.cross(approach, closing), approach], axis=1)


def rotation_vector(rotation: np.ndarray) -> np.ndarray:
    """Axis times angle [3] of a rotation matrix [3, 3], the angle in [0, pi]."""
    skew = np.array([rotation[2, 1] - rotation[1, 2], rotation[0, 2] - rotation[2, 0], rotation[1, 0] - rotation[0, 1]])
    sine, cosine = np.linalg.norm(skew) / 2, (np.trace(rotation) - 1) / 2
    angle = np.arctan2(sine, cosine)
    if sine > 1e-6:
        return skew / (2 * sine) * angle
    if cosine > 0:
        return skew / 2
    # Half a turn: the axis is the column of R + 1 that is longest.
    columns = rotation + np.eye(3)
    axis = columns[:, np.argmax(np.linalg.norm(columns, axis=0))]
    return axis / np.linalg.norm(axis) * np.pi


def half_turn_apart(angle: float, reference: float) -> float:
    """The angle equal to `angle` modulo pi that is nearest to `reference`: a gripper turned by pi is the same."""
    return reference + (angle - reference + np.pi / 2) % np.pi - np.pi / 2


def clipped(vector: np.ndarray, longest: float = 1.0) -> np.ndarray:
    """The vector, shortened to `longest` in its own direction."""
    length = float(np.linalg.norm(vector))
    return vector if length <= longest else vector * (longest / length)


def box_points(half: np.ndarray) -> np.ndarray:
    """Points [N, 3] on the surface of a box of half edges [3], about SPACING apart."""
    counts = [int(np.clip(np.ceil(2 * edge / SPACING) + 1, 2, MOST_ALONG_AN_EDGE)) for edge in half]
    lines = [np.linspace(-edge, edge, count) for edge, count in zip(half, counts)]
    grid = np.stack(np.meshgrid(*lines, indexing="ij"), axis=-1).reshape(-1, 3)
    return grid[(np.abs(np.abs(grid) - half) < 1e-9).any(axis=1)]


def local_points(model: Any, geom: int) -> np.ndarray:
    """Points [N, 3] of a MuJoCo geom in its own frame: a mesh's corners, or a box around any other shape."""
    mesh = int(model.geom_dataid[geom])
    if mesh >= 0:
        start, count = int(model.mesh_vertadr[mesh]), int(model.mesh_vertnum[mesh])
        return np.array(model.mesh_vert[start : start + count], dtype=np.float64)
    center, half = model.geom_aabb[geom][:3], model.geom_aabb[geom][3:]
    return box_points(np.array(half, dtype=np.float64)) + center


def extent(points: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
    """The least and greatest coordinates [3] of points [N, 3]."""
    return points.min(axis=0), points.max(axis=0)
