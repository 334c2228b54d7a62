"""Weights onto four simulated devices: the right parts, replicas, and how much the host holds meanwhile.

XLA takes the number of devices when it starts, so this file is also a program that the test starts in a process of its
own. tracemalloc counts numpy's and safetensors' memory, not XLA's. XLA's CPU backend takes over memory at a multiple of
64 bytes; from any other place it copies, as it does to an accelerator, which is how one is stood in for here.
"""

import json
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from safetensors.numpy import save_file

from polymath import specs as weights
from polymath.model.weights import rules
from polymath.model.weights.rules import Rule, assemble
from polymath.model.weights.tensors import open_tensors
from polymath.specs import Normal, Spec

LAYERS, ROWS, WIDTH = 8, 512, 256
LAYER_BYTES = 4 * ROWS * WIDTH
SPECS = {
    "stack": Spec((LAYERS, ROWS, WIDTH), ("layers", "mlp", "embed"), Normal(WIDTH)),
    "table": Spec((ROWS, WIDTH), ("vocab", "embed"), Normal(WIDTH)),
}
RULES = {"stack": Rule(("layer.{layer}",)), "table": Rule(("table",), np.transpose)}


def arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    layers = {f"layer.{i}": rng.normal(size=(ROWS, WIDTH)).astype(np.float32) for i in range(LAYERS)}
    return {**layers, "table": rng.normal(size=(WIDTH, ROWS)).astype(np.float32)}


def load(path: Path, shardings: Any) -> tuple[dict[str, jax.Array], int]:
    """The weights and the peak of what the host allocated."""
    tensors = open_tensors(path)
    tracemalloc.start()
    loaded = assemble(SPECS, RULES, tensors, shardings=shardings)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return loaded, peak


def beside_an_alignment(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    buffer = np.empty(size + 128, np.uint8)
    start = -buffer.ctypes.data % 64 + 16
    return buffer[start : start + size].view(dtype).reshape(shape)


def on_four_devices(path: Path) -> dict[str, Any]:
    mesh = jax.make_mesh((2, 2), ("data", "model"))
    cut, replicated = (
        jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec(*axes)) for axes in ((None, "data", "model"), ())
    )
    shardings = {"stack": cut, "table": replicated}
    jax.block_until_ready(jax.device_put(np.zeros(1), cut.mesh.devices.flat[0]))
    loaded, aliased = load(path, shardings)
    rules._aligned = beside_an_alignment
    _, copied = load(path, shardings)
    source = arrays()
    stack = np.stack([source[f"layer.{i}"] for i in range(LAYERS)])
    drawn = weights.init_on(shardings, SPECS, jax.random.key(3))
    alone = weights.init(SPECS, jax.random.key(3))
    return {
        "equal": bool((loaded["stack"] == stack).all() and (loaded["table"] == source["table"].T).all()),
        "shards": [list(shard.data.shape) for shard in loaded["stack"].addressable_shards],
        "placed": all(loaded[name].sharding == drawn[name].sharding == shardings[name] for name in SPECS),
        "same draw": all(bool((drawn[name] == alone[name]).all()) for name in SPECS),
        "aliased": aliased,
        "copied": copied,
    }


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = tmp_path_factory.mktemp("placement") / "model.safetensors"
    save_file(arrays(), path)
    environment = {
        **os.environ,
        "XLA_FLAGS": "--xla_force_host_platform_device_count=4 --xla_backend_optimization_level=0",
        "JAX_PLATFORMS": "cpu",
    }
    ran = subprocess.run(
        [sys.executable, __file__, str(path)], env=environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def test_every_device_gets_its_part(found: dict[str, Any]) -> None:
    assert found["equal"]
    assert found["placed"]
    assert found["shards"] == [[LAYERS, ROWS // 2, WIDTH // 2]] * 4


def test_devices_draw_their_own_parts_of_the_same_weights(found: dict[str, Any]) -> None:
    assert found["same draw"]


def test_the_host_holds_one_shard_and_one_layer(found: dict[str, Any]) -> None:
    """A shard is a quarter of the stack; all shards at once would be as much as the whole stack, 8 layers."""
    shard, slack = LAYERS * LAYER_BYTES // 4, LAYER_BYTES // 4
    assert found["copied"] <= shard + 2 * LAYER_BYTES + slack  # two: the table, transposed, beside its source


def test_on_a_cpu_the_shards_are_the_weights(found: dict[str, Any]) -> None:
    """Where device memory is host memory, nothing is copied: the weights and one layer on its way."""
    weights_bytes = (LAYERS + 1) * LAYER_BYTES
    assert found["aliased"] <= weights_bytes + 2 * LAYER_BYTES


if __name__ == "__main__":
    print(json.dumps(on_four_devices(Path(sys.argv[1]))))
