"""Adafactor per layer, linear warm-up and inverse-square-root decay, weights frozen or scaled by name.

Adafactor (Shazeer and Stern 2018, arXiv:1804.04235) built from optax's primitives. Stacked layers are updated one by
one (`jax.vmap` over the "layers" axis), so that the statistics, the update clipping and the choice of factored axes of
a weight do not depend on whether its layers are stacked. The learning rate is absolute by default (no parameter scale),
as in Pax's ShardedAdafactor; statistics are float32 whatever the weights' dtype.
"""

import re
import zlib
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from polymath.errors import ConfigError
from polymath.specs import named


@dataclass(frozen=True)
class Config:
    """groups: (regex, learning-rate factor) pairs that together cover every weight exactly once; factor 0 freezes.

    decay_kind: "power" forgets the second moments with 1 - t^-decay (arXiv:1804.04235, section 7.2), "adam" with
    decay (1 - decay^(t-1)) / (1 - decay^t), Adam's bias correction folded into the average (Praxis).
    """

    peak_learning_rate: float = 2e-4
    warmup_steps: int = 1_000
    cooldown_steps: int = 0  # linear to zero over the last steps
    decay: float = 0.8  # of the second moments, see decay_kind
    decay_kind: Literal["power", "adam"] = "power"
    momentum: float | None = None
    update_clip: float = 1.0  # RMS of a layer's update (section 6)
    parameter_scale: bool = False
    weight_decay: float = 0.0  # multiplied by the learning rate
    clip_norm: float = 1.0
    spike_sigma: float | None = None  # skip steps whose loss is this many standard deviations above the last ones
    spike_window: int = 128  # steps
    groups: tuple[tuple[str, float], ...] = ((".*", 1.0),)


# The two settings that are published under the name of Adafactor. They differ by a factor of about fifty in the step:
#              decay of v         step                                    momentum    from
# PAX          adam 0.99          learning rate                           0.9         praxis ShardedAdafactor's template
# T5X          power 0.8          learning rate x RMS of the weight       none        t5x/adafactor.py, PaLM
# Praxis and T5X average the update after its multiplication by the learning rate, ours before (as big_vision): equal
# while the rate is constant, and the average keeps its meaning when the schedule changes.
PAX = Config(peak_learning_rate=2.5e-4, decay=0.99, decay_kind="adam", momentum=0.9, parameter_scale=False)
T5X = Config(peak_learning_rate=1e-2, warmup_steps=10_000, decay=0.8, momentum=None, parameter_scale=True)


class State(NamedTuple):
    step: Int[Array, ""]
    factored: Any  # per trainable weight: optax's FactoredState
    momentum: Any  # per trainable weight, or None


def learning_rate(config: Config, step: Any, total_steps: int) -> Float[Array, ""]:
    """peak * min(t/w, sqrt(w/t)) with t counted from 1, then the cooldown (Praxis' LinearRampupSqrtDecay)."""
    t = jnp.asarray(step, jnp.float32) + 1
    warmup = jnp.asarray(max(config.warmup_steps, 1), jnp.float32)
    rate = config.peak_learning_rate * jnp.minimum(t / warmup, jnp.sqrt(warmup / t))
    if config.cooldown_steps:
        rate = rate * jnp.clip((total_steps + 1 - t) / config.cooldown_steps, 0.0, 1.0)
    return rate


def learning_rate_factors(config: Config, specs: Any) -> dict[str, float]:
    """Weight name -> factor. Raises ConfigError if a weight matches no group or more than one."""
    factors: dict[str, float] = {}
    groups = [(_compiled(pattern), factor) for pattern, factor in config.groups]
    for name, _ in named(specs):
        matches = [(group.pattern, factor) for group, factor in groups if group.fullmatch(name)]
        if len(matches) != 1:
            matched = "no group" if not matches else "the groups " + ", ".join(repr(m[0]) for m in matches)
            raise ConfigError(f"optimizer.groups: weight {name!r} matches {matched}; every weight needs exactly one")
        factors[name] = matches[0][1]
    return factors


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise ConfigError(f"optimizer.groups: {pattern!r} is no regular expression: {error}") from error


