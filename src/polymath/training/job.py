"""`polymath train`: data sets and a recipe in, a run directory out, one phase after the other."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from polymath.data.loading.loader import Loader
from polymath.data.loading.resume import load_state
from polymath.model import polymath_v
from polymath.model.polymath_v import Params
from polymath.training import optimizer
from polymath.training.checkpoints import load_params
from polymath.training.datasets import DataSets, TrainingData
from polymath.training.fitting import find_tokenizer, fitted
from polymath.training.loop import train_phase, training_mesh
from polymath.training.placement import check_rows
from polymath.training.processes import is_first
from polymath.training.recipe import PHASES, Recipe
from polymath.training.run import Run, create, find_run
from polymath.training.start import Start, starting_weights


def train(
    recipe: Recipe, data: TrainingData, out: Path, phases: Sequence[str] = PHASES, start: Start | None = None
) -> Run:
    """Train the phases in the run directory `out`; finished phases are left alone, a broken one goes on.

    `start`: what the first phase begins with, instead of the phase before it in `out` or a fresh draw.
    Raises ConfigError if `out` belongs to another recipe, `start` to another model, or prepared sets to another
    tokenizer or layout.
    """
    sets = DataSets(data, recipe.layout.image_size)
    robot, statistics = sets.robot
    recipe = fitted(recipe, robot, [prepared.layout for prepared, _ in sets.prepared])
    check(recipe, phases)
    began = [out / "tokenizer.json", *([start.run / "tokenizer.json"] if start and start.run else [])]
    given = [data.tokenizer] if data.tokenizer else [*began, *sets.tokenizers()]
    tokenizer = find_tokenizer(recipe, given, sets.instructions())
    sets.check_tokenizer(tokenizer)
    run = find_run(out, recipe, tokenizer, robot, statistics, sets.record())
    loaders = {name: phase_loader(run, name, sets) for name in phases}  # what does not fit is said before all else
    create(run)
    params = starting_weights(recipe, start or Start(), tokenizer, training_mesh(recipe.mesh))
    if params is None:
        params = weights_before(run, phases[0])
    for name in phases:
        check_stream(run, name, loaders[name])
        params = train_phase(run, name, loaders[name], params)
    return run


def check(recipe: Recipe, phases: Sequence[str]) -> None:
    """Raise ConfigError for what can be wrong without any data: mesh, rows, groups of weights.

    Before the run directory is made: one that a mistake has made would refuse the corrected recipe.
    """
    mesh, specs = training_mesh(recipe.mesh), polymath_v.specs(recipe.model)
    if mesh is not None:
        mesh.specs(specs)
    for name in phases:
        phase = recipe.phase(name)
        check_rows(name, phase.rows, recipe.execution.micro_batches, mesh)
        optimizer.learning_rate_factors(phase.optimizer, specs)


def weights_before(run: Run, phase_name: str) -> Params | None:
    """The newest weights of the phase that comes before, if the run has any."""
    place = PHASES.index(phase_name)
    if not place or not run.checkpoints(PHASES[place - 1]).exists():
        return None
    before, recipe = PHASES[place - 1], run.recipe
    mesh = training_mesh(recipe.mesh)
    return load_params(run.checkpoints(before), recipe.model, recipe.phase(before).optimizer, mesh)


def phase_loader(run: Run, phase_name: str, sets: DataSets) -> Loader:
    """The phase's mixture of pairs and trajectory windows, in the phase's row sizes."""
    recipe, phase = run.recipe, run.recipe.phase(phase_name)
    layout = replace(
        recipe.layout,
        length=phase.length or recipe.layout.length,
        max_images=phase.max_images or recipe.layout.max_images,
        max_control_steps=phase.max_control_steps or recipe.layout.max_control_steps,
    )
    return Loader(sets.sources(run, phase_name, layout), layout, phase.rows, recipe.seed)


def check_stream(run: Run, phase_name: str, loader: Loader) -> None:
    """Note which stream of batches the phase reads. Raises ConfigError if it began with another one."""
    path, ours = run.path / "loader" / f"{phase_name}.json", loader.state()
    if path.is_file():
        ours.check(load_state(path), path)
    elif is_first():
        ours.save(path)
