"""Scripted experts of the tasks with blocks: lift, rotate, push, place, stack."""

from typing import List, Tuple

import numpy as np

from .furniture import move_slider
from .motion import (
    CLOSED,
    LANE,
    OPEN,
    TRAVEL_HEIGHT,
    YAW,
    Motion,
    close_fingers,
    go,
    hold,
    nearest_turn,
    orientation,
    toward,
    travel,
)
from .scene_state import DRAWER, PLANK, TABLE, State

LEAN = -0.5
"""Pitch of the tool over the plank, about that of the cabinet's front."""
ABOVE = 0.09
ON_TABLE = 0.46
"""Height of the middle of a block that lies on the table."""
FINGER = 0.004
"""Height of the tool over a block's centre when it is grasped: the fingertips end 0.02 m lower."""
QUARTER = np.pi / 2
PUSHED = 0.125
"""Metres that a block is pushed; the oracle asks for more than 0.1."""
ROOM = 0.12
"""Metres between the middles of two blocks beyond which neither the hand nor the fingers touch the other."""
ASIDE = 0.014
"""How far off the middle of a block the open fingers, 0.08 m apart, may come down around it."""
HAND = 0.105
"""Half the hand's width along the fingers' motion, with a margin."""
DOOR_MIDDLE = 0.14
"""Half the slider door's width; its link's origin is at the left edge."""


def lift(state: State, colour: str) -> Motion:
    """Grasp the block across its shorter edge and lift it."""
    if state.blocks[colour].rests_on == PLANK:
        state = yield from open_cabinet(state, float(state.blocks[colour].position[0]))
    state = yield from grasp(state, colour)
    up = state.tcp + np.array([0.0, 0.0, 0.1])
    return (yield from go(state, up, CLOSED, float(state.target_euler[2]), state.target_euler[1]))


def grasp(state: State, colour: str, towards: float = 0.0) -> Motion:
    """Close the fingers on the block; `towards` is the turn that will follow, for which room is left."""
    link = state.blocks[colour].rests_on
    above = _grip(state, colour) + np.array([0.0, 0.0, ABOVE])
    state = yield from over(state, above, link, OPEN, grasp_yaw(state, colour, YAW - towards / 2))
    yaw = grasp_yaw(state, colour, YAW - towards / 2)  # the block may have been moving until now
    state = yield from go(state, _grip(state, colour), OPEN, yaw, _lean(link), tolerance=0.005)
    return (yield from close_fingers(state))


def _grip(state: State, colour: str) -> np.ndarray:
    """Where the tool grasps the block, [3]; in the cabinet as far to the side as the hand needs."""
    block = state.blocks[colour]
    grip = block.position + np.array([0.0, 0.0, FINGER])
    if block.rests_on == PLANK:
        lowest, highest = hand_range(state, float(grip[0]))
        grip[0] += np.clip(np.clip(grip[0], lowest, highest) - grip[0], -ASIDE, ASIDE)
        grip[2] += 0.005
    return grip


def open_cabinet(state: State, x: float) -> Motion:
    """Push the door out of the hand's way to `x` over the plank, if it stands there."""
    lowest, highest = hand_range(state, x)
    on_the_right = x > state.places.slider[0] - state.slider + DOOR_MIDDLE
    if x >= lowest - ASIDE if on_the_right else x <= highest + ASIDE:
        return state
    return (yield from move_slider(state, 1.0 if on_the_right else -1.0, 12))


def hand_range(state: State, x: float) -> Tuple[float, float]:
    """The least and the largest x at which the hand, 0.2 m wide, fits into the cabinet beside the door."""
    door = state.places.slider[0] - state.slider
    if x < door + DOOR_MIDDLE:
        return state.places.plank[0] - 0.26 + HAND, door - HAND
    return door + 2 * DOOR_MIDDLE + HAND, state.places.plank[0] + 0.26 - HAND


