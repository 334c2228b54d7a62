"""Some cameras of a robot, in an order of one's own."""

from collections.abc import Sequence
from dataclasses import replace

from polymath.errors import ConfigError
from polymath.types import Embodiment


def listed(names: str | Sequence[str]) -> list[str]:
    """`front, wrist` as text, or a sequence of names, without empty ones."""
    parts = names.split(",") if isinstance(names, str) else names
    return [part.strip() for part in parts if part.strip()]


def with_cameras(robot: Embodiment, names: Sequence[str] | None, where: str) -> tuple[Embodiment, list[int]]:
    """The robot with these cameras in this order, and their places in the old order; None keeps all.

    Raises ConfigError listing the cameras for a name that is not among them, for none, or for one named twice.
    """
    if names is None:
        return robot, list(range(len(robot.cameras)))
    there = ", ".join(robot.cameras)
    if not names or len(set(names)) < len(names):
        raise ConfigError(f"{where}, cameras: names {'one twice' if names else 'none'}; choose from {there}")
    for name in names:
        if name not in robot.cameras:
            raise ConfigError(f"{where}: has no camera {name!r}; there are {there}")
    places = [robot.cameras.index(name) for name in names]
    conventions = robot.conventions
    if conventions is not None:
        conventions = replace(conventions, roles=tuple(conventions.roles[place] for place in places))
    return replace(robot, cameras=tuple(names), conventions=conventions), places
