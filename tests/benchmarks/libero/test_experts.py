"""The experts' geometry and their choice of a grasp, without the simulator."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from libero_worker.experts import order
from libero_worker.experts_geometry import box_points, clipped, downward, half_turn_apart, rotation_vector
from libero_worker.experts_grasp import FINGER_TIP, OPEN, best_grasp
from libero_worker.experts_starts import StartError

numbers = st.floats(-3.0, 3.0)
GROUND = 0.9


def _rotation(vector: np.ndarray) -> np.ndarray:
    """Rodrigues' formula."""
    angle = float(np.linalg.norm(vector))
    if angle == 0:
        return np.eye(3)
    x, y, z = vector / angle
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def _nowhere_far(_: np.ndarray) -> float:
    return 0.0


def _box(half: tuple[float, float, float], x: float = 0.0, y: float = 0.0, turn: float = 0.0) -> np.ndarray:
    """Points on a box that stands on GROUND, turned about the vertical."""
    return box_points(np.array(half)) @ _rotation(np.array([0, 0, turn])).T + [x, y, GROUND + half[2]]


def _bowl(radius: float = 0.053, height: float = 0.05) -> np.ndarray:
    angles = np.linspace(0, 2 * np.pi, 90, endpoint=False)
    ring = np.stack([radius * np.cos(angles), radius * np.sin(angles), np.zeros(90)], axis=1)
    return np.concatenate([ring + np.array([0, 0, GROUND + z]) for z in np.linspace(0, height, 10)])


@given(st.lists(numbers, min_size=3, max_size=3))
def test_a_rotation_vector_is_that_of_its_rotation(values: list[float]) -> None:
    vector = np.array(values)
    rotation = _rotation(vector)
    found = rotation_vector(rotation)
    assert np.linalg.norm(found) <= np.pi + 1e-6
    np.testing.assert_allclose(_rotation(found), rotation, atol=1e-5)


def test_half_a_turn_is_no_division_by_zero() -> None:
    for axis in np.eye(3):
        np.testing.assert_allclose(np.abs(rotation_vector(_rotation(np.pi * axis))), np.pi * axis, atol=1e-6)


@given(numbers, numbers)
def test_a_turned_gripper_is_the_same_gripper(angle: float, reference: float) -> None:
    turned = half_turn_apart(angle, reference)
    assert abs(turned - reference) <= np.pi / 2 + 1e-9
    assert abs(np.sin(turned - angle)) < 1e-9


@given(numbers)
def test_downward_is_a_rotation_whose_approach_is_down(yaw: float) -> None:
    rotation = downward(yaw)
    np.testing.assert_allclose(rotation.T @ rotation, np.eye(3), atol=1e-12)
    assert np.linalg.det(rotation) > 0
    np.testing.assert_allclose(rotation[:, 2], [0, 0, -1])


def test_clipped_keeps_the_direction() -> None:
    np.testing.assert_allclose(clipped(np.array([3.0, 4.0, 0.0])), [0.6, 0.8, 0.0])
    np.testing.assert_allclose(clipped(np.array([0.3, 0.4, 0.0])), [0.3, 0.4, 0.0])


def test_a_flat_box_is_taken_across_its_short_side() -> None:
    # LIBERO's cream cheese lies on a side of 42 x 82 mm and is 18 mm high.
    for turn in (0.0, 0.5, 1.2):
        box = _box((0.041, 0.021, 0.009), turn=turn)
        grasp = best_grasp(box, box[:0], np.array([0, 0, GROUND + 0.009]), np.pi / 2, _nowhere_far)
        assert grasp is not None
        off = half_turn_apart(grasp.yaw, turn + np.pi / 2) - (turn + np.pi / 2)
        assert abs(off) <= np.pi / 24 + 1e-9, "within the search's spacing of the short side"
        assert np.linalg.norm(grasp.position[:2]) < 0.006
        assert grasp.position[2] >= GROUND + FINGER_TIP, "the finger tips stay above the ground"


def test_a_bowl_is_taken_at_its_rim_across_the_wall() -> None:
    bowl = _bowl()
    grasp = best_grasp(bowl, bowl[:0], np.array([0, 0, GROUND]), np.pi / 2, _nowhere_far)
    assert grasp is not None
    assert abs(np.linalg.norm(grasp.position[:2]) - 0.053) < 0.004
    outward = grasp.position[:2] / np.linalg.norm(grasp.position[:2])
    assert abs(outward @ [np.cos(grasp.yaw), np.sin(grasp.yaw)]) > 0.95


def test_a_neighbour_keeps_the_fingers_away() -> None:
    box = _box((0.02, 0.02, 0.05))
    wall = _box((0.002, 0.1, 0.06), x=0.05)
    center = np.array([0, 0, GROUND + 0.05])
    free = best_grasp(box, box[:0], center, 0.0, _nowhere_far)
    blocked = best_grasp(box, wall, center, 0.0, _nowhere_far)
    assert free is not None
    assert blocked is not None
    assert abs(np.sin(free.yaw)) < 0.2, "without the wall the wrist does not turn"
    assert abs(np.cos(blocked.yaw)) < 0.5, "the wall stands where a finger would go"


def test_what_is_wider_than_the_hand_cannot_be_taken() -> None:
    discs = [_bowl(radius, 0.1) for radius in np.arange(0.0, 0.064, 0.004)]
    assert best_grasp(np.concatenate(discs), discs[0][:0], np.array([0, 0, GROUND + 0.05]), 0.0, _nowhere_far) is None
    assert 2 * OPEN < 0.12


def test_a_near_place_is_preferred() -> None:
    bowl = _bowl()

    def far(place: np.ndarray) -> float:
        return float(np.linalg.norm(place - [-0.66, 0.0]))

    grasp = best_grasp(bowl, bowl[:0], np.array([0, 0, GROUND]), 0.0, far)
    assert grasp is not None
    assert grasp.position[0] < -0.04


def test_drawers_are_opened_first_and_closed_last() -> None:
    goal = [["close", "drawer"], ["in", "bowl", "drawer"], ["open", "drawer"]]
    assert [predicate[0] for predicate in order(goal)] == ["open", "in", "close"]


def test_a_seed_without_a_start_is_a_failed_demonstration(monkeypatch: pytest.MonkeyPatch) -> None:
    """The recorder then draws another; an exception would end the whole recording."""
    simulator = pytest.importorskip("libero_worker.simulator")

    def no_start(*_: object) -> None:
        raise StartError("seed 3: no layout")

    monkeypatch.setattr(simulator, "demonstrate", no_start)
    slot = simulator.Libero(simulator.Stages("ray", 8), ("agentview_rgb",), True)
    monkeypatch.setattr(slot, "enter", lambda task, split: None)
    failed = slot.demonstrate("a", "seen", 3, 0.0)
    assert (failed.success, failed.instruction, failed.actions.shape) == (False, "seed 3: no layout", (0, 7))
