"""The devices of TPU topologies, as libtpu describes them. Needs the extra `tpu`, no TPU; skipped without."""

import importlib.util
import json
import os
import subprocess
import sys

import pytest

PROGRAM = """
import json
from polymath.training.ahead import topology_devices
for name in ("v4:4x4x8", "v5p:4x4x4", "v5e:16x16", "v6e:4x8"):
    devices = topology_devices(name)
    print(json.dumps([name, len(devices), devices[0].device_kind, devices[-1].coords]))
"""


def test_flat_and_solid_topologies() -> None:
    if importlib.util.find_spec("libtpu") is None:
        pytest.skip("needs libtpu: pip install 'polymath-v[tpu]'")
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "TPU_SKIP_MDS_QUERY": "1", "ALLOW_MULTIPLE_LIBTPU_LOAD": "1"}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        ["v4:4x4x8", 128, "TPU v4", [3, 3, 7]],
        ["v5p:4x4x4", 64, "TPU v5", [3, 3, 3]],
        ["v5e:16x16", 256, "TPU v5 lite", [15, 15, 0]],
        ["v6e:4x8", 32, "TPU v6 lite", [3, 7, 0]],
    ]
