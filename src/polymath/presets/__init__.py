"""Named recipes, one file each; no other place holds experiments. Other packages add theirs by entry points."""

from polymath import plugins
from polymath.errors import ConfigError, did_you_mean
from polymath.presets import bridge, calvin, demo, libero, one_gpu, polymath_v
from polymath.presets.imported import recipe_at
from polymath.training.recipe import Recipe

GROUP = "polymath.presets"
PRESETS: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        *(demo.RECIPE, demo.TINY, calvin.RECIPE, libero.RECIPE, bridge.RECIPE),
        *one_gpu.RECIPES,
        *polymath_v.RECIPES,
    )
}


def preset(name: str) -> Recipe:
    """The recipe of that name, built in or of the entry point group `polymath.presets`, or "package.module:RECIPE".

    Raises ConfigError with the nearest names for an unknown one, and for a module or plug-in that cannot be used.
    """
    if ":" in name:
        return recipe_at(name)
    match = plugins.find(GROUP, name, Recipe, PRESETS)
    if match is None:
        known = [*PRESETS, *plugins.entries(GROUP)]
        raise ConfigError(f"preset {name!r}: no such preset; {did_you_mean(name, known)}")
    return match


def every_preset() -> dict[str, Recipe]:
    """All recipes by name, the built-in ones first; a plug-in that cannot be used is left out with a warning."""
    return plugins.every(GROUP, Recipe, PRESETS)