def over(state: State, position: np.ndarray, link: str, gripper: float, yaw: float) -> Motion:
    """Travel to `position` above a block on `link`; over the plank the tool comes in from the front."""
    if link != PLANK:
        return (yield from travel(state, position, gripper, yaw))
    height = max(float(position[2]), 0.59)
    state = yield from travel(state, np.array([position[0], LANE, height]), gripper, yaw)
    state = yield from go(
        state, np.array([position[0], position[1], height]), gripper, yaw, _lean(link), tolerance=0.02
    )
    return (yield from go(state, position, gripper, yaw, _lean(link), tolerance=0.015))


def rotate(state: State, colour: str, angle: float) -> Motion:
    """Grasp the block and turn it by `angle` on the table; positive is counter-clockwise, seen from above."""
    state = yield from grasp(state, colour, angle)
    low = state.tcp - np.array([0.0, 0.0, 0.003])  # the block has to touch the table at the end
    state = yield from go(state, low, CLOSED, float(state.target_euler[2]) + angle, limit=60)
    return (yield from hold(state, OPEN, 6))


def push(state: State, colour: str, direction: float) -> Motion:
    """Push the block along x by more than 0.1 m, `direction` +1 to the right or -1 to the left."""
    began = state.blocks[colour].position[0]
    axis = np.array([direction, 0.0, 0.0])
    state = yield from _behind(state, colour, axis)
    for _ in range(60):
        left = PUSHED - direction * (state.blocks[colour].position[0] - began)
        if left < 0 or not _before(state, colour, axis):
            break
        state = yield _push_step(state, colour, axis * np.clip(0.2 * left, 0.006, 0.015))
    return state


def push_into_drawer(state: State, colour: str) -> Motion:
    """Push the block over the table's front edge."""
    axis = np.array([0.0, -1.0, 0.0])
    state = yield from _behind(state, colour, axis)
    for _ in range(40):
        if state.blocks[colour].position[2] < 0.42 or not _before(state, colour, axis):
            break
        state = yield _push_step(state, colour, 0.012 * axis)
    return (yield from go(state, state.tcp + np.array([0.0, 0.08, 0.02]), CLOSED))


def _push_step(state: State, colour: str, step: np.ndarray) -> np.ndarray:
    """One action along `step` [3], which keeps the closed fingers behind the middle of the block."""
    block = state.blocks[colour].position
    position = state.target + step
    across = int(step[0] != 0.0)
    position[across] = state.target[across] + np.clip(block[across] - state.tcp[across], -0.004, 0.004)
    position[2] = ON_TABLE + FINGER
    return toward(state, position, orientation(state, YAW, 0.0), CLOSED, 1.0)


def _before(state: State, colour: str, direction: np.ndarray) -> bool:
    """Whether the block is still ahead of the fingers."""
    ahead = (state.blocks[colour].position - state.tcp)[:2]
    return float(ahead @ direction[:2]) > 0.01 and float(np.linalg.norm(ahead)) < 0.12


def _behind(state: State, colour: str, direction: np.ndarray) -> Motion:
    """Put the closed fingers down behind the block, seen along the horizontal `direction` [3] of the push."""

    def start(now: State) -> np.ndarray:
        gap = _half_extent(now, colour, direction[:2]) + 0.037
        return now.blocks[colour].position - gap * direction + np.array([0.0, 0.0, FINGER])

    state = yield from travel(state, start(state) + np.array([0.0, 0.0, ABOVE]), CLOSED)
    return (yield from go(state, start(state), CLOSED))


def place_in_slider(state: State) -> Motion:
    """Put the held block on the part of the plank that the door leaves open."""
    left = hand_range(state, state.places.plank[0] - 0.2)
    right = hand_range(state, state.places.plank[0] + 0.2)
    lowest, highest = left if left[1] - left[0] > right[1] - right[0] else right
    x = _freest(state, [(lowest + highest) / 2, lowest, highest], PLANK)
    state = yield from _carry(state, np.array([x, 0.085]), PLANK, 0.465)
    return (yield from _release(state))


def place_in_drawer(state: State) -> Motion:
    """Put the held block into the open drawer."""
    place = _free_drawer_place(state)
    state = yield from _carry(state, place, DRAWER, 0.40)
    return (yield from _release(state))


