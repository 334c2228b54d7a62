"""Start states of demonstrations: furniture and blocks drawn as the official scene draws them, then some playing.

Half of the blocks lie near the places of the official evaluation, half anywhere on the scene's surfaces (the ranges of
its configuration). Blocks on the plank keep nearly the evaluation's yaw: otherwise the hand does not fit to them.
"""

from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from . import initial
from .tasks import block_of

SURFACES = ("table", "slider_left", "slider_right")
CLEARANCE = 0.1
"""Metres between the middles of two blocks; the longest is 0.08 m."""
ATTEMPTS = 200
NEAR = 0.02


def draw_scene(
    task: str, surfaces: Mapping[str, Any], order: Sequence[str], scene: str, random: np.random.Generator
) -> np.ndarray:
    """scene_obs, float64 [24], in which `task` is possible or not far away; `order` as that of the scene's blocks."""
    slider, drawer, lightbulb, led = (bool(bit) for bit in random.integers(0, 2, 4))
    slider = {"move_slider_left": False, "move_slider_right": True}.get(task, slider)
    drawer = {"open_drawer": False, "close_drawer": True, "push_into_drawer": True}.get(task, drawer)
    lightbulb = {"turn_on_lightbulb": False, "turn_off_lightbulb": True}.get(task, lightbulb)
    led = {"turn_on_led": False, "turn_off_led": True}.get(task, led)
    blocks = _draw_blocks(_places(task, random), surfaces, scene, random)
    furniture = [
        initial.LAYOUTS[scene].slider * slider,
        0.22 * drawer,
        0.0,
        0.088 * lightbulb,
        float(lightbulb),
        float(led),
    ]
    return np.array([*furniture, *(number for name in order for number in blocks[name.replace("block_", "")])])


def draw_extra(random: np.random.Generator) -> int:
    """How many subtasks are played before the demonstration, as in a chain: often none."""
    return int(random.choice([0, 0, 1, 1, 2]))


def _places(task: str, random: np.random.Generator) -> Dict[str, str]:
    """A surface for each colour; the two shelves hold one block at most, the table at least one."""
    colour, last = block_of(task)
    while True:
        places = {each: str(random.choice(SURFACES)) for each in ("red", "blue", "pink")}
        on_table = [each for each, place in places.items() if place == "table"]
        shelved = [place for place in places.values() if place != "table"]
        if not on_table or len(set(shelved)) < len(shelved):
            continue
        if colour and (places[colour] == "table") == (last == "slider"):
            continue
        if task.endswith("stack_block") and len(on_table) < 2:
            continue
        return places


def _draw_blocks(
    places: Mapping[str, str], surfaces: Mapping[str, Any], scene: str, random: np.random.Generator
) -> Dict[str, Tuple[float, ...]]:
    for _ in range(ATTEMPTS):
        blocks = {}
        shift = np.array([initial.LAYOUTS[scene].table, 0.0, 0.0])
        slots = [np.array(slot) + shift for slot in initial.TABLE_SLOTS]
        random.shuffle(slots)
        for colour, place in places.items():
            usual = _usual(place, scene, slots) if random.random() < 0.5 else None
            blocks[colour] = _draw_block(place, surfaces[place], usual, random)
        positions = [np.array(block[:2]) for block in blocks.values()]
        gaps = [np.linalg.norm(a - b) for i, a in enumerate(positions) for b in positions[:i]]
        if min(gaps) > CLEARANCE:
            return blocks
    raise RuntimeError(f"no place for the blocks on {dict(places)} in {ATTEMPTS} draws")


def _usual(place: str, scene: str, slots: List[np.ndarray]) -> Optional[np.ndarray]:
    """Where the official evaluation puts a block; the two slots on the table are used up one after the other."""
    shift = initial.LAYOUTS[scene].shelf
    if place == "table":
        return slots.pop() if slots else None
    x = initial.LEFT_X if place == "slider_left" else initial.RIGHT_X
    return np.array([x + shift, *initial.SHELF_YZ])


def _draw_block(
    place: str, surface: Any, usual: Optional[np.ndarray], random: np.random.Generator
) -> Tuple[float, ...]:
    low, high = np.array(surface[0]), np.array(surface[1])
    position = random.uniform(low, high)
    if usual is not None:
        position[:2] = usual[:2] + random.uniform(-NEAR, NEAR, 2) * [1.0, 0.5]
    yaw = random.uniform(*initial.YAW)
    if place == "table" and usual is None:
        yaw = random.uniform(-np.pi, np.pi)
    return (*position, 0.0, 0.0, float(yaw))
