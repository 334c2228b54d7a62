"""The training loop of a phase: batches in, checkpoints and curves out; it resumes from the newest checkpoint."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, nullcontext

import jax

from polymath.data.loading.loader import Loader
from polymath.errors import ConfigError
from polymath.interrupts import check_interrupted, delayed_interrupts, exits_at_once, was_interrupted
from polymath.model import polymath_v
from polymath.progress import progress_bar
from polymath.sharding import mesh as meshes
from polymath.sharding.placement import Partitioner, partitioner
from polymath.training.agreement import Agreement
from polymath.training.changes import was_changed_at
from polymath.training.checkpoint_forms import with_nothing_recent
from polymath.training.checkpoints import Checkpoints
from polymath.training.measurement import HeldOutWindows, Measurement
from polymath.training.placement import batch_on_mesh, check_rows, own_rows
from polymath.training.processes import is_first
from polymath.training.reporting import Report, curves
from polymath.training.run import Run, save_example_batch
from polymath.training.step import State, abstract_state, make_step, state_on_mesh
from polymath.training.steps import Steps
from polymath.types import Batch

EXAMPLE_ROWS = 4

Start = Callable[[], polymath_v.Params | None]
"""What gives the weights that a phase begins with, None for a fresh draw; called where there is no checkpoint alone."""


def train_phase(
    run: Run, phase_name: str, loader: Loader, start: Start, held_out: Sequence[HeldOutWindows] = ()
) -> None:
    """Run the phase to its last step from `start()`, or continue from its newest checkpoint; a finished one is left.

    The errors on the windows `held_out` are measured at intervals, and the checkpoint that is best on them is kept.
    Ctrl-C and SIGTERM save a checkpoint first, of several processes all of them after the same step, whichever got the
    signal; before the first step, which compiles for minutes, they end the process at once. Raises PolymathError if too
    many updates were left out (`training.health`), ConfigError for a run directory whose checkpoint is beyond the
    recipe's last step.
    """
    phase, mesh = run.recipe.phase(phase_name), training_mesh(run.recipe.mesh)
    check_rows(phase_name, phase.rows, run.recipe.execution.micro_batches, mesh)
    with Checkpoints(run.checkpoints(phase_name), phase.checkpoint_every, phase.checkpoint_keep) as checkpoints:
        latest = checkpoints.latest() or 0
        if latest > phase.steps:
            raise ConfigError(
                f"{checkpoints.directory}: is at step {latest}, beyond {phase_name}.steps = {phase.steps}"
            )
        if latest < phase.steps:
            _train(run, phase_name, loader, start, held_out, checkpoints, mesh)
    if phase_name == "robot" and is_first():
        with exits_at_once():
            rows = range(min(EXAMPLE_ROWS, phase.rows))
            save_example_batch(run.path / "example_batch.safetensors", loader.batch(0, rows))


def training_mesh(config: meshes.Config) -> Partitioner | None:
    """The devices of a run; None for a single one. Raises ConfigError for a mesh that they do not fill."""
    return None if config.size == 1 and jax.process_count() == 1 else partitioner(config)


def _train(
    run: Run,
    phase_name: str,
    loader: Loader,
    start: Start,
    held_out: Sequence[HeldOutWindows],
    checkpoints: Checkpoints,
    mesh: Partitioner | None,
) -> None:
    recipe, phase = run.recipe, run.recipe.phase(phase_name)
    first = checkpoints.latest() or 0
    with ExitStack() as contexts:
        until_a_step = contexts.enter_context(ExitStack())
        until_a_step.enter_context(exits_at_once())
        state = _initial_state(run, phase_name, checkpoints, start, mesh)
        function = make_step(recipe.model, phase.optimizer, phase.loss, recipe.execution, phase.steps, mesh)
        measurement = _measurement(run, phase_name, held_out, mesh, state)
        metrics = contexts.enter_context(curves(run, phase_name, first))
        title = f"{run.path.name} · {phase_name}"  # several may run in one terminal
        report = Report(phase, metrics, contexts.enter_context(progress_bar(title, phase.steps, first)))
        alone = jax.process_count() == 1
        contexts.enter_context(nullcontext() if alone else delayed_interrupts())
        agreement = Agreement(first, phase.checkpoint_minutes, was_interrupted)
        steps = Steps(function, state, first, phase_name, phase, checkpoints, report, measurement, agreement)
        del state  # its buffers are those of the steps from here on
        try:
            for batch in _batches(loader, first, phase.steps, mesh):
                if alone:
                    check_interrupted()
                steps.take(batch)
                until_a_step.close()
        finally:
            steps.end()


def _initial_state(
    run: Run, phase_name: str, checkpoints: Checkpoints, start: Start, mesh: Partitioner | None
) -> State:
    recipe, phase = run.recipe, run.recipe.phase(phase_name)
    latest = checkpoints.latest()
    if latest is not None:
        state = checkpoints.restore(abstract_state(recipe.model, phase.optimizer, mesh))
        return with_nothing_recent(state) if was_changed_at(run.path, phase_name, latest) else state
    weights = start()
    return state_on_mesh(
        recipe.model, phase.optimizer, jax.random.key(recipe.seed) if weights is None else weights, mesh
    )


def _batches(loader: Loader, first: int, last: int, mesh: Partitioner | None) -> Iterator[Batch]:
    """The phase's batches on the devices, each fetched when it is asked for."""
    own = own_rows(loader.batch_rows, mesh)
    batches = loader.iterate(first, rows=None if own is None else own[0])
    return (batch_on_mesh(next(batches), mesh, own) for _ in range(first, last))


def _measurement(
    run: Run, phase_name: str, held_out: Sequence[HeldOutWindows], mesh: Partitioner | None, state: State
) -> Measurement | None:
    """Compiled, where there is something to measure."""
    if not held_out or not run.recipe.phase(phase_name).robot:
        return None
    measurement = Measurement(run.recipe, phase_name, held_out, mesh)
    measurement.compile(state)
    return measurement
