"""Each conversion against its inverse, and against values known from elsewhere (named beside each)."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.transform import Rotation as R

from polymath.data.robots import conversions as c
from polymath.data.robots.embodiments import ROBOTS, check
from polymath.errors import ConfigError

GRIPPERS = ("0 closed 1 open", "0 open 1 closed", "-1 closed 1 open", "-1 open 1 closed")
ROTATIONS = ("euler xyz", "axis-angle", "quaternion xyzw", "rotation 6d")
ANGLES = arrays(np.float64, (4, 3), elements=st.floats(-1.5, 1.5))


def test_grippers_by_hand() -> None:
    """Half closed is half open; open is 1, 0, 1, -1 in the four conventions."""
    for name, open_value in zip(GRIPPERS, (1, 0, 1, -1), strict=True):
        assert c.gripper(np.array([1.0]), "0 closed 1 open", name) == open_value
        assert c.gripper(np.array([0.0]), "0 closed 1 open", name) == (
            1 - open_value if "0" in name[:2] else -open_value
        )
    with pytest.raises(ConfigError, match="metres"):
        c.gripper(np.zeros(1), "metres", "0 closed 1 open")


@pytest.mark.parametrize("source", GRIPPERS)
@pytest.mark.parametrize("target", GRIPPERS)
def test_grippers_invert(source: str, target: str) -> None:
    values = np.linspace(-1 if source[0] == "-" else 0, 1, 9)
    there = c.gripper(values, source, target)
    np.testing.assert_allclose(c.gripper(there, target, source), values, atol=1e-6)


def test_known_rotations() -> None:
    """A quarter turn about z; a third of a turn about (1, 1, 1) permutes the axes (quaternion ½, ½, ½, ½)."""
    quarter = np.array([[0, 0, np.pi / 2]])
    np.testing.assert_allclose(c.rotation(quarter, "euler xyz", "axis-angle"), quarter, atol=1e-12)
    half = np.sqrt(0.5)
    np.testing.assert_allclose(c.rotation(quarter, "axis-angle", "quaternion xyzw"), [[0, 0, half, half]], atol=1e-12)
    np.testing.assert_allclose(c.rotation(quarter, "euler xyz", "rotation 6d"), [[0, 1, 0, -1, 0, 0]], atol=1e-12)
    third = np.full((1, 3), 2 * np.pi / 3 / np.sqrt(3))
    np.testing.assert_allclose(c.rotation(third, "axis-angle", "quaternion xyzw"), [[0.5] * 4], atol=1e-12)
    # the fixed axes x, then y, then z: R = Rz Ry Rx
    angles = np.array([[0.1, 0.2, 0.3]])
    x, y, z = (R.from_rotvec(np.eye(3)[i] * angles[0, i]) for i in range(3))
    np.testing.assert_allclose(c.rotation(angles, "euler xyz", "axis-angle")[0], (z * y * x).as_rotvec(), atol=1e-12)


@pytest.mark.parametrize("target", ROTATIONS[1:])
@given(angles=ANGLES)
def test_rotations_invert(target: str, angles: np.ndarray) -> None:
    there = c.rotation(angles, "euler xyz", target)
    back = c.rotation(there, target, "euler xyz")
    np.testing.assert_allclose(
        R.from_euler("xyz", back).as_matrix(), R.from_euler("xyz", angles).as_matrix(), atol=1e-6
    )


@given(poses=arrays(np.float64, (5, 6), elements=st.floats(-1.5, 1.5)))
def test_pose_deltas_invert(poses: np.ndarray) -> None:
    reached = c.apply_pose_delta(poses[:-1], c.pose_delta(poses[:-1], poses[1:]))
    np.testing.assert_allclose(reached[:, :3], poses[1:, :3], atol=1e-9)
    np.testing.assert_allclose(
        R.from_euler("xyz", reached[:, 3:]).as_matrix(), R.from_euler("xyz", poses[1:, 3:]).as_matrix(), atol=1e-9
    )


def test_calvins_actions() -> None:
    """One centimetre is 0.5, 0.1 rad is clipped to 1, an angle over the end of the circle is small (calvin_env,
    utils).
    """
    pose, target = np.zeros((1, 6)), np.array([[0.01, -0.02, 0.5, 0.05, 0.1, -0.025]])
    np.testing.assert_allclose(c.calvin_relative(pose, target), [[0.5, -1, 1, 1, 1, -0.5]], atol=1e-12)
    across = c.calvin_relative(np.array([[0, 0, 0, 0, 0, 3.14]]), np.array([[0, 0, 0, 0, 0, -3.14]]))
    np.testing.assert_allclose(across[0, 5], (2 * np.pi - 6.28) / 0.05, atol=1e-9)


@given(small=arrays(np.float64, (3, 6), elements=st.floats(-0.99, 0.99)))
def test_calvins_actions_invert_where_nothing_is_clipped(small: np.ndarray) -> None:
    pose = np.linspace(-3, 3, 18).reshape(3, 6)
    np.testing.assert_allclose(c.calvin_relative(pose, c.calvin_target(pose.copy(), small)), small, atol=1e-9)


def test_settled_by_hand() -> None:
    """On the way up it will be open, on the way down closed; at the end as it is (BridgeData V2's rule)."""
    opening = np.array([1.0, 0.5, 0.0, 0.3, 0.97, 0.4])
    np.testing.assert_allclose(c.settled(opening), [1, 0, 0, 1, 1, 0.4], atol=1e-6)


def test_relative_commands_by_hand() -> None:
    np.testing.assert_array_equal(c.relative_to_absolute(np.array([0, 1, 0, 0, -1, 0.05])), [1, 0, 0, 0, 1, 1])
    np.testing.assert_array_equal(c.relative_to_absolute(np.array([0, -1, 0])), [0, 1, 1])
    np.testing.assert_array_equal(c.relative_to_absolute(np.zeros(3)), [1, 1, 1])


@pytest.mark.parametrize("robot", ROBOTS, ids=lambda robot: robot.name)
def test_robots_fit_themselves(robot) -> None:
    check(robot)
    assert robot.control_hz > 0
    assert 0 < robot.slot < 31


def test_robots_of_one_slot_are_one_machine() -> None:
    names = {robot.slot: robot.name.split("-")[0] for robot in ROBOTS}
    assert all(names[robot.slot] == robot.name.split("-")[0] for robot in ROBOTS)
