"""Every mesh, rematerialisation and number of micro-batches that a topology allows, the fastest first."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, get_args, get_type_hints

from polymath.errors import ConfigError
from polymath.model.execution import Execution
from polymath.planning import flops, memory
from polymath.planning.plan import Plan
from polymath.planning.remat import policy_name
from polymath.planning.request import Request, check_model_axis, executed, plan_of
from polymath.planning.roofline import EFFICIENCIES, step_seconds
from polymath.planning.topology import Mesh, Topology, factorisations, parse, parse_mesh
from polymath.planning.workload import Workload, of_recipe, resized
from polymath.training.recipe import Recipe

REMATS: tuple[str, ...] = get_args(get_type_hints(Execution)["remat"])
ACCUMULATIONS = (1, 2, 4, 8, 16)


@dataclass(frozen=True)
class Found:
    """Feasible plans, fastest first by the middle efficiencies, and how many failed for which reason."""

    plans: list[Plan]
    infeasible: dict[str, int]


def search(recipe: Recipe, request: Request) -> Found:
    """`request.mesh`, `remat` and `accumulation` are held where they are given.

    Raises ConfigError if the recipe, the batch or the topology is wrong in itself.
    """
    topology = parse(request.topology)
    meshes = [parse_mesh(request.mesh, topology)] if request.mesh else factorisations(topology)
    recipe = resized(recipe, request.batch, request.context, request.images, request.phase)
    work = of_recipe(recipe, request.phase)
    ranked: list[tuple[float, int, Plan]] = []
    reasons: Counter[str] = Counter()
    for mesh, remat, accumulation in _candidates(meshes, request):
        tried = replace(request, remat=remat, accumulation=accumulation)
        plan = _plan(executed(recipe, tried), work, topology, mesh, request.phase)
        if isinstance(plan, str):
            reasons[plan] += 1
        elif not memory.fits(plan):
            reasons["out of memory"] += 1
        else:
            ranked.append((step_seconds(plan, EFFICIENCIES["middle"]), memory.peak(plan), plan))
    ranked.sort(key=lambda candidate: candidate[:2])
    return Found([plan for _, _, plan in ranked], dict(reasons.most_common()))


def row(plan: Plan) -> dict[str, Any]:
    """One line of the ranking."""
    peak = plan.topology.devices * plan.topology.chip.peak
    seconds = {name: step_seconds(plan, used) for name, used in EFFICIENCIES.items()}
    return {
        "mesh": [plan.mesh.replica, plan.mesh.data, plan.mesh.model],
        "remat": plan.remat,
        "accumulation": plan.accumulation,
        "peak_bytes": memory.peak(plan),
        "step_seconds": seconds["middle"],
        "mfu": {name: flops.model(plan.workload) / (time * peak) for name, time in seconds.items()},
    }


def _candidates(meshes: list[Mesh], request: Request) -> Iterator[tuple[Mesh, str, int]]:
    policies = (policy_name(request.remat),) if request.remat else REMATS
    return product(meshes, policies, (request.accumulation,) if request.accumulation else ACCUMULATIONS)


def _plan(recipe: Recipe, work: Workload, topology: Topology, mesh: Mesh, phase: str) -> Plan | str:
    """The plan, or why there is none."""
    try:
        check_model_axis(recipe, mesh)
    except ConfigError:
        return "model axis does not divide the decoder"
    try:
        return plan_of(recipe, work, topology, mesh, phase)
    except ConfigError:
        return "batch does not divide"
