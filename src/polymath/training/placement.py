"""Where the training state and the batches live on a mesh."""

from functools import partial
from typing import Any

import jax
import numpy as np
from jax.sharding import PartitionSpec

from polymath import specs as weights
from polymath.errors import ConfigError
from polymath.model import polymath_v
from polymath.sharding.placement import Partitioner
from polymath.types import Batch


def state_places(model: polymath_v.Config, state: Any, partitioner: Partitioner) -> Any:
    """The NamedSharding of every leaf of a (real or abstract) training state.

    A momentum lies with its weight. A row or column statistic lies with its weight too, without the axis that it is the
    mean over; counters are everywhere.
    """
    specs = dict(weights.named(polymath_v.specs(model)))
    places = {name: partitioner.place(name, spec) for name, spec in specs.items()}

    def beside(name: str, statistic: Any) -> Any:
        shape, place = specs[name].shape, tuple(places[name])
        return partitioner.sharding(PartitionSpec(*statistic_place(shape, place, statistic.shape)))

    def of_weights(tree: Any) -> Any:
        return {name: jax.tree.map(partial(beside, name), leaves) for name, leaves in tree.items()}

    whole, moments = partitioner.sharding(PartitionSpec()), state.optimizer
    momentum = None if moments.momentum is None else of_weights(moments.momentum)
    return jax.tree.map(lambda _: whole, state)._replace(
        trainable=of_weights(state.trainable),
        frozen=of_weights(state.frozen),
        optimizer=moments._replace(step=whole, factored=of_weights(moments.factored), momentum=momentum),
    )


def statistic_place(shape: tuple[int, ...], place: tuple[Any, ...], statistic: tuple[int, ...]) -> tuple[Any, ...]:
    """The entries of `place` that belong to the axes of `statistic`: a weight of `shape` without at most one axis.

    Adafactor leaves out one of the two largest axes; of two that fit, the later one, as numpy's argsort has it.
    """
    if statistic == shape:
        return place
    without = [axis for axis in range(len(shape)) if (*shape[:axis], *shape[axis + 1 :]) == statistic]
    return (*place[: without[-1]], *place[without[-1] + 1 :]) if without else ()


def own_rows(rows: int, partitioner: Partitioner | None) -> tuple[list[int], int] | None:
    """The rows of a batch of `rows` that this process' devices hold, and `rows`; None: all of them."""
    if partitioner is None or jax.process_count() == 1:
        return None
    places = partitioner.batch_sharding().addressable_devices_indices_map((rows,))
    return sorted({row for index in places.values() if index for row in range(*index[0].indices(rows))}), rows


def batch_on_mesh(batch: Batch, partitioner: Partitioner | None, own: tuple[list[int], int] | None = None) -> Batch:
    """The host's batch on the devices, rows spread; `own`: which rows it has, and of how many, if not all."""
    if partitioner is None:
        return jax.device_put(batch)
    sharding = partitioner.batch_sharding()
    if own is None:
        return jax.device_put(batch, sharding)
    rows, total = own

    def place(x: np.ndarray) -> jax.Array:
        def part(index: tuple[slice, ...] | None) -> np.ndarray:
            numbers = range(*(index or (slice(None),))[0].indices(total))
            return x[rows.index(numbers[0]) : rows.index(numbers[-1]) + 1]

        return jax.make_array_from_callback((total, *x.shape[1:]), sharding, part)

    return jax.tree.map(place, batch)


def check_rows(phase: str, rows: int, micro_batches: int, partitioner: Partitioner | None) -> None:
    """Raise ConfigError with the remedy unless `rows` divide over the devices and their micro-batches."""
    shards = 1 if partitioner is None else partitioner.batch_shards
    parts = shards * micro_batches
    if rows % parts:
        raise ConfigError(
            f"{phase}.rows: {rows} rows do not divide over {shards} shards of the batch in {micro_batches} "
            f"micro-batches; make {phase}.rows a multiple of {parts}, or change mesh or execution.micro_batches"
        )
