"""`polymath train`: data sets and a recipe in, a run directory out, one phase after the other."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from polymath import config
from polymath.data.loading.loader import Loader
from polymath.data.loading.resume import load_state
from polymath.data.loading.stand_ins import StandIns
from polymath.data.robots.clipping import statistics_lines
from polymath.errors import ConfigError
from polymath.interrupts import exits_at_once
from polymath.model import polymath_v
from polymath.model.polymath_v import Params
from polymath.tokenizer import Tokenizer
from polymath.training import beginning, held_out, optimizer
from polymath.training.announcements import announce
from polymath.training.beginning import Beginning
from polymath.training.changes import check_kinds
from polymath.training.checkpoints import has_checkpoint, load_params, newest_step
from polymath.training.claim import check_place, claimed, has_trained
from polymath.training.compilation_cache import keep_programs
from polymath.training.continuing import extension_notes, with_warmup_of
from polymath.training.datasets import DataSets, TrainingData
from polymath.training.fitting import (
    find_tokenizer,
    fitted,
    fitting_notes,
    for_instructions,
    for_rate,
    for_tokenizer,
    load_tokenizer,
)
from polymath.training.loop import train_phase, training_mesh
from polymath.training.overview import PhaseOverview, phase_overview, schedule_note
from polymath.training.phases import check_order
from polymath.training.placement import check_rows
from polymath.training.processes import is_first
from polymath.training.recipe import PHASES, Recipe
from polymath.training.robots import Robot
from polymath.training.room import check_room
from polymath.training.run import Run, check_tokenizer, create, find_run, open_whole
from polymath.training.start import Start, all_weights, starting_weights
from polymath.training.start import beginning as beginning_of
from polymath.training.untrained import check_trained, trainable


def train(
    recipe: Recipe,
    data: TrainingData,
    out: Path,
    phases: Sequence[str] = PHASES,
    start: Start | None = None,
    allowed: Sequence[str] = (),
) -> Run:
    """Train the phases in the run directory `out`; a phase that was interrupted continues, a finished one is left.

    `start`: what the run's first phase begins with instead of a fresh draw. A later phase continues the phase before
    it in `out`, whatever start is named. `allowed`: kinds of changes that are declared (`training.changes`).
    Raises ConfigError if `out` belongs to another recipe or began with another start, `start` to another model, or
    prepared sets to another tokenizer or layout; if a phase would freeze weights that nothing has trained; and if its
    state cannot be in the device's memory.
    """
    start = start or Start()
    with exits_at_once():
        check_place(out, data.folders())
        check_order(recipe, out, phases)
        recipe = as_divided(recipe, out)
        sets = open_sets(recipe, data)
    with claimed(out):
        with exits_at_once():
            plan = _plan(recipe, data, sets, out, phases, start, allowed)
            check_room(plan.run.recipe, phases, training_mesh(plan.run.recipe.mesh))
            run = create(plan.run)
            if is_first():
                config.save(plan.began, run.path / beginning.FILE)
                if not has_trained(out):
                    config.save(plan.episodes, run.path / held_out.FILE)
            cache_note = keep_programs()
            notes = [*plan.notes, *([cache_note] if cache_note else [])]
            announce([*notes, *(overview.line() for overview in plan.overviews)])
        for name in phases:
            check_stream(run, name, plan.loaders[name])
            windows = plan.sets.held_out_windows(run, run.recipe.phase_layout(name))
            train_phase(run, name, plan.loaders[name], partial(first_weights, run, start, name), windows)
    return run


@dataclass(frozen=True)
class Preview:
    """What a training would do. `step`: of the newest checkpoint that a phase would continue from, by phase."""

    recipe: Recipe
    overviews: tuple[PhaseOverview, ...]
    notes: tuple[str, ...]
    step: dict[str, int]
    episodes: held_out.Record


def preview(
    recipe: Recipe,
    data: TrainingData,
    out: Path,
    phases: Sequence[str] = PHASES,
    start: Start | None = None,
    allowed: Sequence[str] = (),
) -> Preview:
    """What `train` with the same arguments would do, to its first step. Nothing is written; it raises as `train` does.

    Weights are read of neither a start nor a checkpoint, but for the names in them.
    """
    check_place(out, data.folders())
    check_order(recipe, out, phases)
    recipe = as_divided(recipe, out)
    plan = _plan(recipe, data, open_sets(recipe, data), out, phases, start, allowed)
    step = {
        name: newest_step(plan.run.checkpoints(name)) for name in phases if has_checkpoint(plan.run.checkpoints(name))
    }
    return Preview(plan.run.recipe, plan.overviews, plan.notes, step, plan.episodes)


@dataclass(frozen=True)
class _Plan:
    """A training before anything is written: the run, what it begins with, its data, a loader and an overview a phase,
    notes.
    """

    run: Run
    began: Beginning
    sets: DataSets
    loaders: dict[str, Loader]
    overviews: tuple[PhaseOverview, ...]
    notes: tuple[str, ...]
    episodes: held_out.Record


def _plan(
    recipe: Recipe,
    data: TrainingData,
    sets: DataSets,
    out: Path,
    phases: Sequence[str],
    start: Start | None,
    allowed: Sequence[str],
) -> _Plan:
    """Everything that can be wrong is found here."""
    check_kinds(allowed)
    start = start or Start()
    recipe, tokenizer, notes = fit_to_data(recipe, data, sets, out, start)
    check(recipe, phases)
    sets.check_tokenizer(tokenizer)
    sets = sets.in_chunks(recipe.layout.chunk_length)
    driven = sets.driven
    first, several = driven[0], driven if len(driven) > 1 else ()
    run = find_run(out, recipe, tokenizer, first.embodiment, first.statistics, sets.record(), several, allowed)
    began = find_beginning(run, start)
    loaders = {name: phase_loader(run, name, sets) for name in phases}
    check_trained(recipe, phases, trained_before(run, began, phases[0]))
    notes += [note for name in phases if (note := schedule_note(recipe, name))]
    if has_trained(out):
        notes += extension_notes(open_whole(out).recipe, recipe, out)
    overviews = tuple(phase_overview(recipe, name, loader) for name, loader in loaders.items())
    episodes = find_episodes(out, sets, start)
    notes += episodes.lines()
    return _Plan(run, began, sets, loaders, overviews, (*notes, *_statistics_notes(sets.robots)), episodes)


def open_sets(recipe: Recipe, data: TrainingData) -> DataSets:
    """The data sets, divided as the recipe says."""
    layout, share = recipe.layout, recipe.held_out.share
    form = recipe.action_form
    return DataSets(data, layout.image_size, recipe.action_normalization, share, recipe.seed, layout.image_fit, form)


def as_divided(recipe: Recipe, out: Path) -> Recipe:
    """The recipe; of a run that has trained without a record of its episodes, one that holds none of them out."""
    if has_trained(out) and held_out.read(out) is None:
        return replace(recipe, held_out=replace(held_out.NOTHING, every=recipe.held_out.every))
    return recipe


def find_episodes(out: Path, sets: DataSets, start: Start) -> held_out.Record:
    """The record of the run's episodes: its own if it has trained, else that of the sets, after that of `start`."""
    if has_trained(out):
        return held_out.read(out) or held_out.Record(complete=False)
    record = sets.episode_record()
    return record if start.run is None else held_out.after(record, held_out.read(start.run))


