"""The training step of a recipe compiled ahead of time, for devices that need not exist.

Everything comes from shapes: no weight is drawn, no batch is loaded. With the extra `tpu` (libtpu) the devices are
those of a TPU topology, described by libtpu itself on any x86 machine; without, they are this machine's.
"""

from typing import Any

import jax
import numpy as np

from polymath.data.sequences.sequence import Layout
from polymath.sharding import mesh as meshes
from polymath.sharding.placement import Partitioner
from polymath.training.placement import check_rows
from polymath.training.recipe import Recipe
from polymath.training.step import abstract_state, make_step
from polymath.types import Batch

RINGS = {"v4": 4, "v5p": 4, "v5e": 16, "v6e": 16}  # an axis of a multiple of this many chips closes to a ring

QUICKLY = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}


def lower_step(
    recipe: Recipe, mesh: meshes.Config, devices: Any, rows: int | None = None, phase: str = "robot"
) -> jax.stages.Lowered:
    """The real training step of a phase, traced for `devices`; `rows`: sequences a step, None: the phase's."""
    part = recipe.phase(phase)
    partitioner = Partitioner(meshes.build(mesh, devices), mesh.rules)
    rows = part.rows if rows is None else rows
    check_rows(phase, rows, recipe.execution.micro_batches, partitioner)
    step = make_step(recipe.model, part.optimizer, part.loss, recipe.execution, part.steps, partitioner)
    state = abstract_state(recipe.model, part.optimizer, partitioner)
    return step.lower(state, abstract_batch(recipe.phase_layout(phase), rows, partitioner, recipe.model.committed))  # type: ignore[attr-defined]


def compile_step(
    recipe: Recipe,
    mesh_shape: tuple[int, int, int],
    topology: str,
    rows: int | None = None,
    rules: str | None = None,
    phase: str = "robot",
) -> jax.stages.Compiled:
    """The compiled step for a TPU topology such as "v4:8x8x8", on the mesh [replica, data, model].

    rules: a column of the sharding table; None: "fsdp", or "pax_2d" where `model` is more than one chip.
    Read `memory_analysis()`, `cost_analysis()` and `as_text()` of the result. Needs the extra `tpu`, no TPU. Raises
    ConfigError for an unknown topology, a mesh that does not match it or rows that do not divide.
    """
    rules = rules or ("fsdp" if mesh_shape[2] == 1 else "pax_2d")
    mesh = meshes.Config(*mesh_shape, rules=rules)  # type: ignore[arg-type]
    return lower_step(recipe, mesh, topology_devices(topology), rows, phase).compile()


def compiled_bytes(recipe: Recipe, phase: str = "robot") -> int:
    """Bytes that XLA's buffer assignment gives the step on one device of this machine: arguments and temporaries, and
    outputs that share no buffer with an argument.

    The machine code itself is compiled without optimization, which changes nothing of the buffers.
    """
    part = recipe.phase(phase)
    step = make_step(recipe.model, part.optimizer, part.loss, recipe.execution, part.steps)
    state = abstract_state(recipe.model, part.optimizer)
    batch = abstract_batch(recipe.phase_layout(phase), part.rows, committed=recipe.model.committed)
    compiled = step.lower(state, batch).compile(QUICKLY)  # type: ignore[attr-defined]
    sizes: Any = compiled.memory_analysis()
    own_outputs = sizes.output_size_in_bytes - sizes.alias_size_in_bytes
    return int(sizes.argument_size_in_bytes + sizes.temp_size_in_bytes + own_outputs)


def topology_devices(topology: str) -> list[Any]:
    """The devices of a TPU topology, `v4:XxYxZ` or `v5e:XxY`, with the links of its closed rings."""
    from jax.experimental import topologies

    chip, _, sizes = topology.partition(":")
    extents = [int(extent) for extent in sizes.split("x")]
    closed = [extent % RINGS.get(chip, 1) == 0 for extent in extents]
    wrap = (*closed, False, False, False)[:3]  # libtpu requires three, on a flat torus too
    options: dict[str, Any] = {"chips_per_host_bounds": (2, 2, 1), "num_slices": 1, "wrap": wrap}
    if chip in ("v4", "v5p"):
        options["chip_config_name"] = "megacore"
    return list(topologies.get_topology_desc(topology, "tpu", **options).devices)


def abstract_batch(layout: Layout, rows: int, partitioner: Partitioner | None = None, committed: bool = False) -> Batch:
    """Shapes and dtypes of a batch of `rows` packed sequences, and its place; `committed` as in `polymath_v.Config`."""
    B, S, N, M, W = rows, layout.length, layout.max_images, layout.max_control_steps, layout.chunk_length
    size, state, A = layout.image_size, layout.state_dim, layout.action_dim + committed
    shapes = Batch(
        tokens=((B, S), np.int32),
        segment_ids=((B, S), np.int32),
        positions=((B, S), np.int32),
        loss_weights=((B, S), np.float32),
        images=((B, N, size, size, 3), np.uint8),
        image_index=((B, S), np.int32),
        states=((B, M, state), np.float32),
        state_index=((B, S), np.int32),
        actions=((B, M, W, A), np.float32),
        action_mask=((B, M, W, A), np.bool_),
        readout_positions=((B, M, W), np.int32),
    )
    place = None if partitioner is None else partitioner.batch_sharding()
    return Batch(*(jax.ShapeDtypeStruct(shape, dtype, sharding=place) for shape, dtype in shapes))
