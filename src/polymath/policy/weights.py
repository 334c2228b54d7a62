"""A run's weights as inference holds them: no optimizer state, and no float32 where nothing reads it.

    float32   the masters as they were trained
    bf16      2 bytes a weight. What the model reads in float32 stays so: the action head, the localizer, and norms and
              biases outside of the layers. The answers of a run whose execution is bfloat16 are the same bits.
    int8      1 byte for a weight of a projected matrix, a float32 scale a row (`polymath.model.int8`); the rest as
              usual

The usual one is that of the run's execution. On a mesh, weights lie as the column "decode" of the sharding table says:
heads, feed-forward width and vocabulary over `model`, the rest whole on every device.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import PartitionSpec
from jaxtyping import Array, Float

from polymath.errors import ConfigError
from polymath.extras import require
from polymath.model import int8, polymath_v
from polymath.model.execution import Execution
from polymath.policy import exported
from polymath.policy.decoding import Dtype
from polymath.policy.exported_kinds import check_is_no_program, is_exported
from polymath.sharding import mesh as meshes
from polymath.sharding.placement import Partitioner
from polymath.sharding.placement import partitioner as partitioner_of
from polymath.specs import Leaf, Spec, is_spec, named
from polymath.training.checkpoint_choice import NEWEST, chosen_step
from polymath.training.run import Run, open_whole
from polymath.training.stored_weights import Places, stored_weights

READ_IN_FLOAT32 = re.compile(r"(action_head|localizer)(\..*)?")


def usual(execution: Execution) -> Dtype:
    """What gives the answers of the float32 masters in the least memory."""
    return "bf16" if execution.dtype == "bfloat16" else "float32"


def load(
    path: Path, dtype: Dtype | None = None, mesh: meshes.Config | None = None, checkpoint: str | int = NEWEST
) -> tuple[Run, polymath_v.Params]:
    """A run directory, or one that `polymath export` wrote, and weights of its robot phase.

    checkpoint: "newest", "best" on the held-out episodes, or a step; an exported directory has one alone.

    The run is that of all its robots.

    One float32 array is held at a time, beside the weights that are converted already. mesh: [1, 1, model]; one device
    if left out. Raises ConfigError or CheckpointError for a directory that is incomplete, an unknown dtype, a mesh that
    does not divide the model, and where 8 bits are chosen without their package.
    """
    if dtype not in (None, *get_args(Dtype)):
        raise ConfigError(f"dtype {dtype!r}: choose from {', '.join(get_args(Dtype))}")
    if not isinstance(path, str | os.PathLike):
        raise ConfigError(f"path {path!r}: name the directory of a run, or one that `polymath export` wrote")
    if not isinstance(mesh, meshes.Config | None):
        raise ConfigError(f"mesh {mesh!r}: give a polymath.sharding.mesh.Config, as in Config(model=8)")
    if dtype == "int8":
        require("int8", "--dtype int8")
    places = one_device if mesh is None else on_mesh(decode_partitioner(mesh))
    check_is_no_program(Path(path))
    if is_exported(Path(path)):
        if checkpoint != NEWEST:
            raise ConfigError(
                f"{path}: checkpoint {checkpoint!r}, but what was exported is one alone; leave it out, or name the run"
            )
        run, arrays = exported.open_exported(Path(path), places)
    else:
        run = open_whole(path)
        step = chosen_step(run.checkpoints("robot"), checkpoint)
        run = replace(run, step=step)
        arrays = stored_weights(run.checkpoints("robot"), run.recipe.model, places, step)
    execution = run.recipe.execution
    if mesh is not None:  # kernels that a compiler cannot divide over the heads
        run = replace(run, recipe=replace(run.recipe, execution=replace(execution, attention="reference")))
    return run, collected(arrays, run.recipe.model, dtype or usual(execution), execution)


def run_of(path: Path) -> Run:
    """A run directory, or one that `polymath export` wrote, without its weights. Raises as `load` does."""
    check_is_no_program(Path(path))
    if is_exported(Path(path)):
        return exported.open_exported(Path(path), one_device)[0]
    return open_whole(path)


def collected(
    arrays: Iterator[tuple[str, Float[Array, "..."]]], model: polymath_v.Config, dtype: Dtype, execution: Execution
) -> polymath_v.Params:
    """The parameters of weights in the order of `polymath_v.specs`, each converted before the next one is read."""
    specs = polymath_v.specs(model)
    by_name = dict(named(specs))
    leaves = [
        jax.block_until_ready(converted(name, by_name[name], weight, dtype, execution)) for name, weight in arrays
    ]
    params: polymath_v.Params = jax.tree.unflatten(jax.tree.structure(specs, is_leaf=is_spec), leaves)
    return params


def converted(name: str, spec: Spec, weight: Float[Array, "..."], dtype: Dtype, execution: Execution) -> Leaf:
    """A stored weight as it is held: a float32 or bfloat16 array, or an `int8.Quantised`."""
    if dtype == "int8":
        if int8.is_projected(name, spec):
            return int8.quantised(weight)
        dtype = usual(execution)
    stays = len(spec.shape) < 2 or READ_IN_FLOAT32.fullmatch(name)
    return weight.astype(jnp.bfloat16 if dtype == "bf16" and not stays else jnp.float32)


def one_device(name: str, spec: Spec) -> jax.sharding.Sharding:
    """Everything on the first device."""
    return jax.sharding.SingleDeviceSharding(jax.devices()[0])


def on_mesh(partitioner: Partitioner) -> Places:
    """Each weight where the partitioner's column of the sharding table has it."""
    return lambda name, spec: partitioner.sharding(partitioner.place(name, spec))


