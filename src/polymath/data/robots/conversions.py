"""From one robot's convention to another: grippers, rotations, deltas. Arrays are [T, …], numpy in and out.

Rotations go through scipy's `Rotation`. Euler angles are roll, pitch, yaw about the fixed axes x, y, z ("xyz" in lower
case there), quaternions are x, y, z, w. `relative_to_absolute` and `settled` are the conventions of the Open
X-Embodiment collection as Octo's standardisation states them (octo/data/utils/data_utils.py).
"""

from typing import cast

import numpy as np
import scipy  # loads scipy.spatial at its first use: 0.4 s that a server without rotations need not wait
from jaxtyping import Float

from polymath.errors import ConfigError
from polymath.types import Gripper, Rotation

# A gripper command above OPEN is open, below CLOSED closed, in between on its way.
OPEN, CLOSED = 0.95, 0.05
MOVING = 0.1  # a relative gripper command below this means: as before

_AS_OPENING: dict[str, tuple[float, float]] = {  # opening in [0, 1] = scale * value + offset
    "0 closed 1 open": (1.0, 0.0),
    "0 open 1 closed": (-1.0, 1.0),
    "-1 closed 1 open": (0.5, 0.5),
    "-1 open 1 closed": (-0.5, 0.5),
}


def gripper(values: Float[np.ndarray, "*n"], source: Gripper, target: Gripper) -> Float[np.ndarray, "*n"]:
    """Another convention for the same opening. Raises ConfigError for one that says nothing of an opening."""
    for name in (source, target):
        if name not in _AS_OPENING:
            raise ConfigError(f"gripper convention {name!r}: choose from {', '.join(_AS_OPENING)}")
    scale, offset = _AS_OPENING[source]
    opening = scale * np.asarray(values) + offset
    scale, offset = _AS_OPENING[target]
    return ((opening - offset) / scale).astype(np.float32)


def settled(opening: Float[np.ndarray, " T"]) -> Float[np.ndarray, " T"]:
    """A continuous opening as 0 or 1: on its way between, the value it will settle at (BridgeData V2)."""
    result, carried = np.empty(len(opening), np.float32), float(opening[-1]) if len(opening) else 0.0
    for t in range(len(opening) - 1, -1, -1):
        if opening[t] > OPEN:
            carried = 1.0
        elif opening[t] < CLOSED:
            carried = 0.0
        result[t] = carried
    return result


def relative_to_absolute(closing: Float[np.ndarray, " T"]) -> Float[np.ndarray, " T"]:
    """Commands +1 close, -1 open, 0 as before -> opening in {0, 1}; open where nothing was ever commanded (RT-1)."""
    commanded = np.where(closing < -MOVING, 1.0, np.where(closing > MOVING, 0.0, np.nan))
    known = np.flatnonzero(~np.isnan(commanded))
    if not len(known):
        return np.ones(len(closing), np.float32)
    last = np.maximum.accumulate(np.where(np.isnan(commanded), -1, np.arange(len(commanded))))
    before_first = 1.0 - commanded[known[0]]
    return np.where(last < 0, before_first, commanded[np.maximum(last, 0)]).astype(np.float32)


def rotation(values: Float[np.ndarray, "*n k"], source: Rotation, target: Rotation) -> Float[np.ndarray, "*n m"]:
    """The same rotations written in another way; widths 3 (euler xyz, axis-angle), 4 (quaternion xyzw), 6 (columns)."""
    values = np.asarray(values, np.float64)
    lead = values.shape[:-1]
    rotations = _from(values.reshape(-1, values.shape[-1]), source)
    result = {
        "euler xyz": lambda: rotations.as_euler("xyz"),
        "axis-angle": rotations.as_rotvec,
        "quaternion xyzw": lambda: rotations.as_quat(canonical=True),
        "rotation 6d": lambda: rotations.as_matrix()[:, :, :2].transpose(0, 2, 1).reshape(-1, 6),
    }
    if target not in result:
        raise ConfigError(f"rotation {target!r}: choose from {', '.join(result)}")
    written = cast(np.ndarray, result[target]())
    return written.reshape(*lead, -1)


