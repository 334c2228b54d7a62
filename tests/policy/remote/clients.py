"""What the tests of this folder ask with."""

import numpy as np

from polymath import Observation
from polymath.policy.remote.address import address
from polymath.policy.remote.policy import RemotePolicy


def seen(x: int = 3, camera: str = "top") -> Observation:
    image = np.zeros((16, 16, 3), np.uint8)
    image[5, x] = 255
    return Observation({camera: image}, np.array([0.5, 0.5], np.float32), "go", "point")


def policy_at(url: str, key: str | None = None, wait: float = 5) -> RemotePolicy:
    return RemotePolicy(address(f"{url}?robot=polymath&wait={wait}"), key)
