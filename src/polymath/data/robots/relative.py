"""Absolute actions as differences from the state that the robot had at the first step of their chunk, and back.

    delta[t, w, d] = action[t + w, d] - state[t, entry(d)]      w = 0 … W - 1
    action[t + w, d] = delta[t, w, d] + state[t, entry(d)]

Dimensions without an entry, the grippers above all, stay as they are. It is DeltaActions and AbsoluteActions of openpi
(src/openpi/transforms.py), with entries of the state found by name instead of by place.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from polymath.data.robots.grippers import gripper_places
from polymath.errors import ConfigError, DataError
from polymath.types import Conventions, Embodiment

Representation = Literal["recorded", "absolute", "delta"]
Subtracted = tuple[int | None, ...]
ABSOLUTE_MOTIONS = ("pose", "joints")
NOT_SUBTRACTED = re.compile(r"(?<![a-z])(q[wxyz]|quat\w*|rot\w*_?6d\w*)(?![a-z])", re.IGNORECASE)
KEEP = "keep dimensions absolute by --set absolute_actions"


@dataclass(frozen=True)
class ActionForm:
    """In which form a model is given a robot's actions.

    representation   "recorded": as they are. "absolute": the same, and a set of deltas is refused. "delta": absolute
                     actions as differences from the state at the first step of their chunk
    absolute         names of action dimensions that stay absolute under "delta", beside the grippers
    chunk_length     W, control steps of a chunk: the differences depend on it, so their statistics do too
    """

    representation: Representation = "recorded"
    absolute: tuple[str, ...] = ()
    chunk_length: int = 1

    def __post_init__(self) -> None:
        if self.absolute and self.representation != "delta":
            raise ConfigError(
                f"absolute_actions: {', '.join(self.absolute)} can stay absolute only among deltas, but "
                f"action_representation is {self.representation}; set it to delta, or leave absolute_actions out"
            )


AS_RECORDED = ActionForm()


def subtracted_entries(robot: Embodiment, form: ActionForm, name: str) -> Subtracted:
    """Per action dimension the entry of the state that is subtracted; None where it stays. Empty: nothing is.

    Raises DataError, naming the set by `name`, for actions that are deltas already, for dimensions without an entry of
    the same name and unit, and for rotations of which a difference of numbers is no rotation.
    """
    if form.representation == "recorded":
        return ()
    _check_absolute(robot, form.representation, name)
    if form.representation == "absolute":
        return ()
    kept = {*gripper_places(robot), *(i for i, each in enumerate(robot.action_names) if each in form.absolute)}
    moved = [i for i in range(robot.action_dim) if i not in kept]
    _check_rotation(robot, moved, name)
    lacking = [robot.action_names[i] for i in moved if robot.action_names[i] not in robot.state_names]
    if lacking:
        raise DataError(
            f"{name}: action_representation=delta subtracts from each action the state's entry of the same name, but "
            f"{_listed(lacking)} of robot {robot.name!r} {_has(lacking)} none among {', '.join(robot.state_names)}; "
            f"name both alike in meta/embodiment.json, or {KEEP}",
            "action",
        )
    entries = tuple(None if i in kept else robot.state_names.index(each) for i, each in enumerate(robot.action_names))
    _check_units(robot, entries, name)
    return entries


def check_absolute_names(form: ActionForm, robots: Sequence[Embodiment]) -> None:
    """Raise ConfigError for a name in `form.absolute` that is no action dimension of any of the robots."""
    names = list(dict.fromkeys(name for robot in robots for name in robot.action_names))
    for name in form.absolute:
        if name not in names:
            raise ConfigError(f"absolute_actions: there is no action {name!r}; choose from {', '.join(names)}")


def delta_line(robot: Embodiment, subtracted: Subtracted) -> str:
    """For people: which of the robot's actions are deltas, and which stay."""
    pairs = list(zip(robot.action_names, subtracted, strict=True))
    moved, stay = ([name for name, entry in pairs if (entry is None) == kept] for kept in (False, True))
    kept = f"; {', '.join(stay)} as recorded" if stay else ""
    return f"actions {', '.join(moved) or 'none'}: deltas from the state (action_representation){kept}"


