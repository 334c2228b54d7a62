"""The collectives of a scanned stack of one weight, compiled by libtpu for 64 TPU v4 chips, as JSON: as written,
without the compiler's option for asynchronous gathers, with the gradient travelling hop by hop, and with the gradient
scattered over all rings at once.
"""

import json

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, Float

from polymath.model.layers import project, project_back
from polymath.planning.collectives import collectives
from polymath.planning.hlo import parse
from polymath.sharding import mesh as meshes
from polymath.sharding import sharded_weight as sw
from polymath.sharding.placement import Partitioner
from polymath.sharding.products import gather_for_products
from polymath.specs import Normal, Spec
from polymath.training.ahead import topology_devices
from polymath.training.step import TPU_OPTIONS

LAYERS, MLP, WIDTH, CHIPS = 3, 2048, 1024, 64


def program(on: Partitioner, options: dict[str, str], reduction: sw.Reduction) -> list[dict[str, object]]:
    layout = sw.shard_layout(on.place("w", Spec((MLP, WIDTH), ("mlp", "embed"), Normal(WIDTH))), on, reduction)

    def gradient(weights: Float[Array, "L rows D"], x: Float[Array, "T D"]) -> Float[Array, "L rows D"]:
        def layer(x: Float[Array, "T D"], shard: Float[Array, "rows D"]) -> tuple[Float[Array, "T D"], None]:
            weight = gather_for_products(sw.ShardedWeight(shard, layout), x.dtype)
            return project_back(jnp.tanh(project(x, weight)), weight), None

        def loss(weights: Float[Array, "L rows D"]) -> Float[Array, ""]:
            return jnp.sum(jax.lax.scan(jax.checkpoint(layer, prevent_cse=False), x, weights)[0].astype(jnp.float32))

        return jax.grad(loss)(weights)

    parts, rows = P(None, on.batch_axes), P(on.batch_axes)
    mapped = jax.shard_map(gradient, mesh=on.mesh, in_specs=(parts, rows), out_specs=parts, check_vma=False)
    weights = jax.ShapeDtypeStruct((LAYERS, MLP, WIDTH), jnp.float32, sharding=on.sharding(parts))
    x = jax.ShapeDtypeStruct((CHIPS * 512, WIDTH), jnp.bfloat16, sharding=on.sharding(rows))
    compiled = jax.jit(mapped, compiler_options=options).lower(weights, x).compile()
    operations = collectives(parse(compiled.as_text() or ""), CHIPS)
    return [
        {"kind": c.kind, "bytes": c.bytes, "group": c.group, "async": c.asynchronous, "hidden": c.hidden}
        for c in operations
    ]


def at_once(gradient: Float[Array, "..."], layout: sw.ShardLayout) -> Float[Array, "..."]:
    """The plain reduce-scatter that `sw.reduce_scatter` is not."""
    parts = sw._split(gradient.astype(layout.reduction.dtype), layout)
    return jax.lax.psum_scatter(parts, layout.axes, scatter_dimension=0, tiled=False).astype(jnp.float32)


if __name__ == "__main__":
    on = Partitioner(meshes.build(meshes.Config(data=CHIPS), topology_devices("v4:4x4x4")))
    scatter, hops = sw.Reduction(), sw.Reduction(by="hops")
    programs = {"as written": program(on, TPU_OPTIONS, scatter), "without the option": program(on, {}, scatter)}
    programs["hops"] = program(on, TPU_OPTIONS, hops)
    sw.reduce_scatter = at_once
    print(json.dumps({**programs, "at once": program(on, TPU_OPTIONS, scatter)}))
