"""Scripted experts of the furniture tasks: slider, drawer, switch and button.

Offsets are those of handle meshes from their links' origins, the same in all four scenes.
"""

import numpy as np

from .motion import CLOSED, LANE, OPEN, TRAVEL_HEIGHT, Motion, follow, go, hold, travel
from .scene_state import SWITCH_AXIS, State

SLIDER_HANDLE = np.array([0.14, -0.105, -0.012])
"""From the slider's origin to the front of its handle, a loop 0.042 m wide: the fingers stand left and right of it."""
DRAWER_HANDLE = np.array([0.0, -0.25, 0.06])
"""From the drawer's origin to the middle of its bar, 0.19 m wide, 0.023 m thick and 0.055 m in front of the drawer."""
SWITCH_BAR = np.array([0.0, -0.04, 0.032])
"""From the switch's origin to the middle of its bar, 0.12 m wide."""
SWITCH_LEAN = -0.7
"""Pitch of the tool at the switch, where the arm hardly reaches upright."""
BUTTON_TOP = np.array([0.0, 0.0, 0.025])


def move_slider(state: State, direction: float, steps: int = 30) -> Motion:
    """Push the door by its handle, `direction` +1 to the left (the joint grows, x falls) or -1 to the right."""
    handle = state.places.slider + SLIDER_HANDLE - np.array([state.slider, 0.0, 0.0])
    state = yield from travel(state, handle + np.array([0.0, -0.05, 0.04]), OPEN)
    state = yield from go(state, handle, OPEN)
    return (yield from follow(state, np.array([-0.02 * direction, 0.0, 0.0]), OPEN, steps))


def open_drawer(state: State) -> Motion:
    """Put the fingers behind the bar and pull."""
    bar = state.places.drawer + DRAWER_HANDLE - np.array([0.0, state.drawer, 0.0])
    inside = bar + np.array([0.0, 0.04, 0.003])
    state = yield from travel(state, np.array([inside[0], inside[1], 0.5]), CLOSED)
    state = yield from go(state, inside, CLOSED)
    return (yield from follow(state, np.array([0.0, -0.02, 0.0]), CLOSED, 30))


def close_drawer(state: State) -> Motion:
    """Push the bar from the front."""
    bar = state.places.drawer + DRAWER_HANDLE - np.array([0.0, state.drawer, 0.0])
    front = bar + np.array([0.0, -0.05, 0.02])
    state = yield from travel(state, np.array([front[0], front[1], 0.5]), CLOSED)
    state = yield from go(state, front, CLOSED, tolerance=0.015)
    return (yield from follow(state, np.array([0.0, 0.02, 0.0]), CLOSED, 30))


def turn_on_lightbulb(state: State) -> Motion:
    """Push the bar up along its rail from below."""
    bar = _switch_bar(state)
    below = bar + np.array([0.0, -0.05, -0.02])
    state = yield from travel(state, below, CLOSED, pitch=SWITCH_LEAN)
    state = yield from go(state, bar - 0.03 * SWITCH_AXIS, CLOSED, pitch=SWITCH_LEAN, limit=20)
    return (yield from follow(state, 0.02 * SWITCH_AXIS, CLOSED, 20, pitch=SWITCH_LEAN))


def turn_off_lightbulb(state: State) -> Motion:
    """Push the bar down along its rail from above."""
    bar = _switch_bar(state)
    above = bar + np.array([0.0, 0.01, 0.055])
    state = yield from travel(state, np.array([above[0], LANE, above[2]]), CLOSED, pitch=SWITCH_LEAN)
    state = yield from go(state, above, CLOSED, pitch=SWITCH_LEAN, tolerance=0.015)
    return (yield from follow(state, -0.02 * SWITCH_AXIS, CLOSED, 20, pitch=SWITCH_LEAN))


def _switch_bar(state: State) -> np.ndarray:
    """The part of the bar that is nearer to the robot, [3]."""
    aside = np.array([-0.03 * np.sign(state.places.switch[0]), 0.0, 0.0])
    return state.places.switch + SWITCH_BAR + state.switch * SWITCH_AXIS + aside


def press_button(state: State) -> Motion:
    """Push the button down."""
    top = state.places.button + BUTTON_TOP
    state = yield from travel(state, top + np.array([0.0, 0.0, 0.05]), CLOSED)
    state = yield from go(state, top + np.array([0.0, 0.0, -0.01]), CLOSED, limit=25)
    state = yield from go(state, np.array([*state.tcp[:2], TRAVEL_HEIGHT]), CLOSED)
    return (yield from hold(state, CLOSED, 2))
