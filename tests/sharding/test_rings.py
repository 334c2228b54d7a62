"""A product that is summed on its way around a ring is the sum of everybody's products, in numpy."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from tests.compilation import QUICK

PROGRAM = Path(__file__).parent / "ring_program.py"


def test_the_sum_of_everybodys_products_arrives_where_it_belongs() -> None:
    flags = f"--xla_force_host_platform_device_count=8 {QUICK}"
    environment = {**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    done = subprocess.run([sys.executable, str(PROGRAM)], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    rings = json.loads(done.stdout.splitlines()[-1])
    assert set(rings) == {"2", "4", "8"}
    for ring in rings.values():
        expected = np.array(ring["left"]).T @ np.array(ring["right"])
        np.testing.assert_allclose(ring["sum"], expected, rtol=1e-5, atol=1e-6)
