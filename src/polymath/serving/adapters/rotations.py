"""Rotations inside vectors, found by the names of their dimensions.

    euler xyz         roll pitch yaw          quaternion xyzw   qx qy qz qw
    axis-angle        rx ry rz                quaternion wxyz   qw qx qy qz
    rotation 6d       r11 r21 r31 r12 r22 r32 (the first two columns of the matrix)

A prefix is the same in all names of a group: `droll dpitch dyaw` of a delta, `left rx left ry left rz` of an arm.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from polymath.data.robots import conversions
from polymath.errors import ConfigError, DataError

NAMES: dict[str, tuple[str, ...]] = {
    "euler xyz": ("roll", "pitch", "yaw"),
    "axis-angle": ("rx", "ry", "rz"),
    "quaternion xyzw": ("qx", "qy", "qz", "qw"),
    "quaternion wxyz": ("qw", "qx", "qy", "qz"),
    "rotation 6d": ("r11", "r21", "r31", "r12", "r22", "r32"),
}
UNIT_NORM = 1e-3  # by which a quaternion's length may be off 1


class Group(NamedTuple):
    """The dimensions from `start` to before `stop`, written as `kind`, their names beginning with `prefix`."""

    kind: str
    prefix: str
    start: int
    stop: int


def groups(names: tuple[str, ...]) -> list[Group]:
    """The rotations among dimensions of these names, in their order."""
    result: list[Group] = []
    for start, name in enumerate(names):
        for kind, parts in NAMES.items():
            prefix = name.removesuffix(parts[0])
            if prefix != name and names[start : start + len(parts)] == tuple(prefix + part for part in parts):
                result.append(Group(kind, prefix, start, start + len(parts)))
    return result


def renamed(names: tuple[str, ...], target: str) -> tuple[str, ...]:
    """The names after every rotation is written as `target`."""
    result = list(names)
    for group in reversed(groups(names)):
        result[group.start : group.stop] = [group.prefix + part for part in NAMES[target]]
    return tuple(result)


def rewritten(values: Float[np.ndarray, "n D"], names: tuple[str, ...], target: str) -> Float[np.ndarray, "n D2"]:
    """Every rotation among the dimensions written as `target`, in radians.

    Raises DataError for a quaternion that is not of length one.
    """
    parts, end = [], 0
    for group in groups(names):
        parts += [values[:, end : group.start], convert(values[:, group.start : group.stop], group.kind, target)]
        end = group.stop
    return np.concatenate([*parts, values[:, end:]], axis=1)


def convert(values: Float[np.ndarray, "n k"], source: str, target: str) -> Float[np.ndarray, "n m"]:
    """`conversions.rotation`, for quaternions that begin with w too. Raises DataError as `rewritten`."""
    if source.startswith("quaternion"):
        length = np.linalg.norm(values, axis=1)
        if np.abs(length - 1).max(initial=0) > UNIT_NORM:
            raise DataError(
                f"rotation: a quaternion of length {length.max():.4g}; send quaternions of length 1", "rotation"
            )
    plain = np.roll(values, -1, axis=1) if source == "quaternion wxyz" else values
    kinds = [kind.replace("wxyz", "xyzw") for kind in (source, target)]
    try:
        result = conversions.rotation(plain, *kinds)  # type: ignore[arg-type]
    except (ConfigError, ValueError) as error:
        raise DataError(f"rotation: {source} cannot be written as {target} ({error})", "rotation") from None
    return np.roll(result, 1, axis=1) if target == "quaternion wxyz" else result
