"""Products that reduce their weight's gradient hop by hop give the gradient of a single device."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.compilation import QUICK

PROGRAM = Path(__file__).parent / "products_program.py"


@pytest.fixture(scope="module")
def gradients() -> dict[str, dict[str, list[float]]]:
    flags = f"--xla_force_host_platform_device_count=8 {QUICK}"
    environment = {**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    done = subprocess.run([sys.executable, str(PROGRAM)], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("by", ["scatter", "hops"])
@pytest.mark.parametrize("weight", ["query", "up"])
def test_every_way_gives_the_gradient_of_one_device(
    gradients: dict[str, dict[str, list[float]]], by: str, weight: str
) -> None:
    """Three rings of 2; heads are cut over two of them, the head width over the third. Each weight is used twice."""
    alone = np.array(gradients["alone"][weight])
    np.testing.assert_allclose(gradients[by][weight], alone, rtol=2e-4, atol=1e-5 * np.abs(alone).max())