def stack(state: State) -> Motion:
    """Put the held block on the block that lies freest on the table."""
    below = _stack_base(state)
    block = state.blocks[below]
    yaw = grasp_yaw(state, below, YAW)
    top = block.position[2] + block.footprint()[3] / 2
    state = yield from _carry(state, block.position[:2], TABLE, top + 0.024, yaw)
    return (yield from _release(state))


def unstack(state: State) -> Motion:
    """Lift the upper block off the lower one and put it beside."""
    for colour, block in state.blocks.items():
        carries = any(other in block.touches for other in state.blocks)
        if carries and not block.rests_on:
            return (yield from lift(state, colour))
    return state


def put_down(state: State) -> Motion:
    """Let go of the block, first lowering it onto a free place of the table if it is in the air."""
    if state.held:
        state = yield from _carry(state, _free_table_place(state), TABLE, 0.462)
    state = yield from hold(state, OPEN, 6)
    up = state.tcp + np.array([0.0, 0.0, 0.06])
    return (yield from go(state, up, OPEN, float(state.target_euler[2]), float(state.target_euler[1]), limit=8))


def grasp_yaw(state: State, colour: str, near: float) -> float:
    """The tool's yaw with the fingers across the shorter edge, closest to `near`; a cube has twice as many."""
    yaw, longer, shorter, _ = state.blocks[colour].footprint()
    period = QUARTER if longer - shorter < 1e-3 else np.pi
    return nearest_turn(yaw, period, near)


def _carry(state: State, place: np.ndarray, link: str, height: float, yaw: float = YAW) -> Motion:
    """Bring the held block over `place` [2] and lower it until its centre is at `height`."""
    held = state.held
    aside = state.blocks[held].position - state.tcp if held else np.zeros(3)
    goal = np.array([place[0], place[1], height]) - aside
    state = yield from over(state, goal + np.array([0.0, 0.0, ABOVE]), link, CLOSED, yaw)
    return (yield from go(state, goal, CLOSED, yaw, _lean(link), limit=30))


def _release(state: State) -> Motion:
    state = yield from hold(state, OPEN, 8)
    up = np.array([state.tcp[0], state.tcp[1], max(state.tcp[2] + ABOVE, TRAVEL_HEIGHT)])
    state = yield from go(state, up, OPEN, float(state.target_euler[2]), state.target_euler[1])
    return (yield from hold(state, OPEN, 10))


def _free_drawer_place(state: State) -> np.ndarray:
    """The place in the opened drawer that is farthest from blocks in it, [2]."""
    middle = float(state.places.drawer[0])
    return np.array([_freest(state, [middle, middle - 0.08, middle + 0.08], DRAWER), -0.17 - state.drawer / 2])


def _freest(state: State, choices: List[float], link: str) -> float:
    """The x among `choices` that is farthest from the blocks on `link`; the first one if all have room."""
    there = [block.position[0] for block in state.blocks.values() if block.rests_on == link]
    return max(choices, key=lambda x: min([abs(x - other) for other in there] + [ROOM]))


def _free_table_place(state: State) -> np.ndarray:
    """The place on the table in front of the cabinet that is farthest from all other blocks, [2]."""
    others = [block.position[:2] for colour, block in state.blocks.items() if colour != state.held]
    choices = [np.array([x, y]) for x in (0.1, 0.15, 0.2, 0.25) for y in (-0.12, -0.07)]
    return max(choices, key=lambda place: min(np.linalg.norm(place - other) for other in others))


def _stack_base(state: State) -> str:
    others = [colour for colour, block in state.blocks.items() if colour != state.held and block.rests_on == TABLE]
    if not others:
        others = [colour for colour in state.blocks if colour != state.held]
    return max(others, key=lambda colour: state.blocks[colour].edges.sum())


def _half_extent(state: State, colour: str, axis: np.ndarray) -> float:
    """Half of the block's extent along the horizontal `axis` [2]."""
    yaw, longer, shorter, _ = state.blocks[colour].footprint()
    along = np.array([np.cos(yaw), np.sin(yaw)])
    across = np.array([-np.sin(yaw), np.cos(yaw)])
    return float(abs(along @ axis) * longer + abs(across @ axis) * shorter) / 2


def _lean(link: str) -> float:
    return LEAN if link == PLANK else 0.0
