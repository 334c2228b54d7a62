"""A run that is trained on: how it is executed may change, and how long; what it learns only where that is declared.

may change at every call    mesh, execution but for its dtypes, PHASE.loss.tile, held_out.every, purpose,
                            PHASE.{checkpoint_every, checkpoint_minutes, checkpoint_keep, log_every}
may change with care        PHASE.steps, with optimizer.cooldown_steps: not below the newest checkpoint, and not
                            where a later phase has begun from the finished one
where it is declared        learning rates, clipping, and others (`changes.KINDS`): `--allow KIND`, which is recorded
not at all                  the model, the data and their order, the seed
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from polymath import config
from polymath.errors import ConfigError
from polymath.training import beginning
from polymath.training.changes import Change, kind_of
from polymath.training.checkpoints import has_checkpoint, newest_step
from polymath.training.recipe import PHASES, Phase, Recipe

EXECUTION = ("remat", "attention", "micro_batches", "gradient_reduction", "unroll", "residual", "heads")
BOOKKEEPING = ("checkpoint_every", "checkpoint_minutes", "checkpoint_keep", "log_every")
RULE = (
    "steps, checkpoint_*, log_every, held_out.every, mesh and most of execution may change, what is learned may not; "
    "choose another run directory, or the same setting to resume"
)


def with_warmup_of(recipe: Recipe, out: Path) -> Recipe:
    """The recipe with the warm-up of the run in `out` where its share of the steps alone made it another one.

    The share is that of the steps that the run was begun with, however often it was made longer.
    """
    path = out / "config.json"
    stored = config.load(Recipe, path) if path.is_file() else recipe
    began = beginning.read(out)
    for name in PHASES:
        old, new = stored.phase(name), recipe.phase(name)
        steps = old.steps if began is None else began.steps.get(name, old.steps)
        if _is_scaled(old.optimizer.warmup_steps, new.optimizer.warmup_steps, new.steps / steps):
            same = replace(new.optimizer, warmup_steps=old.optimizer.warmup_steps)
            recipe = recipe.with_phase(name, replace(new, optimizer=same))
    return recipe


def _is_scaled(before: int, after: int, factor: float) -> bool:
    """Whether both are the same share of the steps; each has been rounded to whole steps, and up to 1 (`scaled`)."""
    if factor == 1 or not before or not after:
        return before == after
    least = 0.0 if before == 1 else before - 0.5
    return after == 1 or least * factor - 0.5 <= after <= (before + 0.5) * factor + 0.5


def changes_of(stored: Recipe, recipe: Recipe) -> list[Change]:
    """In what `recipe` learns otherwise than `stored`."""
    return [Change(*difference) for difference in config.differences(_as_executed(stored, recipe), recipe)]


def check_continues(stored: Recipe, recipe: Recipe, out: Path, allowed: Sequence[str] = ()) -> None:
    """Raise ConfigError naming the first field of `recipe` that the run of `stored` in `out` cannot take over.

    `allowed`: kinds of changes that are declared (`changes.KINDS`).
    """
    for field, old, new in changes_of(stored, recipe):
        kind = kind_of(field)
        if kind is None or kind not in allowed:
            remedy = RULE if kind is None else f"--allow {kind} makes that change and records it; without it, {RULE}"
            raise ConfigError(f"{out / 'config.json'}: {field} is {old!r} there, but {new!r} is asked for; {remedy}")
    for number, name in enumerate(PHASES):
        directory, steps = out / "checkpoints" / name, recipe.phase(name).steps
        if steps == stored.phase(name).steps or not has_checkpoint(directory):
            continue
        step = newest_step(directory)
        if steps < step:
            raise ConfigError(f"{directory}: is at step {step}, beyond {name}.steps = {steps}; give at least {step}")
        later = [other for other in PHASES[number + 1 :] if has_checkpoint(out / "checkpoints" / other)]
        if later:
            raise ConfigError(
                f"{out}: its {later[0]} phase began from the {name} phase at step {step}, so {name}.steps cannot "
                f"become {steps} any more; leave it at {stored.phase(name).steps}, or choose another run directory"
            )


def extension_notes(stored: Recipe, recipe: Recipe, out: Path) -> list[str]:
    """What to tell of phases that go on beyond a cool-down that they have already run."""
    notes = []
    for name in PHASES:
        old, new, directory = stored.phase(name), recipe.phase(name), out / "checkpoints" / name
        if new.steps > old.steps and has_checkpoint(directory):
            step, cooldown = newest_step(directory), old.optimizer.cooldown_steps
            if cooldown and step > old.steps - cooldown:
                notes.append(
                    f"{name}: {step:,} of {old.steps:,} steps were done, their cool-down included; until step "
                    f"{new.steps:,} the learning rate rises again to its schedule"
                )
    return notes


def _as_executed(stored: Recipe, recipe: Recipe) -> Recipe:
    """`stored` with everything of `recipe` that may change."""
    execution = replace(stored.execution, **{name: getattr(recipe.execution, name) for name in EXECUTION})
    return replace(
        stored,
        mesh=recipe.mesh,
        execution=execution,
        purpose=recipe.purpose,
        held_out=replace(stored.held_out, every=recipe.held_out.every),
        alignment=_phase_as_executed(stored.alignment, recipe.alignment),
        robot=_phase_as_executed(stored.robot, recipe.robot),
    )


def _phase_as_executed(stored: Phase, phase: Phase) -> Phase:
    kept = replace(stored, **{name: getattr(phase, name) for name in BOOKKEEPING})
    kept = replace(kept, loss=replace(kept.loss, tile=phase.loss.tile))
    if phase.steps == stored.steps:
        return kept
    schedule = replace(stored.optimizer, cooldown_steps=phase.optimizer.cooldown_steps)
    return replace(kept, steps=phase.steps, optimizer=schedule)
