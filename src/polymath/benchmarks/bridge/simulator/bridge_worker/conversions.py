"""Between BridgeData's vectors and those of SIMPLER's WidowX environments.

    state   x, y, z [m] of the gripper in the robot's base frame; roll, pitch, yaw [rad] relative to the gripper that
            points down; opening, 0 closed to 1 open. What the real robot's controller writes into BridgeData.
    action  dx, dy, dz [m], droll, dpitch, dyaw [rad] in the base frame; gripper -1 closed, 1 open.

Sources: the environments' controller `arm_pd_ee_target_delta_pose_align2`, which takes its rotation as a rotation
vector (mani_skill2_real2sim/agents/controllers/pd_ee_pose.py); the conversion of every official policy, Euler angles
about fixed axes -> rotation vector, gripper above the middle -> 1, else -1 (simpler_env/policies/octo/octo_model.py);
the default rotation of BridgeData's states (bridge_data_robot, widowx_controller; open-pi-zero,
src/agent/env_adapter/simpler.py).
"""

from typing import Sequence, Tuple, Union

import numpy as np

Numbers = Union[Sequence[float], np.ndarray]

POINTING_DOWN = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]])
"""Rotation matrix of a gripper that points down in the base frame: roll, pitch and yaw are 0 there."""

FINGER_CLOSED, FINGER_OPEN = 0.015, 0.037
"""Metres, the limits of a finger's joint."""


def state(position: Numbers, quaternion: Numbers, fingers: Numbers) -> np.ndarray:
    """BridgeData's state, float32 [7], of the gripper's pose in the base frame and the two finger joints [m].

    quaternion: w, x, y, z, as SAPIEN has it.
    """
    angles = euler_of(matrix_of(quaternion) @ POINTING_DOWN.T)
    opening = (float(np.mean(fingers)) - FINGER_CLOSED) / (FINGER_OPEN - FINGER_CLOSED)
    return np.concatenate([position, angles, [min(max(opening, 0.0), 1.0)]]).astype(np.float32)


def to_simulator(action: np.ndarray) -> np.ndarray:
    """The environment's action, float64 [7]: translation [m], rotation vector [rad], gripper -1 or 1."""
    action = np.asarray(action, np.float64)
    return np.concatenate([action[:3], rotation_vector(action[3:6]), [1.0 if action[6] > 0 else -1.0]])


def matrix_of(quaternion: Numbers) -> np.ndarray:
    """Rotation matrix [3, 3] of a quaternion w, x, y, z of any length but 0."""
    w, x, y, z = np.asarray(quaternion, np.float64) / np.linalg.norm(quaternion)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def euler_of(matrix: np.ndarray) -> np.ndarray:
    """Roll, pitch, yaw [rad] about the fixed axes x, y, z, so that matrix = Rz(yaw) Ry(pitch) Rx(roll)."""
    cosine = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    pitch = np.arctan2(-matrix[2, 0], cosine)
    if cosine < 1e-9:  # pointing along z: only the sum or the difference of roll and yaw is determined
        return np.array([np.arctan2(-matrix[1, 2], matrix[1, 1]), pitch, 0.0])
    roll, yaw = np.arctan2(matrix[2, 1], matrix[2, 2]), np.arctan2(matrix[1, 0], matrix[0, 0])
    return np.array([roll, pitch, yaw])


def rotation_vector(angles: Numbers) -> np.ndarray:
    """Axis times angle in [0, pi], of roll, pitch, yaw about the fixed axes x, y, z."""
    axis, sine, cosine = _half_angle(angles)
    if cosine < 0:
        axis, cosine = -axis, -cosine
    angle = 2 * np.arctan2(sine, cosine)
    return axis * (angle / sine if sine > 1e-12 else 2.0)


def _half_angle(angles: Numbers) -> Tuple[np.ndarray, float, float]:
    """The quaternion of roll, pitch, yaw: its vector, the length of that, its scalar."""
    half = np.asarray(angles, np.float64) / 2
    (sr, sp, sy), (cr, cp, cy) = np.sin(half), np.cos(half)
    vector = np.array([sr * cp * cy - cr * sp * sy, cr * sp * cy + sr * cp * sy, cr * cp * sy - sr * sp * cy])
    return vector, float(np.linalg.norm(vector)), float(cr * cp * cy + sr * sp * sy)
