"""What must hold before a robot's data is trained on: grippers inside [-1, 1], one robot a slot."""

from collections.abc import Sequence

from polymath.data.robots.accumulator import FieldStatistics
from polymath.errors import DataError
from polymath.types import Embodiment

GRIPPER_TOLERANCE = 1e-3


def grippers_outside(robot: Embodiment, action: FieldStatistics) -> list[int]:
    """Gripper dimensions whose values leave [-1, 1], which normalisation does not touch."""
    bound = 1 + GRIPPER_TOLERANCE
    return [i for i in robot.gripper_dims if action.min[i] < -bound or action.max[i] > bound]


def check_grippers(robot: Embodiment, action: FieldStatistics, name: str) -> None:
    """Raise DataError for the set `name` if a gripper dimension leaves [-1, 1]."""
    for i in grippers_outside(robot, action):
        others = [dimension for dimension in robot.gripper_dims if dimension != i]
        raise DataError(
            f"{name}: action {robot.action_names[i]!r} (dimension {i}) is a gripper of robot {robot.name!r} in "
            f"{action.min[i]:.4g} to {action.max[i]:.4g}, but gripper dimensions are not scaled and must lie in "
            f"[-1, 1]; set gripper_dims to {others} in its embodiment (it is then scaled like the rest), or convert it "
            "to the convention '-1 closed 1 open' (polymath.data.robots.conversions.gripper)",
            "gripper",
        )


def check_slots(robots: Sequence[tuple[str, Embodiment]]) -> None:
    """Raise DataError if two sets (name, robot) put different robots into one `<robot:...>` slot.

    Sets of one robot may differ in cameras and rate, not in the meaning of their states and actions.
    """
    first: dict[int, tuple[str, Embodiment]] = {}
    for name, robot in robots:
        other_name, other = first.setdefault(robot.slot, (name, robot))
        difference = _difference(other, robot)
        if difference:
            free = next((slot for slot in range(1, 31) if slot not in {r.slot for _, r in robots}), None)
            raise DataError(
                f"{other_name} and {name}: robots {other.name!r} and {robot.name!r} share slot {robot.slot} but differ "
                f"in {difference}; open or prepare one of them with a slot of its own, by ?slot={free} behind its name",
                "slot",
            )


def _difference(one: Embodiment, other: Embodiment) -> str:
    """The first field in which the meaning of two robots' numbers differs, with both values; empty if in none."""
    for field in ("name", "state_names", "action_names", "gripper_dims"):
        ours, theirs = getattr(one, field), getattr(other, field)
        if ours != theirs:
            return f"{field}: {_short(ours)} and {_short(theirs)}"
    if one.conventions is not None and other.conventions is not None:
        for field in ("state_units", "action_units", "motion", "rotation", "frame", "gripper"):
            ours, theirs = getattr(one.conventions, field), getattr(other.conventions, field)
            if ours != theirs:
                return f"conventions.{field}: {_short(ours)} and {_short(theirs)}"
    return ""


def _short(value: object) -> str:
    if isinstance(value, tuple) and len(value) > 8:
        return f"{len(value)} entries"
    return (", ".join(map(str, value)) or "none") if isinstance(value, tuple) else repr(value)
