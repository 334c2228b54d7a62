"""The run's errors on held-out episodes, beside those of the training: the same forward pass and losses, no gradient.

windows, evenly spaced over the held-out episodes, not augmented ─► packed rows ─► batches of a micro-batch's rows
held_out/cross_entropy, held_out/token_accuracy, held_out/mse, …     as in training, over all of them
held_out/mae/NAME                                                    of an action dimension, in the robot's units
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import PartitionSpec
from jaxtyping import Array, Float

from polymath.data.looking.sample import spaced
from polymath.data.sequences.committed import drawn
from polymath.data.sequences.documents import WindowDocuments
from polymath.data.sequences.packing import Rows, Sizes, collate, pack
from polymath.data.sequences.sequence import Document
from polymath.data.sequences.transforms import RobotTransform
from polymath.model import polymath_v
from polymath.model.execution import Execution
from polymath.sharding.placement import Partitioner
from polymath.specs import named
from polymath.training import losses
from polymath.training.ahead import abstract_batch
from polymath.training.gradients import only, params_of
from polymath.training.placement import batch_on_mesh, own_rows
from polymath.training.recipe import Recipe
from polymath.training.step import State, on_devices
from polymath.types import Batch

PREFIX = "held_out/"
ACTION_PARTS = ("mse", "action_error", "places")
"""Parts of the objective that are means over action dimensions; the others are means over tokens."""
COMMIT = 5  # domain of the random numbers, beside those of `polymath.data.loading`


class Sums(NamedTuple):
    """Of one batch: parts of the objective as means, what they are means over, absolute errors by action dimension."""

    parts: dict[str, Float[Array, ""]]
    totals: losses.Totals
    errors: Float[Array, " A"]
    counts: Float[Array, " A"]


@dataclass(frozen=True)
class HeldOutWindows:
    """Held-out windows of one robot's set, not augmented; `transform` is that of the phase's rows."""

    documents: WindowDocuments
    transform: RobotTransform


class Measurement:
    """Measures a state of a phase; the windows and their rows are the same each time."""

    def __init__(
        self, recipe: Recipe, phase_name: str, sets: Sequence[HeldOutWindows], partitioner: Partitioner | None
    ) -> None:
        phase, self._seed = recipe.phase(phase_name), recipe.seed
        self._sets, self._partitioner = tuple(sets), partitioner
        self._layout, self._committed = recipe.phase_layout(phase_name), phase.committed
        self._commits = recipe.model.committed
        self._every, self._last = recipe.held_out.interval(phase.steps), phase.steps
        self._rows = phase.rows // recipe.execution.micro_batches
        self._windows = [spaced(len(each.documents.sizes.tokens), recipe.held_out.windows) for each in sets]
        self._packed = [self._pack(each, chosen) for each, chosen in zip(self._sets, self._windows, strict=True)]
        self._program: Any = make_sums(recipe.model, phase.loss, recipe.execution, partitioner)
        self.error_name = "mse" if phase.loss.error == "mse" else "action_error"

    def is_due(self, step: int) -> bool:
        """Whether the state after `step` steps is to be measured."""
        return step % self._every == 0 or step == self._last

    def compile(self, state: State) -> None:
        """Make the program, before the first measurement."""
        batch = abstract_batch(self._layout, self._rows, self._partitioner, self._commits)
        self._program = self._program.lower(state.trainable, state.frozen, batch).compile()

    def measure(self, state: State) -> dict[str, float]:
        """The errors of that state, by the names that stand in metrics.jsonl."""
        values: dict[str, float] = {}
        weights: dict[str, float] = {}
        absolute: dict[str, np.ndarray] = {}  # by robot: [2, A], sums of errors and how many
        for number, each in enumerate(self._sets):
            for batch in self._batches(number):
                sums = jax.device_get(self._program(state.trainable, state.frozen, batch))
                for name, value in sums.parts.items():
                    weight = float(sums.totals.actions if name in ACTION_PARTS else sums.totals.tokens)
                    values[name] = values.get(name, 0.0) + weight * float(value)
                    weights[name] = weights.get(name, 0.0) + weight
                robot = each.transform.embodiment.name
                absolute[robot] = absolute.get(robot, 0.0) + np.stack([sums.errors, sums.counts]).astype(np.float64)
        means = {name: value / (weights[name] or 1.0) for name, value in values.items()}
        return {f"{PREFIX}{name}": value for name, value in (means | self._in_units(absolute)).items()}

    def _in_units(self, absolute: dict[str, np.ndarray]) -> dict[str, float]:
        """Mean absolute errors in the robots' units by the dimension's name, with several robots theirs before it."""
        means: dict[str, float] = {}
        for transform in {each.transform.embodiment.name: each.transform for each in self._sets}.values():
            robot = transform.embodiment
            errors, counts = absolute[robot.name]
            units = transform.statistics.action_scaling(robot.gripper_dims).scale
            prefix = f"mae/{robot.name}/" if len(absolute) > 1 else "mae/"
            for name, error, count, unit in zip(robot.action_names, errors, counts, units, strict=False):
                means[f"{prefix}{name}"] = float(error / max(count, 1) * unit)
        return means

    def error(self, values: dict[str, float]) -> float:
        """The one of `measure`'s values that decides which checkpoint is the best: the error that the head learns."""
        return values[f"{PREFIX}{self.error_name}"]

    def _pack(self, each: HeldOutWindows, chosen: Sequence[int]) -> Rows:
        sizes = Sizes(*(size[chosen] for size in vars(each.documents.sizes).values()))
        return pack(sizes, self._layout, each.documents.name)

    def _batches(self, number: int) -> Iterator[Batch]:
        """The set's rows in batches on the devices, the last one filled with empty rows."""
        packed, own = self._packed[number], own_rows(self._rows, self._partitioner)
        for first in range(0, len(packed), self._rows):
            rows = range(self._rows) if own is None else own[0]
            documents = [list(self._documents(number, first + row)) for row in rows]
            batch = collate(documents, self._layout)
            if self._commits and batch.actions.shape[-1] == self._layout.action_dim:  # rows that are all empty
                column = ((0, 0), (0, 0), (0, 0), (0, 1))
                batch = batch._replace(
                    actions=np.pad(batch.actions, column), action_mask=np.pad(batch.action_mask, column)
                )
            yield batch_on_mesh(batch, self._partitioner, own)

    def _documents(self, number: int, row: int) -> Iterator[Document]:
        if row >= len(self._packed[number]):
            return
        for place in self._packed[number].row(row):
            window = self._windows[number][place]
            rng = np.random.default_rng((self._seed, COMMIT, number, window))
            document = self._sets[number].documents.document(window, rng)
            yield drawn(document, self._committed, rng) if self._commits else document


