"""Named recipes, one file each; no other place holds experiments."""

import difflib

from polymath.errors import ConfigError
from polymath.presets import demo, polymath_v
from polymath.training.recipe import Recipe

PRESETS: dict[str, Recipe] = {recipe.name: recipe for recipe in (demo.RECIPE, demo.TINY, *polymath_v.RECIPES)}


def preset(name: str) -> Recipe:
    """The recipe of that name. Raises ConfigError with the nearest names for an unknown one."""
    if name in PRESETS:
        return PRESETS[name]
    close = difflib.get_close_matches(name, PRESETS, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(close)}?" if close else f"choose from {', '.join(PRESETS)}"
    raise ConfigError(f"preset {name!r}: no such preset; {hint}")
