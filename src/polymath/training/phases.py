"""Which phases one call of `train` runs, and with which recipe: the same for the command and for `polymath.train`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from polymath.training.fitting import without_pairs
from polymath.training.recipe import PHASES, Recipe
from polymath.training.start import Start, as_begun, recorded_or_named, taken
from polymath.training.untrained import with_untrained_learning

VISION_LEARNS = (
    "no pairs and no trained weights to begin with: the vision transformer is drawn at random, so it learns in the "
    "robot phase too (optimizer.groups = [['.*', 1.0]]); --published vit=PATH or --start RUN begins with one that sees"
)


@dataclass(frozen=True)
class PhasePlan:
    """The recipe to train, its phases in order, and what the user should be told about them ("": nothing).

    taken: what the recipe has from published parts, a line for each.
    """

    recipe: Recipe
    phases: tuple[str, ...]
    note: str = ""
    taken: tuple[str, ...] = ()


def plan_phases(recipe: Recipe, out: Path, start: Start, phases: Sequence[str] | None, *, has_pairs: bool) -> PhasePlan:
    """The plan for the run directory `out`, which may have begun already; `phases`: None for the usual ones.

    Usual are both phases with image-text pairs, and without them the robot phase on episodes alone. That phase then
    trains every weight if it would else freeze some that were drawn at random.
    """
    recipe = as_begun(recipe, out, start)
    lines = taken(recipe, start)
    if phases:
        return PhasePlan(recipe, tuple(phases), taken=lines)
    if has_pairs:
        return PhasePlan(recipe, PHASES, taken=lines)
    recipe = without_pairs(recipe)
    learning = with_untrained_learning(recipe, "robot", recorded_or_named(recipe, out, start).trained)
    return PhasePlan(learning, ("robot",), VISION_LEARNS if learning != recipe else "", lines)
