"""The whole answer of `polymath plan`: estimate, ranking, compiled step."""

from dataclasses import replace
from typing import Any

from polymath.errors import ConfigError
from polymath.planning.budget import checkpoint_seconds, goodput
from polymath.planning.compiled import analyse, compile_for
from polymath.planning.estimate import estimate
from polymath.planning.remedies import remedies
from polymath.planning.request import Request, prepare
from polymath.planning.search import Found, row
from polymath.planning.search import search as find
from polymath.training.recipe import Recipe


def answer(
    recipe: Recipe, request: Request, days: float, price: float | None, search: int = 0, compile: bool = False
) -> dict[str, Any]:
    """JSON values. `search`: how many ranks to list, 0 for no search; with it the estimate is of the fastest plan."""
    ranked = find(recipe, request) if search else None
    if ranked:
        request = fastest(request, ranked)
    recipe, plan = prepare(recipe, request)
    report = estimate(plan, days, price)
    interval = checkpoint_seconds(recipe.phase(request.phase), report["step_seconds"])
    share = goodput(report["checkpoint"]["stall_seconds"], interval)
    report["checkpoint"] |= {"interval_seconds": interval, "goodput_at_an_interruption_a_day": share}
    if ranked:
        plans = [row(plan) for plan in ranked.plans[:search]]
        report["search"] = {"plans": plans, "feasible": len(ranked.plans), "infeasible": ranked.infeasible}
    if compile:
        step, seconds = compile_for(recipe, plan, request.phase)
        report["compiled"] = {**analyse(step, plan), "compile_seconds": seconds}
        report["fits"] = report["compiled"]["fits"]
    if plan.alone is not None and not report["fits"]:
        report["remedies"] = remedies(recipe, request)
    return report


def fastest(request: Request, ranked: Found) -> Request:
    """The request of the first plan. Raises ConfigError if there is none."""
    if not ranked.plans:
        reasons = ", ".join(f"{reason} {count}" for reason, count in ranked.infeasible.items())
        raise ConfigError(f"--search: no plan fits {request.topology} ({reasons}); take more chips")
    best = ranked.plans[0]
    mesh = f"{best.mesh.replica},{best.mesh.data},{best.mesh.model}"
    return replace(request, mesh=mesh, remat=best.remat, accumulation=best.accumulation)
