"""The two cameras of the embedded simulator and the pinhole projection that every room uses to talk about pixels.

"front" stands opposite to the robot and looks steeply down on the table: the arm reaches toward it and never hides
what it reaches for. "top" looks straight down. At 64 pixels one pixel is about 1.4 cm on the table.
"""

from dataclasses import dataclass

import mujoco
import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation


@dataclass(frozen=True)
class CameraPose:
    """Position, metres in the robot frame; direction looked in; vertical field of view, degrees.

    `tilt` is a rotation vector in degrees in the camera's own axes (right, up, backward), applied last.
    """

    position: tuple[float, float, float]
    direction: tuple[float, float, float]
    fovy: float
    up: tuple[float, float, float] = (0.0, 0.0, 1.0)
    tilt: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def rotation(self) -> Float[np.ndarray, "3 3"]:
        """Camera axes as columns (right, up, backward), MuJoCo's convention: the camera looks along -z."""
        backward = -np.asarray(self.direction) / np.linalg.norm(self.direction)
        right = np.cross(self.up, backward)
        right /= np.linalg.norm(right)
        level = np.stack([right, np.cross(backward, right), backward], axis=1)
        return level @ Rotation.from_rotvec(self.tilt, degrees=True).as_matrix()


CAMERAS: dict[str, CameraPose] = {
    "front": CameraPose((0.0, 1.12, 1.32), (0.0, -0.45, -1.27), 44.0),
    "top": CameraPose((0.0, 0.68, 1.45), (0.0, 0.0, -1.0), 40.0, up=(0.0, -1.0, 0.0)),
}


def add_cameras(spec: mujoco.MjSpec) -> None:
    for name, pose in CAMERAS.items():
        spec.worldbody.add_camera(name=name, fovy=pose.fovy)


def place_camera(model: mujoco.MjModel, name: str, pose: CameraPose) -> None:
    """Move a camera of the compiled model. In place; call mj_forward (or mj_kinematics and mj_camlight) afterwards."""
    quat = np.zeros(4)
    mujoco.mju_mat2Quat(quat, pose.rotation().ravel())
    camera = model.camera(name).id
    model.cam_pos[camera], model.cam_quat[camera], model.cam_fovy[camera] = pose.position, quat, pose.fovy


def project(
    points: Float[np.ndarray, "n 3"],
    position: Float[np.ndarray, "3"],
    rotation: Float[np.ndarray, "3 3"],
    fovy: float,
    size: int,
) -> Float[np.ndarray, "n 2"]:
    """World points to continuous (column, row) of a square picture; (0, 0) is the outer corner of the first pixel.

    Pinhole model of MuJoCo's fixed cameras: `fovy` degrees over the full height, square pixels.
    """
    local = (points - position) @ rotation
    scale = size / (2 * np.tan(np.radians(fovy) / 2))
    depth = -local[:, 2]
    return np.stack([size / 2 + scale * local[:, 0] / depth, size / 2 - scale * local[:, 1] / depth], axis=1)
