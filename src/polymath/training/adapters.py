"""A recipe that trains low-rank adapters, and nothing else but parts that nothing has trained yet."""

from dataclasses import replace

from polymath.model import lora, polymath_v
from polymath.training.recipe import PHASES, Phase, Recipe

ADAPTERS_ALONE = ((r".*\.lora_(down|up)", 1.0), (r"(?!.*\.lora_).*", 0.0))
ADAPTERS_AND_COMMITTED = ((r".*\.lora_(down|up)|committed", 1.0), (r"(?!.*\.lora_|committed$).*", 0.0))
ADAPTERS_AND_NEW = (
    (r".*\.lora_(down|up)|(?!vit\.|decoder\.).*", 1.0),
    (r"(vit|decoder)\.(?!.*\.lora_).*", 0.0),
)
OF_ADAPTERS = (ADAPTERS_ALONE, ADAPTERS_AND_COMMITTED, ADAPTERS_AND_NEW)
EVERYTHING = ((r".*", 1.0),)


def with_adapters(recipe: Recipe, adapters: lora.Config) -> Recipe:
    """Adapters on every weight that `adapters.targets` matches; the learning-rate groups of both phases hold the rest.

    The map of committed actions learns beside them: it starts at zero, and no model below the adapters has it.
    Raises ConfigError for targets that match nothing, or something that is no matrix to project with.
    """
    return _adapted(recipe, adapters, ADAPTERS_AND_COMMITTED if recipe.model.committed else ADAPTERS_ALONE)


def with_adapters_on_published(recipe: Recipe, adapters: lora.Config) -> Recipe:
    """As `with_adapters`, for a vision transformer and a decoder that are published: what stands between and beside
    them (resampler, projections, action head) is drawn, so it learns whole.
    """
    return _adapted(recipe, adapters, ADAPTERS_AND_NEW)


def with_adapters_of(recipe: Recipe, stored: Recipe) -> Recipe:
    """The recipe with the adapters of `stored`, a run's own recipe, and with what that let learn beside them.

    Adapters of another kind, and learning-rate groups that a user has set, are left as they are.
    """
    adapters = stored.model.adapters
    if adapters is None or recipe.model.adapters not in (None, adapters):
        return recipe
    if recipe.model.adapters is None:
        recipe = with_adapters(recipe, adapters)
    for name in PHASES:
        phase, groups = recipe.phase(name), stored.phase(name).optimizer.groups
        if phase.optimizer.groups in OF_ADAPTERS and groups in OF_ADAPTERS:
            recipe = recipe.with_phase(name, _with_groups(phase, groups))
    return recipe


def _adapted(recipe: Recipe, adapters: lora.Config, groups: tuple[tuple[str, float], ...]) -> Recipe:
    model = replace(recipe.model, adapters=adapters)
    polymath_v.specs(model)
    alignment, robot = (_with_groups(phase, groups) for phase in (recipe.alignment, recipe.robot))
    return replace(recipe, model=model, alignment=alignment, robot=robot)


def without_adapters(recipe: Recipe) -> Recipe:
    """The recipe of the merged model; phases that trained adapters alone would now train everything."""
    alignment, robot = (
        _with_groups(phase, EVERYTHING) if phase.optimizer.groups in OF_ADAPTERS else phase
        for phase in (recipe.alignment, recipe.robot)
    )
    return replace(recipe, model=replace(recipe.model, adapters=None), alignment=alignment, robot=robot)


def _with_groups(phase: Phase, groups: tuple[tuple[str, float], ...]) -> Phase:
    return replace(phase, optimizer=replace(phase.optimizer, groups=groups))