def init(config: Config, specs: Any, trainable: dict[str, Any]) -> State:
    """`trainable` maps the names of the weights that learn to their values (see `split`)."""
    axes = {name: spec.axes for name, spec in named(specs)}
    factored = {
        name: _per_layer(axes[name], _second_moments(config).init)(w.astype(jnp.float32))
        for name, w in trainable.items()
    }
    momentum = {name: jnp.zeros(w.shape, jnp.float32) for name, w in trainable.items()} if config.momentum else None
    return State(jnp.zeros((), jnp.int32), factored, momentum)


def update(
    config: Config, specs: Any, gradients: dict[str, Any], state: State, trainable: dict[str, Any], total_steps: int
) -> tuple[dict[str, Any], State]:
    """New weights and state. The gradients are already clipped by their global norm."""
    axes, factors = {name: spec.axes for name, spec in named(specs)}, learning_rate_factors(config, specs)
    rate = learning_rate(config, state.step, total_steps)
    weights, factored, momentum = {}, {}, {}
    for name, weight in trainable.items():
        layer = _per_layer(axes[name], lambda g, s, w: _direction(config, g, s, w))
        direction, factored[name] = layer(gradients[name].astype(jnp.float32), state.factored[name], weight)
        if config.momentum:
            momentum[name] = config.momentum * state.momentum[name] + (1 - config.momentum) * direction
            direction = momentum[name]
        weight32 = weight.astype(jnp.float32)
        stepped = weight32 - factors[name] * rate * (direction + config.weight_decay * weight32)
        weights[name] = rounded(stepped, weight.dtype, name, state.step)
    return weights, State(state.step + 1, factored, momentum or None)


def rounded(value: Float[Array, "..."], dtype: Any, name: str, step: Int[Array, ""]) -> Float[Array, "..."]:
    """float32 as it is; bfloat16 up or down at random, so that on average no update is lost.

    Late in training an update is far below half a unit in the last place of a bfloat16 weight; rounded to the nearest,
    such a weight never moves again. (Gupta et al. 2015, arXiv:1502.02551, section 3.1.)
    """
    if dtype != jnp.bfloat16:
        return value.astype(dtype)
    key = jax.random.fold_in(jax.random.key(zlib.crc32(name.encode())), step)
    noise = jax.random.bits(key, value.shape, jnp.uint16).astype(jnp.uint32)
    bits = jax.lax.bitcast_convert_type(value.astype(jnp.float32), jnp.uint32) + noise
    return jax.lax.bitcast_convert_type(bits & jnp.uint32(0xFFFF0000), jnp.float32).astype(dtype)


def split(params: Any, specs: Any, config: Config) -> tuple[dict[str, Any], dict[str, Any]]:
    """(trainable, frozen) weights by name; a factor of 0 freezes."""
    factors = learning_rate_factors(config, specs)
    weights = dict(named(params))
    trainable = {name: weight for name, weight in weights.items() if factors[name] != 0}
    return trainable, {name: weight for name, weight in weights.items() if factors[name] == 0}


def merge(trainable: dict[str, Any], frozen: dict[str, Any], specs: Any) -> Any:
    """The inverse of `split`."""
    weights = {**trainable, **frozen}
    structure = jax.tree.structure(specs)
    return jax.tree.unflatten(structure, [weights[name] for name, _ in named(specs)])


def _second_moments(config: Config) -> optax.GradientTransformation:
    if config.decay_kind == "power":
        return optax.scale_by_factored_rms(decay_rate=config.decay)
    return optax.scale_by_factored_rms(decay_rate=config.decay, decay_rate_fn=_adam_decay)


def _adam_decay(step: Any, decay: float) -> Float[Array, ""]:
    t = jnp.asarray(step + 1, jnp.float32)
    return decay * (1.0 - decay ** (t - 1.0)) / (1.0 - decay**t)


def _direction(config: Config, gradient: Any, state: Any, weight: Any) -> tuple[Any, Any]:
    """One layer's update before the learning rate: g / sqrt(v), clipped to an RMS of `update_clip`."""
    direction, state = _second_moments(config).update(gradient, state, weight.astype(jnp.float32))
    rms = jnp.sqrt(jnp.mean(jnp.square(direction)))
    direction = direction / jnp.maximum(1.0, rms / config.update_clip)
    if config.parameter_scale:
        direction = direction * jnp.maximum(jnp.sqrt(jnp.mean(jnp.square(weight.astype(jnp.float32)))), 1e-3)
    return direction, state


def _per_layer(axes: tuple[str | None, ...], function: Any) -> Any:
    return jax.vmap(function) if axes and axes[0] == "layers" else function
