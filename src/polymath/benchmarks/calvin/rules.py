"""What CALVIN's 34 subtasks need and change in a symbolic state: the source of the 1,000 evaluation chains.

Written after Mees et al. 2022, section "Long-Horizon MTLC", and the official `multistep_sequences.py`:

    subtask                         needs                                    changes
    rotate_C_block_*, push_C_block_*   block C on the table, hand empty      nothing
    move_slider_*, open/close_drawer   the other position, hand empty        the position
    turn_on/off_*                      the other state, hand empty           the state
    lift_C_block_table                 block C on the table, hand empty      C is held
    lift_C_block_slider                C on the shelf that the door leaves open
    lift_C_block_drawer                C in the open drawer
    place_in_slider, place_in_drawer   a held block (and an open drawer)     where it lies
    stack_block                        a held block and another on the table both are of the stack
    unstack_block                      a stack, hand empty                   both are on the table
    push_into_drawer                   one block on the table, the others on shelves, drawer open
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import permutations, product

COLOURS = ("red", "blue", "pink")
SHELVES = ("slider_right", "slider_left")
OPEN_SHELF = {"right": "slider_left", "left": "slider_right"}  # the door's position -> the shelf that it leaves open
Value = str | int
State = dict[str, Value]
CHAIN_LENGTH = 5


@dataclass(frozen=True)
class Change:
    """One way in which a subtask can be done: it needs one of the values of each name, and sets those of `after`."""

    needs: Mapping[str, tuple[Value, ...]]
    after: Mapping[str, Value]

    def possible(self, state: State) -> bool:
        return all(state[name] in values for name, values in self.needs.items())


def _change(needs: Mapping[str, Value | tuple[Value, ...]], after: Mapping[str, Value], grasped: int = 0) -> Change:
    values = {name: value if isinstance(value, tuple) else (value,) for name, value in needs.items()}
    return Change({**values, "grasped": (grasped,)}, after)


def _lifts(colour: str) -> Iterator[tuple[str, list[Change]]]:
    held: dict[str, Value] = {colour: "grasped", "grasped": 1}
    yield f"lift_{colour}_block_table", [_change({colour: "table"}, held)]
    shelf = [_change({colour: place, "slider": door}, held) for door, place in OPEN_SHELF.items()]
    yield f"lift_{colour}_block_slider", shelf
    yield f"lift_{colour}_block_drawer", [_change({colour: "drawer", "drawer": "open"}, held)]


def _switched(name: str, off: str, on: str, closed: Value, opened: Value) -> Iterator[tuple[str, list[Change]]]:
    yield on, [_change({name: closed}, {name: opened})]
    yield off, [_change({name: opened}, {name: closed})]


def _subtasks() -> Iterator[tuple[str, list[Change]]]:
    """In the official order, which the drawing of the chains depends on."""
    for verb in ("rotate", "push"):
        for colour, side in product(COLOURS, ("right", "left")):
            yield f"{verb}_{colour}_block_{side}", [_change({colour: "table"}, {})]
    yield from _switched("slider", "move_slider_right", "move_slider_left", "right", "left")
    yield from _switched("drawer", "close_drawer", "open_drawer", "closed", "open")
    for colour in COLOURS:
        yield from _lifts(colour)
    put_down = {colour: {colour: "grasped"} for colour in COLOURS}
    # into the cabinet, a block goes onto the shelf that is named as the door's position
    yield (
        "place_in_slider",
        [
            _change({**put_down[c], "slider": door}, {c: f"slider_{door}", "grasped": 0}, 1)
            for c, door in product(COLOURS, ("right", "left"))
        ],
    )
    yield (
        "place_in_drawer",
        [_change({**put_down[c], "drawer": "open"}, {c: "drawer", "grasped": 0}, 1) for c in COLOURS],
    )
    pairs = list(permutations(COLOURS, 2))
    yield (
        "stack_block",
        [
            _change({top: "grasped", bottom: "table"}, {top: "stacked_top", bottom: "stacked_bottom", "grasped": 0}, 1)
            for top, bottom in pairs
        ],
    )
    yield (
        "unstack_block",
        [
            _change({top: "stacked_top", bottom: "stacked_bottom"}, {top: "table", bottom: "table"})
            for top, bottom in pairs
        ],
    )
    yield from _switched("lightbulb", "turn_off_lightbulb", "turn_on_lightbulb", 0, 1)
    yield from _switched("led", "turn_off_led", "turn_on_led", 0, 1)
    yield (
        "push_into_drawer",
        [
            _change({c: "table", **{o: SHELVES for o in COLOURS if o != c}, "drawer": "open"}, {c: "drawer"})
            for c in COLOURS
        ],
    )


SUBTASKS: dict[str, list[Change]] = dict(_subtasks())


def _kind(subtask: str) -> str:
    verb, *_, last = subtask.split("_")
    if verb == "lift":
        return f"lift from {last}"
    if subtask == "push_into_drawer":
        return subtask
    return {"rotate": "shift", "push": "shift", "open": "drawer", "close": "drawer"}.get(verb, verb)


# The 11 kinds of which a chain has none twice: rotating and pushing are one, the four lights are one.
KINDS: dict[str, str] = {subtask: _kind(subtask) for subtask in SUBTASKS}


def after(state: State, subtask: str) -> State | None:
    """The state after the subtask; None unless there is exactly one way of doing it."""
    ways = [change for change in SUBTASKS[subtask] if change.possible(state)]
    return {**state, **ways[0].after} if len(ways) == 1 else None


def is_chain(state: State, chain: tuple[str, ...]) -> bool:
    """Whether each subtask can be done after the one before it, and none is of another's kind."""
    for subtask in chain:
        following = after(state, subtask)
        if following is None:
            return False
        state = following
    return len({KINDS[subtask] for subtask in chain}) == len(chain)


def initial_states() -> list[State]:
    """The 192 states in which a chain may begin: one or two blocks on the table, no shelf holds two."""
    names = ("led", "lightbulb", "slider", "drawer", *COLOURS)
    places = ("table", *SHELVES)
    states = product((0, 1), (0, 1), ("right", "left"), ("closed", "open"), places, places, places)
    return [
        {**dict(zip(names, values, strict=True)), "grasped": 0}
        for values in states
        if values.count("table") in (1, 2) and all(values.count(shelf) < 2 for shelf in SHELVES)
    ]
