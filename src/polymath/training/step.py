"""One training step: gradient of the objective, clip, Adafactor, and no change at all where a number is out of line."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Int, PRNGKeyArray

from polymath import specs as weights
from polymath.model import polymath_v
from polymath.model.attention import device_kernel
from polymath.model.execution import Execution
from polymath.sharding.placement import Partitioner
from polymath.training import losses, optimizer, spikes
from polymath.training.gradients import Metrics, make_gradients
from polymath.training.placement import state_places
from polymath.types import Batch

# Without it every gather on a TPU waits for its end; the only option that changes a v4's schedule (docs/sharding.md).
TPU_OPTIONS = {"xla_enable_async_all_gather": "true"}


class State(NamedTuple):
    """What a training run carries from step to step. `step` counts batches seen, `skipped` those without an update.

    Every field but `history` (None: spikes are not looked for) and `left_out` is required; a checkpoint of an older
    version lacks `left_out`, see `training.checkpoint_forms`.
    """

    step: Int[Array, ""]
    skipped: Int[Array, ""]
    trainable: dict[str, Any]
    frozen: dict[str, Any]
    optimizer: optimizer.State
    history: spikes.History | None = None
    left_out: spikes.LeftOut | None = None


def init_state(model: polymath_v.Config, config: optimizer.Config, params: polymath_v.Params) -> State:
    """A fresh optimizer around given weights."""
    specs = polymath_v.specs(model)
    trainable, frozen = optimizer.split(params, specs, config)
    moments = optimizer.init(config, specs, trainable)
    history = None if config.spike_sigma is None else spikes.no_history(config.spike_window)
    step, skipped = jnp.zeros((), jnp.int32), jnp.zeros((), jnp.int32)  # a step takes over each buffer
    return State(step, skipped, trainable, frozen, moments, history, spikes.nothing_left_out())


def init_params(
    model: polymath_v.Config, key: PRNGKeyArray, partitioner: Partitioner | None = None
) -> polymath_v.Params:
    specs = polymath_v.specs(model)
    return (
        weights.init(specs, key) if partitioner is None else weights.init_on(partitioner.shardings(specs), specs, key)
    )


def params_of(state: State, model: polymath_v.Config) -> polymath_v.Params:
    return optimizer.merge(state.trainable, state.frozen, polymath_v.specs(model))


def make_step(
    model: polymath_v.Config,
    optimization: optimizer.Config,
    loss: losses.Config,
    execution: Execution,
    total_steps: int,
    partitioner: Partitioner | None = None,
) -> Callable[[State, Batch], tuple[State, Metrics]]:
    """The jitted step, on the devices of `partitioner` or on one. The old state's buffers are given to the new one."""
    specs = polymath_v.specs(model)
    gradients_of = make_gradients(model, loss, on_devices(execution, partitioner), partitioner)

    def step(state: State, batch: Batch) -> tuple[State, Metrics]:
        value, parts, gradients = gradients_of(state.trainable, state.frozen, batch)
        norm = optax.tree.norm(gradients)
        scale = jnp.minimum(1.0, optimization.clip_norm / jnp.maximum(norm, 1e-12))
        gradients = jax.tree.map(lambda g: g * scale, gradients)
        updated = optimizer.update(optimization, specs, gradients, state.optimizer, state.trainable, total_steps)
        healthy = spikes.is_healthy(state.history, optimization.spike_sigma, value, norm)
        trainable, moments = jax.tree.map(
            lambda new, old: jnp.where(healthy, new, old), updated, (state.trainable, state.optimizer)
        )
        history = spikes.remember(state.history, value, norm)
        metrics = {"loss": value, "grad_norm": norm, **parts}
        metrics["learning_rate"] = optimizer.learning_rate(optimization, state.optimizer.step, total_steps)
        skipped = state.skipped + jnp.where(healthy, 0, 1)
        assert state.left_out is not None
        left_out = spikes.count(state.left_out, state.step, healthy, value, norm)
        metrics |= {"skipped": skipped, **spikes.counts(left_out)}
        return State(state.step + 1, skipped, trainable, state.frozen, moments, history, left_out), metrics

    return jax.jit(step, donate_argnums=0, **_on_mesh(model, optimization, partitioner))


def on_devices(execution: Execution, partitioner: Partitioner | None) -> Execution:
    """The execution with what the devices decide: the attention kernel, the place of the residual stream."""
    if partitioner is None:
        return execution
    attention = execution.attention
    if attention == "auto":
        attention = device_kernel(partitioner.platform, execution.dtype)
    return replace(execution, attention=attention, residual=partitioner.residual, heads=partitioner.heads)


def abstract_state(model: polymath_v.Config, config: optimizer.Config, partitioner: Partitioner | None = None) -> Any:
    """The state's shapes, dtypes and places; on the default device without a partitioner."""
    shapes = jax.eval_shape(lambda params: init_state(model, config, params), weights.abstract(polymath_v.specs(model)))
    if partitioner is None:
        device = jax.sharding.SingleDeviceSharding(jax.devices()[0])
        places = jax.tree.map(lambda _: device, shapes)
    else:
        places = state_places(model, shapes, partitioner)
    return jax.tree.map(
        lambda leaf, place: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=place), shapes, places
    )


def _on_mesh(model: polymath_v.Config, config: optimizer.Config, partitioner: Partitioner | None) -> dict[str, Any]:
    """What `jax.jit` must know of the mesh."""
    if partitioner is None:
        return {}
    places = jax.tree.map(lambda leaf: leaf.sharding, abstract_state(model, config, partitioner))
    options = TPU_OPTIONS if partitioner.platform == "tpu" else {}
    return {"out_shardings": (places, None), "compiler_options": options}


def state_on_mesh(
    model: polymath_v.Config,
    config: optimizer.Config,
    start: polymath_v.Params | PRNGKeyArray,
    partitioner: Partitioner | None,
) -> State:
    """A fresh state around given weights, whose buffers it takes over, or a draw; on a mesh every device makes its own
    part and no more, one weight after the other.
    """
    if not isinstance(start, polymath_v.Params):
        start = init_params(model, start, partitioner)
    if partitioner is None:
        return init_state(model, config, start)
    places = jax.tree.map(lambda leaf: leaf.sharding, abstract_state(model, config, partitioner))
    return jax.jit(partial(init_state, model, config), out_shardings=places, donate_argnums=0)(start)
