"""From a recipe and what the user changes of it to the recipe that would be compiled and the plan of it."""

from dataclasses import dataclass, replace

from polymath.errors import ConfigError
from polymath.planning import one_device
from polymath.planning.plan import Plan
from polymath.planning.topology import Mesh, Topology, check, parse, parse_mesh
from polymath.planning.workload import Workload, of_recipe, resized
from polymath.sharding.mesh import Config, data_split
from polymath.training.recipe import Recipe


@dataclass(frozen=True)
class Request:
    """None: what the recipe says; no mesh: every chip of a slice on the data axis, one replica a slice."""

    topology: str = "v4:8x8x8"
    mesh: str | None = None
    batch: int | None = None
    context: int | None = None
    images: int | None = None
    remat: str | None = None
    accumulation: int | None = None
    gradients: str | None = None  # dtype of their reduction
    reduction: str | None = None  # "scatter" or "hops"
    phase: str = "robot"


def prepare(recipe: Recipe, request: Request) -> tuple[Recipe, Plan]:
    """Raises ConfigError for what does not fit together, with the remedy."""
    if request.accumulation is not None and request.accumulation < 1:
        raise ConfigError(f"--accumulation {request.accumulation}: must be at least 1")
    topology = parse(request.topology)
    mesh = requested_mesh(request, topology)
    check_model_axis(recipe, mesh)
    recipe = resized(recipe, request.batch, request.context, request.images, request.phase)
    recipe = executed(recipe, request)
    work = of_recipe(recipe, request.phase)
    return recipe, plan_of(recipe, work, topology, mesh, request.phase)


def executed(recipe: Recipe, request: Request) -> Recipe:
    """The recipe with the requested execution."""
    own = recipe.execution
    execution = replace(
        own,
        remat=request.remat or own.remat,  # type: ignore[arg-type]
        micro_batches=request.accumulation or own.micro_batches,
        gradient_dtype=request.gradients or own.gradient_dtype,  # type: ignore[arg-type]
        gradient_reduction=request.reduction or own.gradient_reduction,  # type: ignore[arg-type]
    )
    return replace(recipe, execution=execution)


def plan_of(recipe: Recipe, work: Workload, topology: Topology, mesh: Mesh, phase: str) -> Plan:
    """The plan of a recipe's own execution; `work` is its workload."""
    execution = recipe.execution
    return Plan(
        work,
        topology,
        mesh,
        execution.remat,
        execution.micro_batches,
        gradient_bytes=2 if execution.gradient_dtype == "bfloat16" else 4,
        tile=recipe.phase(phase).loss.tile,
        rings=1,  # the step reduces ring by ring
        ring=data_rings(topology, mesh)[-1],  # divides the vocabulary
        hops=data_rings(topology, mesh)[0] if execution.gradient_reduction == "hops" and mesh.model == 1 else 1,
        alone=alone(recipe, work, topology, phase) if mesh.devices == 1 else None,
    )


def alone(recipe: Recipe, work: Workload, topology: Topology, phase: str) -> dict[str, int]:
    """Bytes of the step by category on a single device."""
    platform = "tpu" if topology.chip.axes else "cpu" if topology.chip.name == "cpu" else "gpu"
    return one_device.at_peak(one_device.step_of(recipe, phase, work.decoder, work.optimizer_bytes, platform))


def data_rings(topology: Topology, mesh: Mesh) -> tuple[int, ...]:
    """Chips of each ring that the data axis of our own step consists of."""
    extents = topology.shape if topology.chip.axes else None
    return data_split(Config(mesh.replica, mesh.data, mesh.model, topology.slices), extents)


def requested_mesh(request: Request, topology: Topology) -> Mesh:
    if request.mesh is not None:
        return parse_mesh(request.mesh, topology)
    mesh = Mesh(topology.slices, topology.devices // topology.slices, 1)
    check(topology, mesh)
    return mesh


def check_model_axis(recipe: Recipe, mesh: Mesh) -> None:
    """Heads, feed-forward width and vocabulary must be cut evenly. Raises ConfigError naming the one that cannot."""
    decoder = recipe.model.decoder
    for name, size in (
        ("heads", decoder.heads),
        ("kv_heads", decoder.kv_heads),
        ("mlp", decoder.mlp),
        ("vocabulary", decoder.vocabulary),
    ):
        if size % mesh.model:
            raise ConfigError(
                f"--mesh {mesh}: model = {mesh.model} does not divide decoder.{name} = {size}; choose a model axis "
                f"that divides it, or another decoder.{name}"
            )