def _statistics_notes(robots: Sequence[Robot]) -> list[str]:
    """Which actions of each robot are deltas, and what is clipped of them; with its name where there are several."""
    return [
        f"{robot.name}: {line}" if len(robots) > 1 else line
        for robot in robots
        for line in statistics_lines(robot.statistics, robot.embodiment)
    ]


def fit_to_data(
    recipe: Recipe, data: TrainingData, sets: DataSets, out: Path, start: Start
) -> tuple[Recipe, Tokenizer, list[str]]:
    """The recipe with sizes that the data decide, the run's tokenizer, and what to tell of it.

    Raises ConfigError for a tokenizer of other sizes that `data` names by itself.
    """
    robots, preset = sets.embodiments, recipe
    for robot in robots:
        recipe = fitted(recipe, robot, [prepared.layout for prepared, _ in sets.prepared])
    if sets.are_episodes_alone and not (start.run and recipe.model.localizer):
        recipe = for_rate(recipe, max(robots, key=lambda robot: robot.control_hz))
    recipe = replace(recipe, chunk_seconds=None)
    if data.tokenizer:
        tokenizer = load_tokenizer(recipe, Path(data.tokenizer))
        if "decoder" in start.published:
            recipe = for_tokenizer(recipe, tokenizer)
        check_tokenizer(recipe, tokenizer, data.tokenizer)
    else:
        runs = [*([out] if has_trained(out) else []), *([start.run] if start.run else [])]
        decoders = [Path(path) for part, path in start.published.items() if part == "decoder"]
        paths = [*(run / "tokenizer.json" for run in runs), *sets.tokenizers(), *decoders]
        tokenizer = find_tokenizer(recipe, paths, sets.texts())
        recipe = for_tokenizer(recipe, tokenizer)
    for robot in robots:
        recipe = for_instructions(recipe, robot, tokenizer, sets.instructions(robot))
    if has_trained(out):
        recipe = with_warmup_of(recipe, out)
    return recipe, tokenizer, fitting_notes(preset, recipe, robots)


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


