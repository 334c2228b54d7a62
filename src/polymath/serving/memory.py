"""Whether a run's weights fit on the device, before they are read."""

from collections.abc import Mapping
from typing import NamedTuple

import jax

from polymath.errors import ConfigError
from polymath.policy.decoding import Dtype
from polymath.policy.weights import abstract, device_bytes, largest_shard, usual
from polymath.sharding import mesh as meshes
from polymath.sharding.table import abstract_partitioner
from polymath.training.run import Run


class WeightBytes(NamedTuple):
    """Bytes on the device: of the weights as they are held, and beside them of one float32 array while they load."""

    held: int
    loading: int


def weight_bytes(run: Run, dtype: Dtype | None) -> WeightBytes:
    """Of a run that is served from one device, by abstract evaluation."""
    model, execution = run.recipe.model, run.recipe.execution
    partitioner = abstract_partitioner(meshes.Config(rules="decode"))
    held = device_bytes(abstract(model, dtype or usual(execution), execution, partitioner))
    return WeightBytes(held, largest_shard(model, partitioner))


def check_memory(needs: Mapping[str, WeightBytes], limit: int | None) -> None:
    """Raise ConfigError where the models' weights by themselves are more than `limit` bytes; None: not known."""
    total = sum(need.held for need in needs.values()) + max(need.loading for need in needs.values())
    if limit is not None and total > limit:
        each = ", ".join(f"{name} {need.held / 1e9:.2f} GB" for name, need in needs.items())
        raise ConfigError(
            f"weights: {each}, and {total / 1e9:.2f} GB in all while they load, but the device has "
            f"{limit / 1e9:.2f} GB; choose --dtype bf16 or int8, or serve fewer runs from it"
        )


def device_limit() -> int | None:
    """Bytes that this process may use on the first device; None where the device does not say, as processors."""
    statistics = jax.devices()[0].memory_stats() or {}
    return statistics.get("bytes_limit")
