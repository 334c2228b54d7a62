"""Units of single dimensions: `m`, `deg`, `%`, or a multiple such as `0.02 m`."""

import math
import re

_BASES: dict[str, tuple[str, float]] = {
    "m": ("m", 1.0),
    "cm": ("m", 1e-2),
    "mm": ("m", 1e-3),
    "rad": ("rad", 1.0),
    "deg": ("rad", math.pi / 180),
    "1": ("1", 1.0),
    "%": ("1", 1e-2),
}
_MULTIPLE = re.compile(r"([0-9.eE+-]+) (\S+)")


def in_si(unit: str) -> tuple[str, float]:
    """The SI unit of the same quantity and how many of it one `unit` is; an unknown unit is one of its own."""
    if match := _MULTIPLE.fullmatch(unit):
        try:
            factor = float(match[1])
        except ValueError:
            return unit, 1.0
        if math.isfinite(factor) and factor > 0:
            base, size = in_si(match[2])
            return base, factor * size
    return _BASES.get(unit, (unit, 1.0))
