"""Gradients of a query-like and a feed-forward weight over 8 simulated devices, by each way to reduce them, as JSON."""

import json
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import PartitionSpec as P

from polymath.model.layers import project, project_back
from polymath.sharding import sharded_weight as sw
from polymath.sharding.mesh import Config
from polymath.sharding.placement import partitioner
from polymath.sharding.products import GatheredWeight, gather_for_products
from polymath.specs import Normal, Spec

TOKENS, HEADS, HEAD_WIDTH, WIDTH, MLP = 2, 8, 16, 24, 64
SPECS = {
    "query": Spec((HEADS, HEAD_WIDTH, WIDTH), ("heads", "head_width", "embed"), Normal(WIDTH)),
    "up": Spec((MLP, WIDTH), ("mlp", "embed"), Normal(WIDTH)),
}


def gradients(by: Any, weights: dict[str, np.ndarray], x: np.ndarray) -> dict[str, list[Any]]:
    """Of a sum of sin(x Wᵀ) W over all tokens, for the query twice used, remat included."""
    on = partitioner(Config(data=8))
    places = {name: on.place(name, spec) for name, spec in SPECS.items()}

    def local(parts: dict[str, Any], x: Any) -> Any:
        def value(parts: dict[str, Any]) -> Any:
            def layer(x: Any, parts: dict[str, Any]) -> Any:
                spreads = {n: sw.sharded(p, places[n], on, sw.Reduction(by=by)) for n, p in parts.items()}
                whole = gather_for_products(spreads, x.dtype)
                assert all(isinstance(weight, GatheredWeight) == (by == "hops") for weight in whole.values())
                for weight in whole.values():
                    x = x + project_back(jnp.sin(project(x, weight)), weight)
                return x

            return jnp.sum(jax.checkpoint(layer)(x, parts) ** 2)

        return jax.grad(value)(parts)

    mapped = jax.shard_map(local, mesh=on.mesh, in_specs=(places, P(on.batch_axes)), out_specs=places, check_vma=False)
    return {name: np.asarray(g).tolist() for name, g in jax.jit(mapped)(weights, x).items()}


if __name__ == "__main__":
    rng = np.random.default_rng(0)
    weights = {name: rng.normal(size=spec.shape).astype(np.float32) / 8 for name, spec in SPECS.items()}
    x = rng.normal(size=(8 * TOKENS, WIDTH)).astype(np.float32)

    def value(weights: dict[str, Any]) -> Any:
        y = jnp.asarray(x)
        for weight in weights.values():
            y = y + project_back(jnp.sin(project(y, weight)), weight)
        return jnp.sum(y**2)

    alone = {name: np.asarray(g).tolist() for name, g in jax.grad(value)(weights).items()}
    print(json.dumps({"alone": alone, **{by: gradients(by, weights, x) for by in ("scatter", "hops")}}))
