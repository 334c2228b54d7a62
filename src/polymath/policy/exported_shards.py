"""An exported model's weights as safetensors files of a bounded size, and the index that says which is where."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from polymath.training.run import save_tensors


def write_shards(place: Path, params: dict[str, Any], shard_bytes: int) -> None:
    """One shard's weights are on the host at a time; the index names the shard of each."""
    shards = list(_shards(params, shard_bytes))
    weight_map = {}
    for number, names in enumerate(shards, start=1):
        file = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        weight_map.update(dict.fromkeys(names, file))
        arrays = {name: np.ascontiguousarray(weight) for name, weight in names.items()}
        save_tensors(place / file, arrays, metadata={"format": "np"})
    index = {"metadata": {"total_size": sum(weight.nbytes for weight in params.values())}, "weight_map": weight_map}
    (place / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n")


def _shards(params: dict[str, Any], shard_bytes: int) -> Iterator[dict[str, Any]]:
    """Names and weights in order, each group of at most `shard_bytes` unless a single weight is larger."""
    shard: dict[str, Any] = {}
    for name, weight in params.items():
        if shard and sum(other.nbytes for other in shard.values()) + weight.nbytes > shard_bytes:
            yield shard
            shard = {}
        shard[name] = weight
    yield shard