def origin(state: Float[np.ndarray, " state_dim"], subtracted: Subtracted) -> Float[np.ndarray, " A"]:
    """What is subtracted from every action of the chunk that begins at `state`: 0 where it stays absolute."""
    return np.array([0.0 if entry is None else state[entry] for entry in subtracted], np.float64)


def chunk_differences(
    states: Float[np.ndarray, "T D"], actions: Float[np.ndarray, "T A"], subtracted: Subtracted, chunk_length: int
) -> Iterator[Float[np.ndarray, "n A"]]:
    """Every action of every chunk of an episode, as its deltas: a block for each of the W places in a chunk."""
    origins = np.zeros(actions.shape)
    moved = [i for i, entry in enumerate(subtracted) if entry is not None]
    origins[:, moved] = states[:, [entry for entry in subtracted if entry is not None]]
    for place in range(min(chunk_length, len(actions))):
        yield actions[place:] - origins[: len(actions) - place]


def _check_absolute(robot: Embodiment, representation: str, name: str) -> None:
    conventions = robot.conventions
    if conventions is None or conventions.motion in ABSOLUTE_MOTIONS:
        return
    problem = (
        "would be a double delta" if representation == "delta" else "asks for absolute ones, which they do not tell"
    )
    raise DataError(
        f"{name}: the actions of robot {robot.name!r} are deltas already (conventions.motion is "
        f"{conventions.motion!r}), so action_representation={representation} {problem}; leave it at recorded",
        "action",
    )


def _check_rotation(robot: Embodiment, moved: Sequence[int], name: str) -> None:
    conventions = robot.conventions
    wrong = [i for i in moved if NOT_SUBTRACTED.search(robot.action_names[i]) or _is_whole(conventions, i)]
    if wrong:
        kind = conventions.rotation if conventions and conventions.motion == "pose" else "quaternion or rotation 6d"
        raise DataError(
            f"{name}: action_representation=delta subtracts number by number, but {_named(robot, wrong)} of robot "
            f"{robot.name!r} are a rotation ({kind}), of which a difference is no rotation; record it as euler xyz or "
            f"axis-angle, or {KEEP}",
            "action",
        )
    if conventions is not None and conventions.motion == "pose" and conventions.frame == "tool" and moved:
        raise DataError(
            f"{name}: the actions of robot {robot.name!r} are poses in the frame of the tool, its state is not; "
            "action_representation=delta needs both in one frame; leave it at recorded",
            "action",
        )


def _is_whole(conventions: Conventions | None, dimension: int) -> bool:
    """Whether it is one number of a rotation that only the numbers together are."""
    if conventions is None or conventions.motion != "pose":
        return False
    return conventions.rotation in ("quaternion xyzw", "rotation 6d") and conventions.action_units[dimension] == "1"


def _check_units(robot: Embodiment, entries: Subtracted, name: str) -> None:
    conventions = robot.conventions
    if conventions is None:
        return
    for i, entry in enumerate(entries):
        if entry is not None and conventions.action_units[i] != conventions.state_units[entry]:
            raise DataError(
                f"{name}: action {robot.action_names[i]!r} of robot {robot.name!r} is in "
                f"{conventions.action_units[i]!r}, but the state in {conventions.state_units[entry]!r}, so "
                f"action_representation=delta cannot subtract them; record both in one unit, or {KEEP}",
                "action",
            )


def _named(robot: Embodiment, dimensions: Sequence[int]) -> str:
    return _listed([robot.action_names[i] for i in dimensions])


def _listed(names: Sequence[str]) -> str:
    return f"action{'s' if len(names) > 1 else ''} {', '.join(map(repr, names))}"


def _has(names: Sequence[str]) -> str:
    return "have" if len(names) > 1 else "has"
