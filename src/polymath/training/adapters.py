"""A recipe that trains low-rank adapters and nothing else."""

from dataclasses import replace

from polymath.model import lora, polymath_v
from polymath.training.recipe import Phase, Recipe

ADAPTERS_ALONE = ((r".*\.lora_(down|up)", 1.0), (r"(?!.*\.lora_).*", 0.0))
ADAPTERS_AND_COMMITTED = ((r".*\.lora_(down|up)|committed", 1.0), (r"(?!.*\.lora_|committed$).*", 0.0))
EVERYTHING = ((r".*", 1.0),)


def with_adapters(recipe: Recipe, adapters: lora.Config) -> Recipe:
    """Adapters on every weight that `adapters.targets` matches; the learning-rate groups of both phases hold the rest.

    The map of committed actions learns beside them: it starts at zero, and no model below the adapters has it.
    Raises ConfigError for targets that match nothing, or something that is no matrix to project with.
    """
    model = replace(recipe.model, adapters=adapters)
    polymath_v.specs(model)
    groups = ADAPTERS_AND_COMMITTED if model.committed else ADAPTERS_ALONE
    alignment, robot = (_with_groups(phase, groups) for phase in (recipe.alignment, recipe.robot))
    return replace(recipe, model=model, alignment=alignment, robot=robot)


def without_adapters(recipe: Recipe) -> Recipe:
    """The recipe of the merged model; phases that trained adapters alone would now train everything."""
    alignment, robot = (
        _with_groups(phase, EVERYTHING) if phase.optimizer.groups in (ADAPTERS_ALONE, ADAPTERS_AND_COMMITTED) else phase
        for phase in (recipe.alignment, recipe.robot)
    )
    return replace(recipe, model=replace(recipe.model, adapters=None), alignment=alignment, robot=robot)


def _with_groups(phase: Phase, groups: tuple[tuple[str, float], ...]) -> Phase:
    return replace(phase, optimizer=replace(phase.optimizer, groups=groups))
