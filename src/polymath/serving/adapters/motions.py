"""Absolute commands and deltas: the same chunk written either way, and back.

A delta leads from the command before it to its own; the first one starts at the state at which the chunk was asked for.
Joints are subtracted as numbers. Poses are x, y, z and a rotation in the robot's base frame: translations are
subtracted, and the rotation is about the base's axes, `following = delta * pose`, as `conversions.pose_delta` has it.
"""

from typing import NamedTuple

import numpy as np
import scipy
from jaxtyping import Float

from polymath.errors import DataError
from polymath.serving.adapters import rotations

ABSOLUTE = {"joint delta": "joints", "pose delta": "pose"}
DELTA = {absolute: delta for delta, absolute in ABSOLUTE.items()}


class Track(NamedTuple):
    """Dimensions of the action that move together, and those of the state that they start from.

    rotation: None for plain numbers; else how the action's dimensions and the state's are written.
    """

    action: list[int]
    state: list[int]
    rotation: tuple[str, str] | None = None


def tracks(action: tuple[str, ...], state: tuple[str, ...], still: set[int]) -> list[Track]:
    """What the dimensions of an action, delta or absolute, start from; those in `still` (grippers) stay as they are.

    Raises DataError naming a dimension whose start the state does not hold.
    """
    result, done = [], set(still)
    there = {group.prefix: group for group in rotations.groups(state)}
    for group in rotations.groups(action):
        start = there.get(_absolute(group.prefix))
        if start is None:
            raise DataError(f"action {action[group.start]!r}: the state holds no rotation to start from", "motion")
        dims = list(range(group.start, group.stop))
        result.append(Track(dims, list(range(start.start, start.stop)), (group.kind, start.kind)))
        done |= set(dims)
    for dimension, name in enumerate(action):
        if dimension in done:
            continue
        names = [each for each in (name, _absolute(name)) if each in state]
        if not names:
            raise DataError(f"action {name!r}: the state ({', '.join(state)}) does not hold where it starts", "motion")
        result.append(Track([dimension], [state.index(names[0])]))
    return result


def renamed(names: tuple[str, ...], still: set[int], to_delta: bool) -> tuple[str, ...]:
    """`x` of a pose is `dx` of a pose delta, and back; joints and grippers keep their names."""
    moving = {i for group in rotations.groups(names) for i in range(group.start, group.stop)}
    moving |= {i for i, name in enumerate(names) if name.split(" ")[-1] in ("x", "y", "z", "dx", "dy", "dz")}
    change = _delta if to_delta else _absolute
    return tuple(change(name) if i in moving - still else name for i, name in enumerate(names))


def to_absolute(
    deltas: Float[np.ndarray, "n A"], start: Float[np.ndarray, " D"], moving: list[Track]
) -> Float[np.ndarray, "n A"]:
    """Where each delta leads, from the state `start`; SI units."""
    result = deltas.copy()
    for track in moving:
        if track.rotation is None:
            result[:, track.action] = start[track.state] + np.cumsum(deltas[:, track.action], axis=0)
            continue
        kind, start_kind = track.rotation
        turn = _as_rotation(start[None, track.state], start_kind)[0]
        for step, delta in enumerate(_as_rotation(deltas[:, track.action], kind)):
            turn = delta * turn
            result[step, track.action] = _as_numbers(turn, kind)
    return result


def to_delta(
    commands: Float[np.ndarray, "n A"], start: Float[np.ndarray, " D"], moving: list[Track]
) -> Float[np.ndarray, "n A"]:
    """The inverse of `to_absolute`."""
    result = commands.copy()
    for track in moving:
        if track.rotation is None:
            result[:, track.action] = np.diff(commands[:, track.action], axis=0, prepend=start[None, track.state])
            continue
        kind, start_kind = track.rotation
        before = _as_rotation(start[None, track.state], start_kind)[0]
        for step, turn in enumerate(_as_rotation(commands[:, track.action], kind)):
            result[step, track.action] = _as_numbers(turn * before.inv(), kind)
            before = turn
    return result


def _as_rotation(values: Float[np.ndarray, "n k"], kind: str) -> "scipy.spatial.transform.Rotation":
    return scipy.spatial.transform.Rotation.from_quat(rotations.convert(values, kind, "quaternion xyzw"))


def _as_numbers(turn: "scipy.spatial.transform.Rotation", kind: str) -> Float[np.ndarray, " k"]:
    return rotations.convert(turn.as_quat()[None], "quaternion xyzw", kind)[0]


def _absolute(name: str) -> str:
    """`dx` -> `x`, `left droll` -> `left roll`, the prefix `d` -> the empty one."""
    *arm, last = name.split(" ")
    return " ".join([*arm, last.removeprefix("d")])


def _delta(name: str) -> str:
    *arm, last = name.split(" ")
    return " ".join([*arm, f"d{last}"])
