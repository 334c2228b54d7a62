"""One scripted expert for each of CALVIN's tasks, driven step by step: official relative actions from a `State`."""

from functools import partial
from typing import Callable, Dict, Optional

import numpy as np

from . import blocks, furniture
from .motion import Motion
from .scene_state import COLOURS, TABLE, State
from .tasks import before_drawer, lying

TURN = 1.7
"""Radians of a rotation; the oracle asks for more than 60 degrees."""
Script = Callable[[State], Motion]


def push_free_block(state: State) -> Motion:
    """push_into_drawer names no colour: of the blocks before the drawer the one nearest to the edge."""
    choices = before_drawer(state) or lying(state, TABLE) or list(state.blocks)
    return blocks.push_into_drawer(state, min(choices, key=lambda colour: state.blocks[colour].position[1]))


def _scripts() -> Dict[str, Script]:
    scripts: Dict[str, Script] = {
        "move_slider_left": partial(furniture.move_slider, direction=1.0),
        "move_slider_right": partial(furniture.move_slider, direction=-1.0),
        "open_drawer": furniture.open_drawer,
        "close_drawer": furniture.close_drawer,
        "turn_on_lightbulb": furniture.turn_on_lightbulb,
        "turn_off_lightbulb": furniture.turn_off_lightbulb,
        "turn_on_led": furniture.press_button,
        "turn_off_led": furniture.press_button,
        "place_in_slider": blocks.place_in_slider,
        "place_in_drawer": blocks.place_in_drawer,
        "push_into_drawer": push_free_block,
        "stack_block": blocks.stack,
        "unstack_block": blocks.unstack,
    }
    for colour in COLOURS:
        for place in ("table", "slider", "drawer"):
            scripts[f"lift_{colour}_block_{place}"] = partial(blocks.lift, colour=colour)
        for name, sign in (("left", -1.0), ("right", 1.0)):
            scripts[f"push_{colour}_block_{name}"] = partial(blocks.push, colour=colour, direction=sign)
            scripts[f"rotate_{colour}_block_{name}"] = partial(blocks.rotate, colour=colour, angle=-sign * TURN)
    return scripts


SCRIPTS = _scripts()
WITH_A_BLOCK = ("place_in_slider", "place_in_drawer", "stack_block")
"""Tasks that begin with a block in the hand."""


def emptied(state: State, script: Script) -> Motion:
    """The script, after the fingers have let go of a block that the subtask before left between them."""
    if state.gripper < 0 and state.touched and state.opening > 0.01:
        state = yield from blocks.put_down(state)
    return (yield from script(state))


class Expert:
    """The expert of one task; it begins its script again where the script ended without success."""

    def __init__(self, task: str) -> None:
        script = SCRIPTS[task]
        self._script = script if task in WITH_A_BLOCK else partial(emptied, script=script)
        self._motion: Optional[Motion] = None

    def action(self, state: State) -> np.ndarray:
        """The next relative action, float64 [7]: six in [-1, 1] and the gripper, -1 or 1."""
        for _ in range(2):
            try:
                if self._motion is not None:
                    return self._motion.send(state)
                self._motion = self._script(state)
                return next(self._motion)
            except StopIteration:
                self._motion = None
        return np.array([0, 0, 0, 0, 0, 0, state.gripper])
