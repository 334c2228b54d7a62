"""Which of CALVIN's 34 tasks can be done in a `State`, and what has to be done before it."""

from typing import List, Optional, Tuple

import numpy as np

from .scene_state import COLOURS, DRAWER, PLANK, TABLE, State

LIFTED_FROM = {"table": TABLE, "slider": PLANK, "drawer": DRAWER}
DRAWER_OPEN, SLIDER_MIDDLE = 0.15, 0.14


def block_of(task: str) -> Tuple[str, str]:
    """(colour, last word) of a task that names a block, ("", "") of another."""
    words = task.split("_")
    return (words[1], words[3]) if len(words) == 4 and words[2] == "block" else ("", "")


def possible(state: State, task: str) -> bool:
    """Whether the task's success rule can come true from here, and the arm can reach what it needs."""
    colour, last = block_of(task)
    if task in ("place_in_slider", "place_in_drawer", "stack_block"):
        ready = task != "place_in_drawer" or state.drawer > DRAWER_OPEN
        base = [other for other in COLOURS if other != state.held and state.blocks[other].rests_on == TABLE]
        return bool(state.held) and ready and (task != "stack_block" or bool(base))
    if state.held:
        return False
    if task.startswith("lift"):
        block = state.blocks[colour]
        return block.touches == {LIFTED_FROM[last]} and (last != "slider" or reachable(state, colour))
    if colour:
        return state.blocks[colour].touches == {TABLE}
    return {
        "move_slider_left": state.slider < 0.1,
        "move_slider_right": state.slider > 0.18,
        "open_drawer": state.drawer < 0.06,
        "close_drawer": state.drawer > DRAWER_OPEN,
        "turn_on_lightbulb": not state.lightbulb,
        "turn_off_lightbulb": state.lightbulb,
        "turn_on_led": not state.led,
        "turn_off_led": state.led,
        "unstack_block": bool(stacked(state)),
        "push_into_drawer": state.drawer > DRAWER_OPEN and bool(before_drawer(state)),
    }[task]


def before(state: State, task: str, random: np.random.Generator) -> Optional[str]:
    """A task that brings `task` closer; None where nothing does."""
    colour, last = block_of(task)
    if state.held:
        if task.startswith("lift") and last == "drawer" and state.held == colour:
            return "place_in_drawer" if state.drawer > DRAWER_OPEN else None
        return "stack_block" if task == "unstack_block" else "place_in_slider"
    if last == "slider" and colour and state.blocks[colour].rests_on == PLANK:
        return "move_slider_left" if state.slider < SLIDER_MIDDLE else "move_slider_right"
    if (task in ("place_in_drawer", "push_into_drawer") or last == "drawer") and state.drawer < DRAWER_OPEN:
        return "open_drawer"
    if task in ("place_in_slider", "place_in_drawer", "stack_block", "unstack_block") or last in ("slider", "drawer"):
        return _any_lift(state, colour, random, on_table=task.endswith("stack_block"))
    return {
        "move_slider_left": "move_slider_right",
        "move_slider_right": "move_slider_left",
        "open_drawer": "close_drawer",
        "close_drawer": "open_drawer",
        "turn_on_lightbulb": "turn_off_lightbulb",
        "turn_off_lightbulb": "turn_on_lightbulb",
        "turn_on_led": "turn_off_led",
        "turn_off_led": "turn_on_led",
    }.get(task)


def reachable(state: State, colour: str) -> bool:
    """Whether the door leaves the block on the plank free."""
    door = state.places.slider[0] - state.slider
    x = state.blocks[colour].position[0]
    return not door - 0.06 < x < door + 0.28 + 0.06


def stacked(state: State) -> List[str]:
    """Blocks that touch nothing but blocks."""
    return [colour for colour, block in state.blocks.items() if block.touches and block.touches <= set(COLOURS)]


def lying(state: State, link: str) -> List[str]:
    """Blocks that touch that link and nothing else."""
    return [colour for colour, block in state.blocks.items() if block.touches == {link}]


def before_drawer(state: State) -> List[str]:
    """Blocks on the table that fall into the open drawer when they are pushed over the edge."""
    middle = state.places.drawer[0]
    return [colour for colour in lying(state, TABLE) if abs(state.blocks[colour].position[0] - middle) < 0.15]


def _any_lift(state: State, colour: str, random: np.random.Generator, on_table: bool) -> Optional[str]:
    choices = [
        f"lift_{each}_block_{place}"
        for each in ((colour,) if colour else COLOURS)
        for place in ("table", "slider", "drawer")
        if possible(state, f"lift_{each}_block_{place}")
    ]
    if on_table:  # a second block has to stay on the table
        choices = [lift for lift in choices if len([c for c in lying(state, TABLE) if c not in lift]) > 0]
    return str(random.choice(choices)) if choices else None