def decode_partitioner(mesh: meshes.Config) -> Partitioner:
    """The mesh with the rules of decoding. Raises ConfigError for one that divides anything but the model."""
    if mesh.replica * mesh.data > 1:
        raise ConfigError(
            f"mesh {list(mesh.shape)}: a policy is divided over mesh.model alone; set mesh.replica and mesh.data to 1, "
            "and load one policy for each group of devices"
        )
    return partitioner_of(replace(mesh, rules="decode"))


def abstract(
    model: polymath_v.Config, dtype: Dtype, execution: Execution, partitioner: Partitioner
) -> polymath_v.Params:
    """Shapes, dtypes and places of what `load` holds, without memory or devices (`jax.sharding.AbstractMesh` does)."""

    def held(name: str, spec: Spec) -> Leaf:
        stored = jax.ShapeDtypeStruct(spec.shape, jnp.float32)
        place = partitioner.place(name, spec)
        shapes = jax.eval_shape(lambda weight: converted(name, spec, weight, dtype, execution), stored)

        def at_its_place(leaf: jax.ShapeDtypeStruct) -> jax.ShapeDtypeStruct:
            own = PartitionSpec(*(None if size == 1 else axes for size, axes in zip(leaf.shape, place, strict=True)))
            return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=partitioner.sharding(own))

        return jax.tree.map(at_its_place, shapes)

    specs = polymath_v.specs(model)
    leaves = [held(name, spec) for name, spec in named(specs)]
    params: polymath_v.Params = jax.tree.unflatten(jax.tree.structure(specs, is_leaf=is_spec), leaves)
    return params


def device_bytes(params: Any) -> int:
    """Bytes that one device holds of (real or abstract) weights."""
    return sum(
        int(np.prod(leaf.sharding.shard_shape(leaf.shape), dtype=np.int64)) * leaf.dtype.itemsize
        for leaf in jax.tree.leaves(params)
    )


def largest_shard(model: polymath_v.Config, partitioner: Partitioner) -> int:
    """Bytes of the largest float32 shard of a device: what loading holds beside the converted weights, at most."""
    places = on_mesh(partitioner)
    return max(
        4 * int(np.prod(places(name, spec).shard_shape(spec.shape), dtype=np.int64))
        for name, spec in named(polymath_v.specs(model))
    )
