"""Every conversion undoes itself, and leads where its definition says: units, rotations, motion, grippers, order."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.spatial.transform import Rotation as R

from polymath.data.robots import conversions
from polymath.errors import DataError
from polymath.policy.contract import Action, State
from polymath.serving.adapters import motions, rotations
from polymath.serving.adapters.steps import si
from polymath.serving.adapters.units import in_si
from polymath.serving.adapters.vectors import action_way, state_way

GRIPPERS = ("0 closed 1 open", "0 open 1 closed", "-1 closed 1 open", "-1 open 1 closed")
POSE = ("x", "y", "z", "roll", "pitch", "yaw", "gripper")
DELTA = ("dx", "dy", "dz", "droll", "dpitch", "dyaw", "gripper")
UNITS = ("m", "m", "m", "rad", "rad", "rad", "1")
NOWHERE = np.zeros(0)
FEW = settings(max_examples=20, deadline=None)


def numbers(width: int, high: float = 1.0) -> st.SearchStrategy[np.ndarray]:
    values = st.floats(-high, high, width=32)
    return arrays.arrays(np.float64, st.tuples(st.integers(1, 6), st.just(width)), elements=values)


@pytest.mark.parametrize(
    ("unit", "kind", "factor"),
    [
        ("m", "m", 1.0),
        ("mm", "m", 0.001),
        ("deg", "rad", np.pi / 180),
        ("0.02 m", "m", 0.02),
        ("2 deg", "rad", np.pi / 90),
        ("%", "1", 0.01),
        ("N", "N", 1.0),
        ("0 m", "0 m", 1.0),  # nothing is a multiple of it: a unit of its own
        ("1e999 m", "1e999 m", 1.0),
    ],
)
def test_units(unit: str, kind: str, factor: float) -> None:
    assert in_si(unit) == (kind, pytest.approx(factor))


@given(values=numbers(3))
@pytest.mark.parametrize(("units", "kind"), [(("deg", "mm", "%"), "units"), (("3 rad", "cm", "1"), "units")])
@FEW
def test_units_and_back(values: np.ndarray, units: tuple[str, ...], kind: str) -> None:
    way = state_way(State(("a", "b", "c"), ("rad", "0.02 m", "1")), None, units)
    assert {step.kind for step in way.steps} == {kind}
    np.testing.assert_allclose(way.to_checkpoint(way.to_client(values, NOWHERE), NOWHERE), values, atol=1e-12)


def test_degrees() -> None:
    way = state_way(State(("a",), ("rad",)), None, ("deg",))
    np.testing.assert_allclose(way.to_checkpoint(np.array([[180.0]]), NOWHERE), [[np.pi]])


@pytest.mark.parametrize(("ours", "theirs"), list(itertools.permutations(rotations.NAMES, 2)))
@given(vectors=numbers(3, 0.75))
@FEW
def test_rotations_and_back(ours: str, theirs: str, vectors: np.ndarray) -> None:
    """Rotations of less than pi have one of each; the canonical quaternion has w >= 0."""
    values = rotations.convert(vectors, "axis-angle", ours)
    there = rotations.convert(values, ours, theirs)
    np.testing.assert_allclose(rotations.convert(there, theirs, ours), values, atol=1e-6)


def test_the_order_of_a_quaternion() -> None:
    """A quarter turn about z: x, y, z, w = 0, 0, √½, √½."""
    half = np.sqrt(0.5)
    np.testing.assert_allclose(
        rotations.convert(np.array([[half, 0, 0, half]]), "quaternion wxyz", "axis-angle"), [[0, 0, np.pi / 2]]
    )
    np.testing.assert_allclose(
        rotations.convert(np.array([[0, 0, np.pi / 2]]), "euler xyz", "quaternion wxyz"), [[half, 0, 0, half]]
    )


def test_rotations_are_found_by_their_names() -> None:
    names = ("left x", "left qw", "left qx", "left qy", "left qz", "droll", "dpitch", "dyaw", "rx", "ry")
    assert [(group.kind, group.prefix) for group in rotations.groups(names)] == [
        ("quaternion wxyz", "left "),
        ("euler xyz", "d"),
    ]
    assert rotations.renamed(names, "axis-angle") == (
        *("left x", "left rx", "left ry", "left rz"),
        *("drx", "dry", "drz", "rx", "ry"),
    )


@pytest.mark.parametrize("quaternion", [[0.0, 0, 0, 0], [1.0, 1, 1, 1]])
def test_a_quaternion_has_length_one(quaternion: list[float]) -> None:
    with pytest.raises(DataError, match="a quaternion of length"):
        rotations.convert(np.array([quaternion]), "quaternion xyzw", "euler xyz")


@given(values=numbers(1))
@pytest.mark.parametrize(("ours", "theirs"), list(itertools.permutations(GRIPPERS, 2)))
@FEW
def test_grippers_and_back(ours: str, theirs: str, values: np.ndarray) -> None:
    action = Action(("gripper",), ("1",), gripper=ours)  # type: ignore[arg-type]
    way = action_way(action, Action((), gripper=theirs), State(()))  # type: ignore[arg-type]
    np.testing.assert_allclose(way.to_checkpoint(way.to_client(values, NOWHERE), NOWHERE), values, atol=1e-6)


@given(deltas=numbers(7, 0.25), start=numbers(7, 0.75))
@pytest.mark.parametrize("rotation", ["euler xyz", "axis-angle", "quaternion xyzw"])
@FEW
def test_pose_deltas_and_back(rotation: str, deltas: np.ndarray, start: np.ndarray) -> None:
    ours = Action(DELTA, UNITS, "pose delta", "euler xyz", "base", "-1 closed 1 open")
    theirs = Action((), None, "pose", rotation, gripper="0 open 1 closed")
    way = action_way(ours, theirs, State(POSE, UNITS))
    back = way.to_checkpoint(way.to_client(deltas, start[0]), start[0])
    turned = [R.from_euler("xyz", each[:, 3:6]).as_matrix() for each in (back, deltas)]
    np.testing.assert_allclose(turned[0], turned[1], atol=1e-6)
    np.testing.assert_allclose(back[:, [0, 1, 2, 6]], deltas[:, [0, 1, 2, 6]], atol=1e-6)


@given(deltas=numbers(6, 0.25), start=numbers(6, 0.75))
@FEW
def test_poses_are_those_of_the_data_sets_conversion(deltas: np.ndarray, start: np.ndarray) -> None:
    """`conversions.apply_pose_delta`, one step after the other."""
    moving = motions.tracks(DELTA[:6], POSE, set())
    pose, expected = start[:1], []
    for delta in deltas:
        pose = conversions.apply_pose_delta(pose, delta[None])
        expected.append(pose[0])
    poses = motions.to_absolute(deltas, start[0], moving)
    np.testing.assert_allclose(poses[:, :3], np.array(expected)[:, :3], atol=1e-12)
    ours, theirs = (R.from_euler("xyz", each).as_matrix() for each in (poses[:, 3:], np.array(expected)[:, 3:]))
    np.testing.assert_allclose(ours, theirs, atol=1e-9)


@given(commands=numbers(3), start=numbers(3))
@FEW
def test_joint_deltas_and_back(commands: np.ndarray, start: np.ndarray) -> None:
    names = ("joint 0", "joint 1", "gripper")
    ours = Action(names, ("rad", "rad", "1"), "joints", "none", "joints", "0 closed 1 open")
    way = action_way(ours, Action((), motion="joint delta"), State(names, ("rad", "rad", "1")))
    sent = way.to_client(commands, start[0])
    np.testing.assert_allclose(start[0, :2] + np.cumsum(sent[:, :2], axis=0), commands[:, :2], atol=1e-9)
    np.testing.assert_array_equal(sent[:, 2], commands[:, 2])
    np.testing.assert_allclose(way.to_checkpoint(sent, start[0]), commands, atol=1e-9)


def test_the_double_delta_is_not_made_twice() -> None:
    """A checkpoint of deltas and a client of deltas: nothing is subtracted a second time."""
    ours = Action(DELTA, UNITS, "pose delta", "euler xyz", "base", "-1 closed 1 open")
    assert action_way(ours, replace(ours, names=()), State(POSE, UNITS)).steps == ()


@given(values=numbers(4))
@FEW
def test_the_clients_own_order(values: np.ndarray) -> None:
    way = state_way(State(("x", "y", "z", "gripper")), ("gripper", "z", "x", "y"), None)
    sent = way.to_client(values, NOWHERE)
    np.testing.assert_array_equal(sent, values[:, [3, 2, 0, 1]])
    np.testing.assert_array_equal(way.to_checkpoint(sent, NOWHERE), values)


def test_everything_at_once_in_the_state() -> None:
    ours = State(("x", "qx", "qy", "qz", "qw", "closed"), ("m", "1", "1", "1", "1", "1"))
    way = state_way(ours, ("gripper", "rx", "ry", "rz", "x"), ("%", "deg", "deg", "deg", "mm"))
    half = np.sqrt(0.5)
    own = np.array([[0.25, 0, 0, half, half, 0.2]])
    np.testing.assert_allclose(way.to_client(own, NOWHERE), [[80, 0, 0, 90, 250]], rtol=1e-6)
    np.testing.assert_allclose(way.to_checkpoint(np.array([[80, 0, 0, 90, 250]]), NOWHERE), own, atol=1e-7)
    np.testing.assert_allclose(si(own, ours.units), own)


@pytest.mark.parametrize(
    ("theirs", "message"),
    [
        (Action((), motion="joints"), "motion pose delta -> joints: there is no such conversion"),
        (Action((), gripper="metres"), "gripper: '-1 closed 1 open' to 'metres'"),
        (Action((), rotation="none"), "action.rotation: 'euler xyz' to 'none'"),
        (Action(("dx", "dy", "dz", "gripper")), "action.names: the client's dx, dy, dz, gripper cannot be made of"),
        (Action((), units=("m", "m", "m", "m", "rad", "rad", "1")), "action.units: 'droll' is in rad and in m"),
    ],
)
def test_what_nothing_converts(theirs: Action, message: str) -> None:
    ours = Action(DELTA, UNITS, "pose delta", "euler xyz", "base", "-1 closed 1 open")
    with pytest.raises(DataError, match=message):
        action_way(ours, theirs, State(POSE, UNITS))


def test_a_pose_needs_a_state_that_holds_where_it_starts() -> None:
    ours = Action(DELTA, UNITS, "pose delta", "euler xyz", "base", "-1 closed 1 open")
    with pytest.raises(DataError, match="action 'dx': the state"):
        action_way(ours, Action((), motion="pose"), State(("roll", "pitch", "yaw"), ("rad",) * 3))
    with pytest.raises(DataError, match="the state holds no rotation to start from"):
        action_way(ours, Action((), motion="pose"), State(("x", "y", "z"), ("m",) * 3))
    with pytest.raises(DataError, match="needs the units of state and action"):
        action_way(ours, Action((), motion="pose"), State(POSE))
