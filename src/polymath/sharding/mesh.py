"""The mesh [replica, data, model] on the machine's devices.

    replica   copies of the model; its gradients are summed once a step, so it may span slow links (slices, racks)
    data      shards of the batch and of the weights: each layer's weights are gathered when they are needed
    model     shards of heads, feed-forward width and vocabulary: activations travel instead of weights

On a TPU the axis `data` follows the rings of the torus. It is split into one mesh axis a ring, because 64 heads cannot
be cut 512 ways but 64 heads x 128 can, and because a v4 reduces a gradient ring by ring, but never over two rings at
once (the compiler turns that into an all-reduce of everything). Elsewhere it is split into prime factors:

    8x8x8 torus, [1, 512, 1]   replica 1 · data_0 8 · data_1 8 · data_2 8 · model 1
    8x8x8 torus, [1, 128, 4]   replica 1 · data_0 8 · data_1 8 · data_2 2 · model 4
    8 CPU devices, [1, 8, 1]   replica 1 · data_0 2 · data_1 2 · data_2 2 · model 1
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import jax
import numpy as np
from jax.experimental import mesh_utils
from jax.sharding import AxisType

from polymath.errors import ConfigError


@dataclass(frozen=True)
class Config:
    """[replica, data, model]; `slices` of them are joined by a data-centre network and divide `replica`.

    rules: a column of the sharding table (`polymath.sharding.rules`). axes: who places values over `replica` and `data`
    outside the step's own `shard_map`, the compiler ("auto") or the values' types ("explicit"). `model` is always the
    compiler's: it divides the matrix products themselves.
    """

    replica: int = 1
    data: int = 1
    model: int = 1
    slices: int = 1
    rules: Literal["fsdp", "pax_2d", "small_batch", "decode"] = "fsdp"
    axes: Literal["auto", "explicit"] = "auto"

    def __post_init__(self) -> None:
        if min(self.shape) < 1 or self.slices < 1 or self.replica % self.slices:
            raise ConfigError(
                f"mesh: [replica, data, model] = {list(self.shape)} over {self.slices} slices; every number must be at "
                "least 1 and mesh.replica a multiple of mesh.slices"
            )

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.replica, self.data, self.model

    @property
    def size(self) -> int:
        return math.prod(self.shape)


def build(config: Config, devices: Sequence[Any] | None = None) -> jax.sharding.Mesh:
    """The mesh over `devices` (all of this run's, if None). One device of many is enough for the mesh [1, 1, 1].

    Raises ConfigError if the numbers do not multiply to the number of devices.
    """
    devices = list(jax.devices() if devices is None else devices)
    if config.size == 1 and jax.process_count() == 1:
        devices = devices[:1]
    if config.size != len(devices):
        raise ConfigError(
            f"mesh: [replica, data, model] = {list(config.shape)} needs {config.size} devices, but there are "
            f"{len(devices)}; for example --set mesh.data={len(devices)} with mesh.replica=1 and mesh.model=1"
        )
    split = data_split(config, torus(devices, config.slices))
    data = data_axes(len(split))
    place = _arrange(config, split, devices)
    kind = {"auto": AxisType.Auto, "explicit": AxisType.Explicit}[config.axes]
    kinds = (*(kind,) * (place.ndim - 1), AxisType.Auto)
    return jax.sharding.Mesh(place, ("replica", *data, "model"), axis_types=kinds)


def data_axes(count: int) -> tuple[str, ...]:
    """The mesh axes that `data` consists of."""
    return ("data",) if count == 1 else tuple(f"data_{number}" for number in range(count))


def torus(devices: Sequence[Any], slices: int = 1) -> tuple[int, ...] | None:
    """Extents of one slice's torus of chips, None where the devices have no coordinates."""
    if any(getattr(device, "coords", None) is None for device in devices):
        return None
    coordinates = np.array([device.coords for device in devices[: len(devices) // slices]])
    extents = coordinates.max(0) - coordinates.min(0) + 1
    return tuple(int(extent) for extent in extents) if math.prod(extents) * slices == len(devices) else None


def data_split(config: Config, extents: tuple[int, ...] | None) -> tuple[int, ...]:
    """Factors of `data`, slowest first: what is left of the torus' axes, or else its prime factors."""
    if extents is None or math.prod(extents) != config.size // config.slices:
        return prime_factors(config.data)
    left = list(extents)
    for size, order in (
        (config.model, reversed(range(len(left)))),
        (config.replica // config.slices, range(len(left))),
    ):
        for axis in order:
            common = math.gcd(left[axis], size)
            left[axis], size = left[axis] // common, size // common
    rings = tuple(ring for ring in left if ring > 1) or (1,)
    return rings if math.prod(rings) == config.data else prime_factors(config.data)


def prime_factors(number: int) -> tuple[int, ...]:
    """In descending order; (1,) for 1."""
    factors, divisor = [], 2
    while number > 1:
        while number % divisor == 0:
            factors.append(divisor)
            number //= divisor
        divisor += 1
    return tuple(sorted(factors, reverse=True)) or (1,)


def _arrange(config: Config, split: tuple[int, ...], devices: list[Any]) -> np.ndarray:
    """The devices in the shape of the mesh, neighbours in a ring beside each other."""
    inside = (config.replica // config.slices, *split, config.model)
    if config.slices == 1:
        return mesh_utils.create_device_mesh(inside, devices=devices, allow_split_physical_axes=True)
    between = (config.slices, *(1,) * len(split), 1)
    by_process = any(getattr(device, "slice_index", None) is None for device in devices)
    return mesh_utils.create_hybrid_device_mesh(
        inside, between, devices=devices, process_is_granule=by_process, allow_split_physical_axes=True
    )
