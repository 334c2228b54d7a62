"""What makes a step fit on one device that is too small for it, tried by the estimate."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from polymath.model import lora
from polymath.planning import memory
from polymath.planning.request import Request, prepare
from polymath.training.adapters import with_adapters_on_published
from polymath.training.recipe import Recipe

BLOCKS = r"decoder\.blocks\.(query|key_value|out|gate|up|down)"
RANK = 16


def remedies(recipe: Recipe, request: Request) -> list[dict[str, Any]]:
    """Options of `polymath plan` and `polymath train`, alone and added up, with the peak that they lead to in bytes.

    The list ends with the first that fits; if none does, it holds them all.
    """
    rows = []
    for options, changed, asked in _candidates(recipe, request):
        plan = prepare(changed, asked)[1]
        rows.append({"options": options, "peak_bytes": memory.peak(plan), "fits": memory.fits(plan)})
        if rows[-1]["fits"]:
            break
    return rows


def _candidates(recipe: Recipe, request: Request) -> Iterator[tuple[str, Recipe, Request]]:
    """From what changes nothing of the result to what changes most."""
    options: list[str] = []
    if recipe.execution.dtype != "bfloat16":
        recipe = replace(recipe, execution=replace(recipe.execution, dtype="bfloat16"))
        yield _added(options, "--set execution.dtype=bfloat16"), recipe, request
    if recipe.execution.remat != "full":
        request = replace(request, remat="full")
        yield _added(options, "--set execution.remat=full"), recipe, request
    rows, phase = request.batch or recipe.phase(request.phase).rows, request.phase
    if rows > 1:
        fewer = replace(request, batch=1, accumulation=1)
        yield _with(options, f"--set {phase}.rows=1 execution.micro_batches=1"), recipe, fewer
    if recipe.model.adapters is None:
        adapted = with_adapters_on_published(recipe, lora.Config(BLOCKS, RANK, float(RANK)))
        named = _added(options, f"--adapters '{BLOCKS}' --rank {RANK}")
        yield named, adapted, request
        if rows > 1:
            yield _with(options, f"--set {phase}.rows=1 execution.micro_batches=1"), adapted, fewer


def _added(options: list[str], option: str) -> str:
    options.append(option)
    return " ".join(options)


def _with(options: list[str], option: str) -> str:
    return " ".join([*options, option])
