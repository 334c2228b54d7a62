"""One training step: gradient of the objective, clip, Adafactor, and no change at all where a number is not finite."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray

from polymath.model import polymath_v
from polymath.model import specs as weights
from polymath.model.execution import Execution
from polymath.training import losses, optimizer
from polymath.types import Batch


class State(NamedTuple):
    """What a training run carries from step to step. `step` counts batches seen, `skipped` those without an update."""

    step: Int[Array, ""]
    skipped: Int[Array, ""]
    trainable: dict[str, Any]
    frozen: dict[str, Any]
    optimizer: optimizer.State


Metrics = dict[str, Float[Array, ""]]


def init_state(model: polymath_v.Config, config: optimizer.Config, params: polymath_v.Params) -> State:
    """A fresh optimizer around given weights."""
    specs = polymath_v.specs(model)
    trainable, frozen = optimizer.split(params, specs, config)
    moments = optimizer.init(config, specs, trainable)
    return State(jnp.zeros((), jnp.int32), jnp.zeros((), jnp.int32), trainable, frozen, moments)


def init_params(model: polymath_v.Config, key: PRNGKeyArray) -> polymath_v.Params:
    return weights.init(polymath_v.specs(model), key)


def params_of(state: State, model: polymath_v.Config) -> polymath_v.Params:
    return optimizer.merge(state.trainable, state.frozen, polymath_v.specs(model))


def make_step(
    model: polymath_v.Config,
    optimization: optimizer.Config,
    loss: losses.Config,
    execution: Execution,
    total_steps: int,
) -> Callable[[State, Batch], tuple[State, Metrics]]:
    """The jitted step. The old state's buffers are donated to the new one."""
    specs = polymath_v.specs(model)

    def step(state: State, batch: Batch) -> tuple[State, Metrics]:
        def objective(trainable: dict[str, Any]) -> tuple[Float[Array, ""], Metrics]:
            params = optimizer.merge(trainable, state.frozen, specs)
            return losses.objective(params, model, loss, batch, execution)

        (value, parts), gradients = jax.value_and_grad(objective, has_aux=True)(state.trainable)
        norm = optax.global_norm(gradients)
        scale = jnp.minimum(1.0, optimization.clip_norm / jnp.maximum(norm, 1e-12))
        gradients = jax.tree.map(lambda g: g * scale, gradients)
        updated = optimizer.update(optimization, specs, gradients, state.optimizer, state.trainable, total_steps)
        healthy = jnp.isfinite(value) & jnp.isfinite(norm)
        trainable, moments = jax.tree.map(
            lambda new, old: jnp.where(healthy, new, old), updated, (state.trainable, state.optimizer)
        )
        metrics = {"loss": value, "grad_norm": norm, **parts}
        metrics["learning_rate"] = optimizer.learning_rate(optimization, state.optimizer.step, total_steps)
        skipped = state.skipped + jnp.where(healthy, 0, 1)
        return State(state.step + 1, skipped, trainable, state.frozen, moments), metrics

    return jax.jit(step, donate_argnums=0)
