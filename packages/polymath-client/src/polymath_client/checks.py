"""What a user of the package may hand in by mistake, refused in one line that names it."""

import math
from typing import Any, Sequence

import numpy as np

from polymath_client.errors import ClientError


def whole(name: str, value: Any, least: int, remedy: str) -> int:
    """An integer of at least `least`. Raises ClientError."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)) or value < least:
        raise ClientError(f"{name}: {value!r}; {remedy}")
    return int(value)


def number(name: str, value: Any, remedy: str, least: float = -math.inf) -> float:
    """A finite number of at least `least`. Raises ClientError."""
    real = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    if not (real and math.isfinite(value) and value >= least):
        raise ClientError(f"{name}: {value!r}; {remedy}")
    return float(value)


def above_zero(name: str, value: Any, remedy: str) -> float:
    """A finite number above 0. Raises ClientError."""
    result = number(name, value, remedy, 0.0)
    if not result:
        raise ClientError(f"{name}: {value!r}; {remedy}")
    return result


def dimensions(name: str, indices: Sequence[int], width: int) -> None:
    """Raises ClientError unless each index stands for one of `width` numbers of an action."""
    for index in indices:
        if not 0 <= whole(name, index, 0, "number the action's dimensions from 0") < width:
            raise ClientError(f"{name}: {index}, but an action has {width} numbers, 0 to {width - 1}")


def vector(name: str, value: Any) -> np.ndarray:
    """Numbers as float32, of whatever shape. Raises ClientError for anything else, texts of numbers included."""
    try:
        numbers = np.asarray(value)
    except ValueError:  # lists of different lengths
        numbers = np.empty(0, object)
    if numbers.dtype.kind not in "biuf":
        raise ClientError(f"{name}: a {type(value).__name__} that holds other things than numbers; give an array")
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinity, which is refused where it matters
        return numbers.astype(np.float32)
