"""Grippers outside [-1, 1] and two robots in one slot: each message names the sets, the dimension and the remedy."""

from dataclasses import replace

import numpy as np
import pytest

from polymath.data.robots.accumulator import Accumulator, FieldStatistics
from polymath.data.robots.checks import check_grippers, check_slots
from polymath.data.robots.embodiments import DROID, WIDOWX, WIDOWX_RAW
from polymath.errors import DataError
from polymath.types import Embodiment

ROBOT = Embodiment("arm", 0, ("front",), ("x", "opening"), ("dx", "grip"), (1,), 10.0)


def actions(*gripper: float) -> FieldStatistics:
    total = Accumulator(2)
    total.add(np.array([[5.0, value] for value in gripper]))
    return total.result()


def test_a_gripper_in_percent_is_refused() -> None:
    message = (
        r"set: action 'grip' \(dimension 1\) is a gripper of robot 'arm' in 0 to 100, .* must lie in \[-1, 1\]; "
        r"set gripper_dims to \[\] .*convention '-1 closed 1 open'"
    )
    with pytest.raises(DataError, match=message):
        check_grippers(ROBOT, actions(0, 100), "set")


@pytest.mark.parametrize("gripper", [(-1.0, 1.0), (0.0, 1.0), (-1.0005, 1.0)])
def test_a_gripper_inside_its_range_passes(gripper: tuple[float, ...]) -> None:
    check_grippers(ROBOT, actions(*gripper), "set")
    check_grippers(replace(ROBOT, gripper_dims=()), actions(0, 100), "set")


@pytest.mark.parametrize(
    ("other", "difference"),
    [
        (replace(ROBOT, name="leg"), "name: 'arm' and 'leg'"),
        (replace(ROBOT, action_names=("dy", "grip")), "action_names: dx, grip and dy, grip"),
        (replace(ROBOT, state_names=("x",)), "state_names: x, opening and x"),
        (replace(ROBOT, gripper_dims=()), r"gripper_dims: 1 and none"),
    ],
)
def test_two_robots_in_one_slot(other: Embodiment, difference: str) -> None:
    message = f"^a and b: robots 'arm' and '{other.name}' share slot 0 but differ in {difference}; .*slot=1 "
    with pytest.raises(DataError, match=message):
        check_slots([("a", ROBOT), ("b", other)])


def test_conventions_under_one_name() -> None:
    assert WIDOWX.conventions is not None
    turned = replace(WIDOWX, conventions=replace(WIDOWX.conventions, rotation="axis-angle"))
    with pytest.raises(DataError, match=r"conventions\.rotation: 'euler xyz' and 'axis-angle'"):
        check_slots([("a", WIDOWX), ("c", DROID), ("b", turned)])


def test_sets_of_one_robot_share_its_slot() -> None:
    """Cameras may be left out of a set, and a set may name no conventions."""
    check_slots([("a", ROBOT), ("b", replace(ROBOT, cameras=("front", "wrist"), control_hz=5.0)), ("c", DROID)])
    check_slots([("a", WIDOWX), ("b", replace(WIDOWX, conventions=None))])
    with pytest.raises(DataError, match="name: 'widowx-bridge' and 'widowx-bridge-raw'"):
        check_slots([("a", WIDOWX), ("b", WIDOWX_RAW)])
