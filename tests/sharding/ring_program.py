"""`ring_product` over rings of 2, 4 and 8 of this process's 8 simulated devices, as JSON on standard output."""

import json

import jax
import numpy as np
from jax.sharding import PartitionSpec as P

from polymath.sharding.rings import ring_product

TOKENS, ROWS, WIDTH = 3, 48, 5  # of one device


def summed(size: int, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """[devices * TOKENS, ...] -> [ROWS, WIDTH], every device's chunk of rows in its place."""
    mesh = jax.sharding.Mesh(np.array(jax.devices()[:size]), ("ring",))
    along = P("ring")
    product = jax.shard_map(
        lambda left, right: ring_product(left, right, "ring", size, np.float32),
        mesh=mesh,
        in_specs=(along, along),
        out_specs=along,
        check_vma=False,
    )
    return np.asarray(jax.jit(product)(left, right))


if __name__ == "__main__":
    rng, results = np.random.default_rng(0), {}
    for size in (2, 4, 8):
        left, right = (rng.normal(size=(size * TOKENS, n)).astype(np.float32) for n in (ROWS, WIDTH))
        results[size] = {"left": left.tolist(), "right": right.tolist(), "sum": summed(size, left, right).tolist()}
    print(json.dumps(results))
