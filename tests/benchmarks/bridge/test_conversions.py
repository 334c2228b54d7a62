"""Rotations against scipy's; states and actions against what the official environments and policies do."""

import numpy as np
import pytest
from bridge_worker import conversions
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

ANGLE = st.floats(-np.pi, np.pi)
ANGLES = st.tuples(ANGLE, ANGLE, ANGLE)
REACH = (0.292, -0.006, 0.135)  # m, the gripper of SIMPLER's WidowX at the start of an episode


def quaternion(rotation: Rotation) -> np.ndarray:
    """w, x, y, z, as SAPIEN has it."""
    return np.roll(rotation.as_quat(), 1)


@given(angles=ANGLES)
def test_rotation_vectors_are_scipys(angles: tuple[float, float, float]) -> None:
    ours = Rotation.from_rotvec(conversions.rotation_vector(angles))
    assert (ours * Rotation.from_euler("xyz", angles).inv()).magnitude() == pytest.approx(0, abs=1e-7)
    assert np.linalg.norm(conversions.rotation_vector(angles)) <= np.pi + 1e-9


@given(angles=ANGLES, length=st.floats(0.1, 10))
def test_euler_angles_of_a_quaternion_are_scipys(angles: tuple[float, float, float], length: float) -> None:
    rotation = Rotation.from_euler("xyz", angles)
    matrix = conversions.matrix_of(length * quaternion(rotation))
    np.testing.assert_allclose(matrix, rotation.as_matrix(), atol=1e-9)
    again = Rotation.from_euler("xyz", conversions.euler_of(matrix))
    assert (again * rotation.inv()).magnitude() == pytest.approx(0, abs=1e-6)


def test_a_gripper_that_points_along_the_axis_of_yaw_keeps_its_rotation() -> None:
    rotation = Rotation.from_euler("xyz", (0.3, np.pi / 2, -0.4))
    again = Rotation.from_euler("xyz", conversions.euler_of(rotation.as_matrix()))
    assert (again * rotation.inv()).magnitude() == pytest.approx(0, abs=1e-6)


def test_the_state_of_a_gripper_that_points_down_is_without_rotation() -> None:
    down = Rotation.from_matrix(conversions.POINTING_DOWN)
    state = conversions.state(REACH, quaternion(down), (0.037, 0.037))
    assert state.dtype == np.float32
    np.testing.assert_allclose(state, [*REACH, 0, 0, 0, 1], atol=1e-6)


def test_the_states_rotation_is_about_the_base_axes() -> None:
    # BridgeData's states: the rotation that leads from pointing down to the gripper, in the base frame
    turned = Rotation.from_euler("xyz", (0.1, -0.2, 0.7)) * Rotation.from_matrix(conversions.POINTING_DOWN)
    np.testing.assert_allclose(
        conversions.state(REACH, quaternion(turned), (0.0, 0.0))[3:6], [0.1, -0.2, 0.7], atol=1e-6
    )


@pytest.mark.parametrize(("fingers", "opening"), [(0.015, 0.0), (0.037, 1.0), (0.026, 0.5), (0.01, 0.0), (0.04, 1.0)])
def test_the_opening_is_that_of_the_fingers_within_their_limits(fingers: float, opening: float) -> None:
    assert conversions.state(REACH, (1, 0, 0, 0), (fingers, fingers))[6] == pytest.approx(opening, abs=1e-6)


@pytest.mark.parametrize(("gripper", "executed"), [(1.0, 1.0), (0.1, 1.0), (0.0, -1.0), (-0.1, -1.0), (-1.0, -1.0)])
def test_the_gripper_is_binary_as_for_the_official_policies(gripper: float, executed: float) -> None:
    # octo_model.py: 2 * (opening > 0.5) - 1; our -1 … 1 is 2 * opening - 1
    action = conversions.to_simulator(np.array([0.01, 0.02, 0.03, 0, 0, 0, gripper], np.float32))
    np.testing.assert_allclose(action, [0.01, 0.02, 0.03, 0, 0, 0, executed], atol=1e-8)


def test_a_turn_about_one_axis_is_the_same_in_both_conventions() -> None:
    for axis in range(3):
        action = np.zeros(7)
        action[3 + axis] = 0.2
        np.testing.assert_allclose(conversions.to_simulator(action)[3:6], action[3:6], atol=1e-12)


def test_a_small_delta_of_state_is_the_action_that_makes_it() -> None:
    """The relabelled actions of BridgeData are differences of states; for a gripper that points down they are, to
    second order, the rotation that the environment executes.
    """
    before = Rotation.from_euler("xyz", (0.02, -0.01, 0.03)) * Rotation.from_matrix(conversions.POINTING_DOWN)
    delta = np.array([0.0, 0.0, 0.0, 0.01, 0.02, -0.03, 1.0])
    after = Rotation.from_rotvec(conversions.to_simulator(delta)[3:6]) * before
    states = [conversions.state(REACH, quaternion(pose), (0.03, 0.03)) for pose in (before, after)]
    np.testing.assert_allclose(states[1][3:6] - states[0][3:6], delta[3:6], atol=1.5e-3)
