"""`--set` on a recipe: fields to change, and what follows from a change where it is not set too."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from polymath.config import apply_overrides
from polymath.training.recipe import PHASES, Recipe, scaled

SCHEDULE = ("warmup_steps", "cooldown_steps")
SAME = (
    ("layout.image_size", "model.vit.image_size"),
    ("layout.latents_per_image", "model.resampler.latents"),
    ("layout.state_dim", "model.state_dim"),
    ("layout.action_dim", "model.action_head.action_dim"),
    ("model.vit.width", "model.resampler.width"),
    ("model.decoder.width", "model.action_head.width"),
)
"""Fields that a recipe holds twice: setting one of them sets both."""


def with_settings(recipe: Recipe, assignments: Sequence[str]) -> Recipe:
    """The recipe with each `field=value`.

    Another number of steps scales the phase's warm-up and cool-down, and a chunk_length takes the place of
    chunk_seconds, unless these are among the fields. Raises ConfigError for a field or a value that does not fit.
    """
    values = {field: value for field, _, value in (text.partition("=") for text in assignments)}
    twins = [(a, b) for pair in SAME for a, b in (pair, pair[::-1]) if a in values and b not in values]
    changed = apply_overrides(recipe, [*assignments, *(f"{theirs}={values[ours]}" for ours, theirs in twins)])
    for name in PHASES:
        before, phase = recipe.phase(name), changed.phase(name)
        steps: dict[str, Any] = {
            field: scaled(getattr(before.optimizer, field), before.steps, phase.steps)
            for field in SCHEDULE
            if f"{name}.optimizer.{field}" not in values
        }
        changed = changed.with_phase(name, replace(phase, optimizer=replace(phase.optimizer, **steps)))
    if "layout.chunk_length" in values and "chunk_seconds" not in values:
        changed = replace(changed, chunk_seconds=None)
    if changed.model.localizer and "model.localizer" not in values:
        targets = changed.layout.chunk_length * changed.layout.action_dim
        changed = replace(changed, model=replace(changed.model, localizer=targets))
    return changed