def make_sums(
    model: polymath_v.Config, loss: losses.Config, execution: Execution, partitioner: Partitioner | None
) -> Any:
    """The jitted (trainable, frozen, batch) -> Sums, on the devices of `partitioner` or on one."""
    specs, execution = polymath_v.specs(model), on_devices(execution, partitioner)
    places = {} if partitioner is None else dict(named(partitioner.specs(specs)))

    def local(trainable: Any, frozen: Any, batch: Batch, whole: losses.Totals) -> Sums:
        params = params_of({**trainable, **frozen}, specs, places, partitioner, execution.reduction)
        outputs = polymath_v.forward(params, model, batch, execution)
        _, parts = losses.of_outputs(outputs, params, model, loss, batch, whole)
        target, mask = losses.action_targets(outputs.actions, batch)
        errors = jnp.where(mask, jnp.abs(outputs.actions - target), 0.0)
        axes = tuple(range(errors.ndim - 1))
        return Sums(parts, whole, jnp.sum(errors, axes), jnp.sum(mask, axes, dtype=jnp.float32))

    if partitioner is None or not partitioner.batch_axes:
        return jax.jit(lambda trainable, frozen, batch: local(trainable, frozen, batch, losses.totals(batch)))
    return jax.jit(partial(_side_by_side, local, places, partitioner))


def _side_by_side(
    local: Any, places: dict[str, PartitionSpec], partitioner: Partitioner, trainable: Any, frozen: Any, batch: Batch
) -> Sums:
    """`local` on every device's rows, and the sums over the devices, as in `gradients`."""
    axes = partitioner.batch_axes
    inside = {name: only(place, axes) for name, place in places.items()}

    def everywhere(trainable: Any, frozen: Any, batch: Batch) -> Sums:
        whole = jax.lax.psum(losses.totals(batch), axes)
        sums = local(trainable, frozen, batch, whole)
        parts, errors, counts = jax.lax.psum((sums.parts, sums.errors, sums.counts), axes)
        return Sums(parts, whole, errors, counts)

    rows = jax.tree.map(lambda _: PartitionSpec(axes), batch)
    return jax.shard_map(
        everywhere,
        mesh=partitioner.mesh,
        in_specs=({name: inside[name] for name in trainable}, {name: inside[name] for name in frozen}, rows),
        out_specs=PartitionSpec(),
        axis_names=partitioner.manual_axes,
        check_vma=False,
    )(trainable, frozen, batch)