def find_beginning(run: Run, start: Start) -> Beginning:
    """What the run began with; of a run that has trained nothing yet, what `start` names.

    Raises ConfigError if `start` names something else than the run began with.
    """
    if not any(has_checkpoint(run.checkpoints(phase)) for phase in PHASES):
        return replace(beginning_of(run.recipe, start), steps={name: run.recipe.phase(name).steps for name in PHASES})
    recorded = beginning.read(run.path)
    if recorded is None:
        if not start.is_fresh:
            raise ConfigError(
                f"{run.path}: does not record what it began with (an older version made it); leave the start out to "
                "continue it, or choose another run directory"
            )
        return Beginning(trained=all_weights(run.recipe))
    if not start.is_fresh:
        recorded.check_same(beginning_of(run.recipe, start), run.path / beginning.FILE)
    return recorded


def trained_before(run: Run, began: Beginning, phase_name: str) -> set[str]:
    """Names of the weights that are trained when the phase begins."""
    done = [phase for phase in PHASES[: PHASES.index(phase_name)] if has_checkpoint(run.checkpoints(phase))]
    return set(began.trained).union(*(trainable(run.recipe, phase) for phase in done))


def first_weights(run: Run, start: Start, phase_name: str) -> Params | None:
    """What a phase without a checkpoint begins with; None for a draw."""
    recipe, place = run.recipe, PHASES.index(phase_name)
    mesh = training_mesh(recipe.mesh)
    for before in reversed(PHASES[:place]):
        if has_checkpoint(run.checkpoints(before)):
            return load_params(run.checkpoints(before), recipe.model, recipe.phase(before).optimizer, mesh)
    return starting_weights(recipe, start, run.tokenizer, mesh)


def phase_loader(run: Run, phase_name: str, sets: DataSets) -> Loader:
    """The phase's mixture of pairs and trajectory windows, in the phase's row sizes."""
    recipe = run.recipe
    layout = recipe.phase_layout(phase_name)
    stand_ins = StandIns(run.path / "quarantine" / f"{phase_name}.jsonl")
    sources = sets.sources(run, phase_name, layout)
    return Loader(sources, layout, recipe.phase(phase_name).rows, recipe.seed, stand_ins)


def check_stream(run: Run, phase_name: str, loader: Loader) -> None:
    """Note which stream of batches the phase reads. Raises ConfigError if it began with another one."""
    path, ours = run.path / "loader" / f"{phase_name}.json", loader.state()
    if path.is_file():
        ours.check(load_state(path), path)
    elif is_first():
        ours.save(path)
