"""An answer of a run on one device and divided over 8 of them, as JSON. Usage: python -m tests.policy.mesh_program RUN

Started by test_weights.py with 8 simulated devices.
"""

import json
import sys
from pathlib import Path

import jax
import numpy as np
from tests.policy.conftest import observation

from polymath.policy import Policy
from polymath.policy.weights import device_bytes
from polymath.sharding.mesh import Config


def main() -> None:
    run = Path(sys.argv[1])
    policies = Policy.load(run), Policy.load(run, mesh=Config(model=8))
    alone, divided = (policy.open().act(observation(0)).actions for policy in policies)
    result = {
        "devices": len(jax.devices()),
        "difference": float(np.abs(alone - divided).max()),
        "bytes": [device_bytes(policy.params) for policy in policies],
        "query_devices": len(policies[1].params.decoder.blocks.query.sharding.device_set),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
