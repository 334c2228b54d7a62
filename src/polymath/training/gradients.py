"""The gradient of a whole batch, from its parts: micro-batches one after the other, devices side by side.

    every device, inside one `jax.shard_map` over the axes that hold different sequences:
        totals of the batch (tokens, actions)                                      one small sum over the devices
        for each micro-batch of this device's rows:  loss, gradient                weights gathered layer by layer
        gradients of what no gather has reduced: whole weights, replicas           one sum over the devices a step

With a single device nothing of this remains: no `shard_map`, no collective, no copy.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec
from jaxtyping import Array, Float

from polymath.errors import ConfigError
from polymath.model import polymath_v
from polymath.model.execution import Execution
from polymath.sharding.placement import Partitioner, axes_of
from polymath.sharding.sharded_weight import Reduction, shard_layout, sharded
from polymath.specs import named
from polymath.training import losses, optimizer
from polymath.types import Batch

Weights = dict[str, Any]
Metrics = dict[str, Float[Array, ""]]
Gradients = tuple[Float[Array, ""], Metrics, Weights]


def make_gradients(
    model: polymath_v.Config, loss: losses.Config, execution: Execution, partitioner: Partitioner | None
) -> Callable[[Weights, Weights, Batch], Gradients]:
    """(trainable, frozen, batch) -> (loss, its parts, gradients of the trainable weights, float32)."""
    specs = polymath_v.specs(model)
    places = {} if partitioner is None else dict(named(partitioner.specs(specs)))

    def local(trainable: Weights, frozen: Weights, batch: Batch, whole: losses.Totals) -> Gradients:
        def objective(trainable: Weights, batch: Batch) -> tuple[Float[Array, ""], Metrics]:
            params = params_of({**trainable, **frozen}, specs, places, partitioner, execution.reduction)
            return losses.objective(params, model, loss, batch, execution, whole)

        return _accumulated(jax.value_and_grad(objective, has_aux=True), trainable, batch, execution.micro_batches)

    if partitioner is None or not partitioner.batch_axes:
        return lambda trainable, frozen, batch: local(trainable, frozen, batch, losses.totals(batch))
    return _side_by_side(local, places, partitioner, execution.reduction)


def params_of(
    weights: Weights,
    specs: polymath_v.Params,
    places: dict[str, PartitionSpec],
    partitioner: Partitioner | None,
    reduction: Reduction,
) -> polymath_v.Params:
    """The model's weights; those that are divided over the batch's devices as `ShardedWeight`."""
    if partitioner is not None:
        weights = {name: sharded(shard, places[name], partitioner, reduction) for name, shard in weights.items()}
    return optimizer.merge(weights, {}, specs)


def _side_by_side(local: Any, places: dict[str, PartitionSpec], partitioner: Partitioner, reduction: Reduction) -> Any:
    """`local` on every device's rows, and the sums over the devices."""
    axes = partitioner.batch_axes
    inside = {name: only(place, axes) for name, place in places.items()}

    def everywhere(trainable: Weights, frozen: Weights, batch: Batch) -> Gradients:
        whole = jax.lax.psum(losses.totals(batch), axes)
        value, parts, gradients = local(trainable, frozen, batch, whole)
        missing = {
            name: tuple(axis for axis in axes if axis not in shard_layout(places[name], partitioner, reduction).axes)
            for name in gradients
        }
        gradients = {name: jax.lax.psum(g, missing[name]) if missing[name] else g for name, g in gradients.items()}
        return *jax.lax.psum((value, parts), axes), gradients

    def gradients(trainable: Weights, frozen: Weights, batch: Batch) -> Gradients:
        def of(weights: Weights) -> dict[str, PartitionSpec]:
            return {name: inside[name] for name in weights}

        rows = jax.tree.map(lambda _: PartitionSpec(axes), batch)
        mapped = jax.shard_map(
            everywhere,
            mesh=partitioner.mesh,
            in_specs=(of(trainable), of(frozen), rows),
            out_specs=(PartitionSpec(), PartitionSpec(), of(trainable)),
            axis_names=partitioner.manual_axes,
            check_vma=False,
        )
        return mapped(trainable, frozen, batch)

    return gradients


def _accumulated(value_and_grad: Any, trainable: Weights, batch: Batch, micro_batches: int) -> Gradients:
    """The sums over the micro-batches. Raises ConfigError if the rows do not divide."""
    if micro_batches == 1:
        (value, parts), gradients = value_and_grad(trainable, batch)
        return value, parts, _float32(gradients)
    rows = len(batch.tokens)
    if rows % micro_batches:
        raise ConfigError(f"execution.micro_batches: {rows} rows a device do not divide into {micro_batches} parts")
    micro = jax.tree.map(lambda x: x.reshape(micro_batches, rows // micro_batches, *x.shape[1:]), batch)

    def add(total: Gradients, batch: Batch) -> tuple[Gradients, None]:
        (value, parts), gradients = value_and_grad(trainable, batch)
        return jax.tree.map(jnp.add, total, (value, parts, _float32(gradients))), None

    shapes = jax.eval_shape(lambda b: value_and_grad(trainable, b), jax.tree.map(lambda x: x[0], micro))
    (value, parts), gradients = shapes
    start = jax.tree.map(lambda x: jnp.zeros(x.shape, jnp.float32), (value, parts, gradients))
    return jax.lax.scan(add, start, micro)[0]


def _float32(gradients: Weights) -> Weights:
    return jax.tree.map(lambda g: g.astype(jnp.float32), gradients)


def only(place: PartitionSpec, axes: tuple[str, ...]) -> PartitionSpec:
    """The part of a place that the `shard_map` spells out."""
    kept = (tuple(axis for axis in axes_of(entry) if axis in axes) for entry in place)
    return PartitionSpec(*(entry or None for entry in kept))
