"""Weights that would stay as they were drawn: frozen in a phase, and not trained before it.

A policy with a random, frozen vision transformer trains without complaint and sees next to nothing. Constants (the
scales of norms, biases) and fixed position grids may be frozen at their start; what was drawn at random may not.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from polymath.errors import ConfigError
from polymath.model import polymath_v
from polymath.specs import Normal, named
from polymath.training import optimizer
from polymath.training.recipe import Recipe

EVERYTHING_LEARNS = ((".*", 1.0),)


def trainable(recipe: Recipe, phase: str) -> set[str]:
    """Names of the weights that the phase trains."""
    factors = optimizer.learning_rate_factors(recipe.phase(phase).optimizer, polymath_v.specs(recipe.model))
    return {unadapted(name) for name, factor in factors.items() if factor}


def drawn_and_frozen(recipe: Recipe, phase: str, trained: Collection[str]) -> list[str]:
    """Names of weights that are drawn at random, that the phase freezes, and that are not among the `trained` ones.

    The localizer is left out in a phase without pointing documents, which do not use it.
    """
    learns, unused = trainable(recipe, phase), () if recipe.phase(phase).pointing else ("localizer",)
    return [
        name
        for name, spec in named(polymath_v.specs(recipe.model))
        if isinstance(spec.init, Normal)
        and unadapted(name) not in learns
        and unadapted(name) not in trained
        and not name.startswith(unused)
    ]


def check_trained(recipe: Recipe, phases: Sequence[str], trained: Iterable[str]) -> None:
    """Raise ConfigError if one of `phases`, in this order, freezes what nothing has trained; `trained`: before."""
    known = set(trained)
    for phase in phases:
        names = drawn_and_frozen(recipe, phase, known)
        if names and not recipe.allow_untrained:
            part = names[0].split(".")[0]
            raise ConfigError(
                f"the {phase} phase of recipe {recipe.name!r} freezes {part} ({len(names)} weights, {names[0]!r} the "
                f"first), which is drawn at random and which nothing has trained; {_remedy(part)}, or let it learn: "
                f"--set '{phase}.optimizer.groups=[[\".*\", 1.0]]' (--set allow_untrained=true trains around it)"
            )
        known |= trainable(recipe, phase)


def with_untrained_learning(recipe: Recipe, phase: str, trained: Collection[str]) -> Recipe:
    """The recipe; in `phase` every weight learns if the phase would freeze an untrained one.

    Adapters alone are left as they are: without a trained model below them they are a mistake.
    """
    if recipe.model.adapters is not None or recipe.allow_untrained or not drawn_and_frozen(recipe, phase, trained):
        return recipe
    part = recipe.phase(phase)
    return recipe.with_phase(phase, replace(part, optimizer=replace(part.optimizer, groups=EVERYTHING_LEARNS)))


def unadapted(name: str) -> str:
    """The name of the weight below an adapter in the model without adapters."""
    return name.removesuffix(".base")


def _remedy(part: str) -> str:
    published = f"--published {part}=PATH, " if part in ("vit", "resampler", "decoder") else ""
    return f"begin with trained weights ({published}--start RUN), train it first (--phases alignment robot, with pairs)"
