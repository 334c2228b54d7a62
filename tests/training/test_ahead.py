"""The devices of TPU topologies, as libtpu describes them. Needs libtpu, no TPU."""

import json
from collections.abc import Callable

PROGRAM = """
import json
from polymath.training.ahead import topology_devices
for name in ("v4:4x4x8", "v5p:4x4x4", "v5e:16x16", "v6e:4x8"):
    devices = topology_devices(name)
    print(json.dumps([name, len(devices), devices[0].device_kind, devices[-1].coords]))
"""


def test_flat_and_solid_topologies(beside_libtpu: Callable[..., str]) -> None:
    printed = beside_libtpu("-c", PROGRAM)
    assert [json.loads(line) for line in printed.splitlines()] == [
        ["v4:4x4x8", 128, "TPU v4", [3, 3, 7]],
        ["v5p:4x4x4", 64, "TPU v5", [3, 3, 3]],
        ["v5e:16x16", 256, "TPU v5 lite", [15, 15, 0]],
        ["v6e:4x8", 32, "TPU v6 lite", [3, 7, 0]],
    ]
