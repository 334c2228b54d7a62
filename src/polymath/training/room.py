"""Whether a phase's state can be in the devices' memory at all, found out before anything compiles."""

import math
from collections.abc import Sequence

import jax
import psutil

from polymath.errors import ConfigError
from polymath.sharding.placement import Partitioner
from polymath.training.recipe import Recipe
from polymath.training.step import abstract_state

GB = 10**9


def check_room(recipe: Recipe, phases: Sequence[str], mesh: Partitioner | None) -> None:
    """Raise ConfigError if weights, optimizer state and gradients of a phase alone are larger than a device's memory.

    Activations, which come on top, are not counted: what is refused here cannot fit.
    """
    device = jax.local_devices()[0]
    memory = device_memory(device)
    for name in phases:
        needed = state_bytes(recipe, name, mesh)
        if memory is not None and needed > memory:
            raise ConfigError(
                f"the {name} phase of recipe {recipe.name!r} needs {needed / GB:,.1f} GB a device for weights, "
                f"optimizer state and gradients alone, but {device.device_kind} has {memory / GB:,.1f} GB; train "
                "--adapters, take a smaller preset or more devices (--set mesh.data=N): `polymath plan` says what fits"
            )


def state_bytes(recipe: Recipe, phase: str, mesh: Partitioner | None) -> int:
    """Bytes on each device: the state, and a float32 gradient of every weight that learns."""
    state = abstract_state(recipe.model, recipe.phase(phase).optimizer, mesh)
    held = sum(_shard(leaf) * leaf.dtype.itemsize for leaf in jax.tree.leaves(state))
    return held + sum(4 * _shard(leaf) for leaf in state.trainable.values())


def device_memory(device: jax.Device) -> int | None:
    """Bytes that a program can have on the device; None where the runtime does not say. A CPU has the machine's."""
    if device.platform == "cpu":
        return psutil.virtual_memory().total
    return (device.memory_stats() or {}).get("bytes_limit")


def _shard(leaf: jax.ShapeDtypeStruct) -> int:
    """Numbers of the leaf on each device."""
    assert leaf.sharding is not None
    return math.prod(leaf.sharding.shard_shape(leaf.shape))
