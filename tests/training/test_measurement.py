"""A measurement on simulated devices gives what a single device gives."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.compilation import QUICK

PROGRAM = Path(__file__).parent / "sums_on_mesh.py"
MESHES = [{}, {"data": 4}, {"data": 2, "model": 2, "rules": "pax_2d"}]


def test_every_mesh_measures_the_same() -> None:
    """To 1e-5 relative, float32: parts of the objective, and absolute errors by action dimension."""
    flags = f"--xla_force_host_platform_device_count=4 {QUICK}"
    environment = {**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, str(PROGRAM), json.dumps(MESHES)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    alone, *others = json.loads(done.stdout.splitlines()[-1])
    assert alone["mse"] > 0
    assert len(alone["errors"]) == 4
    for mesh, sums in zip(MESHES[1:], others, strict=True):
        assert sums == {name: pytest.approx(value, rel=1e-5) for name, value in alone.items()}, mesh
