"""Movements of the scripted experts as generators: each yields a relative action [7] and is sent the next `State`.

    state = yield from go(state, position, gripper=OPEN)

An action is (dx, dy, dz) in units of 0.02 m, the change of the Euler angles in units of 0.05 rad, both in [-1, 1], and
the gripper, 1 open or -1 closed. The environment adds it to a target pose, which the arm follows with a lag.
"""

from typing import Generator

import numpy as np

from .scene_state import State

OPEN, CLOSED = 1.0, -1.0
METRES, RADIANS = 0.02, 0.05
YAW = np.pi / 2
"""Yaw of the tool at which its fingers stand left and right of it, as at the start of an episode."""
PATIENCE = 10
"""Control steps without coming nearer after which a movement ends: the arm is blocked or cannot reach farther."""
ROLL = 3.06
"""Roll of the tool pointing down: not quite pi, or its measured value would jump between pi and -pi."""
LEASH = 0.06
"""Metres that the target may run ahead of the tool, so that a blocked arm does not wind up."""
TRAVEL_HEIGHT = 0.57
"""Height of the tool on its way over the table: fingers and a held block pass over blocks and button."""
LANE = -0.10
"""Depth (y) of the corridor in front of slider, switch and plank."""

Motion = Generator[np.ndarray, State, State]


def go(
    state: State,
    position: np.ndarray,
    gripper: float,
    yaw: float = YAW,
    pitch: float = 0.0,
    tolerance: float = 0.008,
    speed: float = 1.0,
    limit: int = 80,
) -> Motion:
    """Move the tool to `position` [3]; ends there, or after `limit` steps, or when the arm gets no nearer.

    `speed` is a fraction of the largest step. The tool points down, leaning by `pitch` towards the cabinet if negative.
    """
    best, since = np.inf, 0
    for _ in range(limit):
        goal = orientation(state, yaw, pitch)
        turn = float(np.abs(wrapped(goal - state.euler)).max())
        distance = float(np.linalg.norm(position - state.tcp))
        if distance < tolerance and turn < 0.06:
            break
        left = distance + 0.1 * turn
        best, since = (left, 0) if left < best - 0.001 else (best, since + 1)
        if since >= PATIENCE:
            break
        state = yield toward(state, position, goal, gripper, speed)
    return state


def follow(state: State, step: np.ndarray, gripper: float, steps: int, yaw: float = YAW, pitch: float = 0.0) -> Motion:
    """Move along the line through the target, `step` [3] metres a control step (at most 0.02 a dimension)."""
    begin, length = state.target, float(np.linalg.norm(step))
    along = step / length
    for _ in range(steps):
        position = begin + along * ((state.target - begin) @ along + length)
        state = yield toward(state, position, orientation(state, yaw, pitch), gripper, 1.0)
    return state


def hold(state: State, gripper: float, steps: int) -> Motion:
    """Stay where the target is and move the fingers."""
    for _ in range(steps):
        state = yield np.array([0, 0, 0, 0, 0, 0, gripper], dtype=np.float64)
    return state


def close_fingers(state: State, limit: int = 14) -> Motion:
    """Close until the fingers stand still."""
    before = np.inf
    for step in range(limit):
        state = yield np.array([0, 0, 0, 0, 0, 0, CLOSED], dtype=np.float64)
        if step > 2 and before - state.opening < 3e-4:
            break
        before = state.opening
    return state


def travel(state: State, position: np.ndarray, gripper: float, yaw: float = YAW, pitch: float = 0.0) -> Motion:
    """Move over the table to `position` [3], in front of the cabinet: up where the tool is, then across.

    Until it is up, the fingers stay as they are: a block may lie between or beside them.
    """
    state = yield from retreat(state)
    high = max(float(position[2]), TRAVEL_HEIGHT)
    aside = float(np.linalg.norm(position[:2] - state.tcp[:2]))
    if aside > 0.01 and state.tcp[2] < high - 0.03:
        state = yield from go(state, np.array([*state.tcp[:2], high]), state.gripper, _yaw(state), tolerance=0.03)
    if aside > 0.01:
        above = np.array([position[0], position[1], high])
        state = yield from go(state, above, gripper, yaw, pitch, tolerance=0.015)
    return (yield from go(state, position, gripper, yaw, pitch))


def retreat(state: State) -> Motion:
    """Leave switch, slider and plank backwards, so that the tool stands in the corridor in front of them."""
    if state.tcp[1] < -0.05:
        return state
    x, y, z = state.tcp
    gripper = state.gripper
    beside_switch = abs(x - state.places.switch[0]) < 0.12
    if not beside_switch and z < 0.6 and y > 0.0:  # over the plank: the door stands beside the tool
        state = yield from go(state, np.array([x, y, 0.6]), gripper, _yaw(state), tolerance=0.02)
    out = np.array([state.tcp[0], LANE, state.tcp[2]])
    return (yield from go(state, out, gripper, _yaw(state), tolerance=0.03))


def toward(state: State, position: np.ndarray, euler: np.ndarray, gripper: float, speed: float) -> np.ndarray:
    """The action that moves the target pose to (position, euler), as far as one step goes."""
    leashed = state.tcp + _shortened(position - state.tcp, LEASH)
    move = _shortened((leashed - state.target) / METRES, speed)
    turn = np.clip((euler - state.target_euler) / RADIANS, -speed, speed)
    return np.array([*move, *turn, gripper])


def orientation(state: State, yaw: float, pitch: float) -> np.ndarray:
    """Euler angles of the tool pointing down. The yaw is taken as it is, so that the wrist never winds up."""
    roll = nearest_turn(ROLL, 2 * np.pi, float(state.target_euler[0]))
    return np.array([roll, pitch, yaw])


def nearest_turn(angle: float, period: float, to: float = YAW) -> float:
    """The angle that equals `angle` up to multiples of `period` and lies closest to `to`."""
    return angle + period * float(np.round((to - angle) / period))


def wrapped(angle: np.ndarray) -> np.ndarray:
    """The same angles in [-pi, pi)."""
    return (np.asarray(angle) + np.pi) % (2 * np.pi) - np.pi


def _yaw(state: State) -> float:
    return float(state.target_euler[2])


def _shortened(vector: np.ndarray, longest: float) -> np.ndarray:
    """The vector, its largest entry scaled down to `longest`."""
    largest = float(np.abs(vector).max())
    return vector if largest <= longest else vector * (longest / largest)