def _from(values: Float[np.ndarray, "n k"], source: Rotation) -> "scipy.spatial.transform.Rotation":
    if source == "euler xyz":
        return scipy.spatial.transform.Rotation.from_euler("xyz", values)
    if source == "axis-angle":
        return scipy.spatial.transform.Rotation.from_rotvec(values)
    if source == "quaternion xyzw":
        return scipy.spatial.transform.Rotation.from_quat(values)
    if source == "rotation 6d":  # two columns, made orthonormal by Gram and Schmidt (Zhou et al. 2019)
        a, b = values[:, :3], values[:, 3:]
        x = a / np.linalg.norm(a, axis=1, keepdims=True)
        y = b - (x * b).sum(1, keepdims=True) * x
        y = y / np.linalg.norm(y, axis=1, keepdims=True)
        return scipy.spatial.transform.Rotation.from_matrix(np.stack([x, y, np.cross(x, y)], axis=2))
    raise ConfigError(f"rotation {source!r}: has no value to convert")


def wrapped(angles: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
    """Angles in radians, into [-pi, pi)."""
    return (np.asarray(angles) + np.pi) % (2 * np.pi) - np.pi


def pose_delta(pose: Float[np.ndarray, "T 6"], following: Float[np.ndarray, "T 6"]) -> Float[np.ndarray, "T 6"]:
    """What leads from pose to the following one, both x, y, z, roll, pitch, yaw in the base frame.

    Translation is subtracted; the rotation is the one about the base's axes, `following = delta * pose`, as euler xyz.
    """
    turn = _from(following[:, 3:], "euler xyz") * _from(pose[:, 3:], "euler xyz").inv()
    return np.concatenate([following[:, :3] - pose[:, :3], turn.as_euler("xyz")], axis=1)


def apply_pose_delta(pose: Float[np.ndarray, "T 6"], delta: Float[np.ndarray, "T 6"]) -> Float[np.ndarray, "T 6"]:
    """The inverse of `pose_delta`: where each pose gets to."""
    turned = _from(delta[:, 3:], "euler xyz") * _from(pose[:, 3:], "euler xyz")
    return np.concatenate([pose[:, :3] + delta[:, :3], turned.as_euler("xyz")], axis=1)


def euler_difference(states: Float[np.ndarray, "T 6"]) -> Float[np.ndarray, "T-1 6"]:
    """Differences of consecutive x, y, z, roll, pitch, yaw as plain numbers, angles not wrapped (Octo's
    relabelling).
    """
    return np.diff(states, axis=0)


CALVIN_METRES, CALVIN_RADIANS = 0.02, 0.05


def calvin_relative(pose: Float[np.ndarray, "T 6"], target: Float[np.ndarray, "T 6"]) -> Float[np.ndarray, "T 6"]:
    """CALVIN's relative action in [-1, 1]: 0.02 m and 0.05 rad are one, what is beyond is clipped
    (to_relative_action).
    """
    metres = np.clip(target[:, :3] - pose[:, :3], -CALVIN_METRES, CALVIN_METRES) / CALVIN_METRES
    radians = np.clip(wrapped(target[:, 3:] - pose[:, 3:]), -CALVIN_RADIANS, CALVIN_RADIANS) / CALVIN_RADIANS
    return np.concatenate([metres, radians], axis=1)


def calvin_target(pose: Float[np.ndarray, "T 6"], relative: Float[np.ndarray, "T 6"]) -> Float[np.ndarray, "T 6"]:
    """The inverse of `calvin_relative` where that did not clip."""
    target = pose + relative * np.array([CALVIN_METRES] * 3 + [CALVIN_RADIANS] * 3)
    target[:, 3:] = wrapped(target[:, 3:])
    return target
