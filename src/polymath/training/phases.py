"""Which phases one call of `train` runs, and with which recipe: the same for the command and for `polymath.train`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from polymath.errors import ConfigError
from polymath.training.checkpoints import has_checkpoint, newest_step
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


def check_order(recipe: Recipe, out: Path, phases: Sequence[str]) -> None:
    """Raise ConfigError unless every phase that is to begin can continue a finished phase before it."""
    if not phases or list(phases) != [name for name in PHASES if name in phases]:
        raise ConfigError(f"--phases {' '.join(phases)}: name each phase once, in the order {' '.join(PHASES)}")
    begun = [name for name in PHASES if has_checkpoint(out / "checkpoints" / name)]
    new = [name for name in phases if name not in begun]
    for name in new:
        later = [other for other in begun if PHASES.index(other) > PHASES.index(name)]
        if later:
            raise ConfigError(
                f"{out}: its {later[0]} phase began without the {name} phase, which cannot come before it any more; "
                f"name --phases {later[0]} alone, or choose another run directory"
            )
    for name in begun:
        step, last = newest_step(out / "checkpoints" / name), recipe.phase(name).steps
        if new and name not in phases and step != last:
            raise ConfigError(
                f"{out}: its {name} phase is at step {step} of {last}; finish it first with --phases {name} {new[0]}, "
                f"or begin another run directory from it with --start {out} --start-phase {name}"
            )
