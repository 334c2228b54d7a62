"""The training loop: batches in, checkpoints and curves out; it resumes by itself from the newest checkpoint."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext

import jax

from polymath.data.loading.loader import Loader
from polymath.errors import ConfigError, PolymathError
from polymath.interrupts import check_interrupted, delayed_interrupts, exits_at_once
from polymath.model import polymath_v
from polymath.progress import ProgressBar, progress_bar
from polymath.sharding import mesh as meshes
from polymath.sharding.placement import Partitioner, partitioner
from polymath.training.checkpoints import Checkpoints, load_params
from polymath.training.measurement import PREFIX, HeldOutWindows, Measurement
from polymath.training.metrics import MetricsWriter
from polymath.training.placement import batch_on_mesh, check_rows, own_rows
from polymath.training.processes import is_first
from polymath.training.recipe import Phase
from polymath.training.run import Run, save_example_batch
from polymath.training.step import State, abstract_state, make_step, state_on_mesh
from polymath.types import Batch

MAX_SKIPPED = 100
EXAMPLE_ROWS = 4


def train_phase(
    run: Run,
    phase_name: str,
    loader: Loader,
    start: polymath_v.Params | None = None,
    held_out: Sequence[HeldOutWindows] = (),
) -> polymath_v.Params:
    """Run the phase to its last step from `start` (or a fresh draw), or continue from the phase's newest checkpoint.

    The errors on the windows `held_out` are measured at intervals, and the checkpoint that is best on them is kept.
    Ctrl-C and SIGTERM save a checkpoint first; before the first step, which compiles for minutes, they end the process
    at once. Raises PolymathError if more than 100 updates were not finite, ConfigError for a run directory whose
    checkpoint is beyond the recipe's last step.
    """
    recipe, phase = run.recipe, run.recipe.phase(phase_name)
    mesh = training_mesh(recipe.mesh)
    check_rows(phase_name, phase.rows, recipe.execution.micro_batches, mesh)
    with ExitStack() as contexts:
        until_a_step = contexts.enter_context(ExitStack())
        until_a_step.enter_context(exits_at_once())
        checkpoints = contexts.enter_context(
            Checkpoints(run.checkpoints(phase_name), phase.checkpoint_every, phase.checkpoint_keep)
        )
        state = _initial_state(run, phase_name, checkpoints, start, mesh)
        step = make_step(recipe.model, phase.optimizer, phase.loss, recipe.execution, phase.steps, mesh)
        measurement = _measurement(run, phase_name, held_out, mesh, state)
        own, first = own_rows(phase.rows, mesh), int(state.step)
        title = f"{run.path.name} · {phase_name}"  # several may run in one terminal
        metrics = contexts.enter_context(_curves(run, phase_name, first))
        bar = contexts.enter_context(progress_bar(title, phase.steps, first))
        report = _Report(phase, metrics, bar)
        try:
            for batch in _batches(loader, first, phase.steps, mesh, own):
                check_interrupted()
                with delayed_interrupts():
                    state, values = step(state, batch)
                    until_a_step.close()
                    report.after_step(state, values, _measured(measurement, state, checkpoints))
                    checkpoints.save(state)
        finally:
            with delayed_interrupts():
                if _is_whole(state):
                    checkpoints.save(state, now=True)
                checkpoints.wait()
    with exits_at_once():
        if phase_name == "robot" and is_first():
            rows = range(min(EXAMPLE_ROWS, phase.rows))
            save_example_batch(run.path / "example_batch.safetensors", loader.batch(0, rows))
        return load_params(run.checkpoints(phase_name), recipe.model, phase.optimizer, mesh)


def training_mesh(config: meshes.Config) -> Partitioner | None:
    """The devices of a run; None for a single one. Raises ConfigError for a mesh that they do not fill."""
    return None if config.size == 1 and jax.process_count() == 1 else partitioner(config)


def _initial_state(
    run: Run, phase_name: str, checkpoints: Checkpoints, start: polymath_v.Params | None, mesh: Partitioner | None
) -> State:
    recipe, phase = run.recipe, run.recipe.phase(phase_name)
    latest = checkpoints.latest()
    if latest is None:
        key_or_params = jax.random.key(recipe.seed) if start is None else start
        return state_on_mesh(recipe.model, phase.optimizer, key_or_params, mesh)
    if latest > phase.steps:
        raise ConfigError(f"{checkpoints.directory}: is at step {latest}, beyond {phase_name}.steps = {phase.steps}")
    return checkpoints.restore(abstract_state(recipe.model, phase.optimizer, mesh))


def _batches(
    loader: Loader, first: int, last: int, mesh: Partitioner | None, own: tuple[list[int], int] | None
) -> Iterator[Batch]:
    """The phase's batches on the devices; while a step computes, the next one is on its way there."""
    batches = loader.iterate(first, rows=None if own is None else own[0])
    coming = (batch_on_mesh(next(batches), mesh, own) for _ in range(first, last))
    batch = next(coming, None)
    while batch is not None:
        following = next(coming, None)
        yield batch
        batch = following


def _is_whole(state: State) -> bool:
    """Whether no array of the state has been given away, as when the very first step is interrupted."""
    return not any(leaf.is_deleted() for leaf in jax.tree.leaves(state))


def _measurement(
    run: Run, phase_name: str, held_out: Sequence[HeldOutWindows], mesh: Partitioner | None, state: State
) -> Measurement | None:
    """Compiled, where there is something to measure and a step to measure it at."""
    if not held_out or not run.recipe.phase(phase_name).robot or int(state.step) == run.recipe.phase(phase_name).steps:
        return None
    measurement = Measurement(run.recipe, phase_name, held_out, mesh)
    measurement.compile(state)
    return measurement


def _measured(measurement: Measurement | None, state: State, checkpoints: Checkpoints) -> dict[str, float]:
    """The errors on held-out episodes if the step is one to measure; the checkpoints are told."""
    step = int(state.step)  # waits for the device
    if measurement is None or not measurement.is_due(step):
        return {}
    values = measurement.measure(state)
    checkpoints.measured(step, measurement.error(values))
    return values


class _Report:
    """Curves and the terminal's line, of the first of several processes alone."""

    def __init__(self, phase: Phase, metrics: MetricsWriter | None, bar: ProgressBar) -> None:
        self._phase, self._metrics, self._bar = phase, metrics, bar
        self._held_out = ""

    def after_step(self, state: State, values: dict, measured: dict[str, float]) -> None:
        """Log the step if it is one to log or was measured. Raises PolymathError after too many skipped updates."""
        step, phase = int(state.step), self._phase
        if measured or step % phase.log_every == 0 or step == phase.steps:
            numbers = {name: float(value) for name, value in values.items()}
            if self._metrics is not None:
                self._metrics.write(step, {**numbers, "skipped": int(state.skipped), **measured})
                if measured:
                    self._held_out = f" · held-out mse {measured[f'{PREFIX}mse']:.4f}"
                status = f"ce {numbers['cross_entropy']:.3f} mse {numbers['mse']:.4f}{self._held_out}"
                self._bar.reach(step, status)
        if int(state.skipped) > MAX_SKIPPED:
            raise PolymathError(
                f"step {step}: {MAX_SKIPPED} updates were skipped because the loss or the gradient was not finite; "
                "lower optimizer.peak_learning_rate, or look at the data with `polymath data inspect`"
            )


def _curves(run: Run, phase_name: str, first: int) -> AbstractContextManager[MetricsWriter | None]:
    """Of several processes the first one writes."""
    return MetricsWriter(run.path, phase_name, first) if is_first() else nullcontext()
