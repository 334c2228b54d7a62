"""The sums of a measurement on given meshes, as JSON on standard output; run by a test in its own process.

usage: sums_on_mesh.py '[{}, {"data": 4}]'
"""

import json
import sys
from typing import Any

import jax
from curves import MODEL, OPTIMIZER, random_batch

from polymath.model.execution import Execution
from polymath.sharding import mesh as meshes
from polymath.sharding.placement import partitioner
from polymath.training import losses
from polymath.training.measurement import make_sums
from polymath.training.placement import batch_on_mesh
from polymath.training.step import state_on_mesh


def sums(mesh: dict[str, Any]) -> dict[str, Any]:
    spread = partitioner(meshes.Config(**mesh)) if mesh else None
    state = state_on_mesh(MODEL, OPTIMIZER, jax.random.key(0), spread)
    program = make_sums(MODEL, losses.Config(tile=64), Execution(dtype="float32", remat="none"), spread)
    result = jax.device_get(program(state.trainable, state.frozen, batch_on_mesh(random_batch(0), spread)))
    parts = {name: float(value) for name, value in result.parts.items()}
    totals = {name: float(value) for name, value in result.totals._asdict().items()}
    return {**parts, **totals, "errors": result.errors.tolist(), "counts": result.counts.tolist()}


if __name__ == "__main__":
    print(json.dumps([sums(mesh) for mesh in json.loads(sys.argv[1])]))
