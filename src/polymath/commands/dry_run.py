"""`polymath train … --dry-run`: what a training would do, from sizes, counts and one matrix product."""

import dataclasses
import sys
import time
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import psutil

from polymath.commands.output import print_json
from polymath.data.files.quarantine import Quarantine
from polymath.data.formats.opening import name_with
from polymath.data.loading.shares import split
from polymath.data.looking.inspection import open_for_looking, summarise
from polymath.planning.cost import memory_bytes, training_flops_per_token
from polymath.planning.count import count_by_part
from polymath.training.datasets import TrainingData
from polymath.training.job import Preview
from polymath.training.recipe import Recipe

SIDE = 1024  # of the matrices whose product is timed
GB = 10**9


def show(preview: Preview, data: TrainingData, *, json: bool) -> None:
    """Print the preview, a report for people or one JSON object."""
    report = as_report(preview, data)
    if json:
        print_json(report)
        return
    for line in _lines(report, preview):
        sys.stdout.write(f"{line}\n")


def as_report(preview: Preview, data: TrainingData) -> dict[str, Any]:
    """What is printed, as JSON values; bytes, FLOPs and seconds as plain numbers."""
    recipe, rate = preview.recipe, matrix_product_rate(preview.recipe.execution.dtype)
    phases = []
    for overview in preview.overviews:
        flops = step_flops(recipe, overview.phase)
        left = overview.steps - preview.step.get(overview.phase, 0)
        memory = memory_bytes(recipe, overview.phase)
        phases.append(
            {
                **dataclasses.asdict(overview),
                "continues_from": preview.step.get(overview.phase, 0),
                "state_and_gradients_bytes": memory["training_state"] + memory["gradients"],
                "flops_per_step": flops,
                "seconds_at_least": left * flops / rate,
            }
        )
    layout = recipe.layout
    return {
        "recipe": recipe.name,
        "parameters": count_by_part(recipe.model),
        "layout": {"chunk_length": layout.chunk_length, "image_size": layout.image_size, "window": layout.window},
        "memory_free_bytes": free_memory(),
        "matrix_product_flops_per_second": rate,
        "phases": phases,
        "held_out": {each.source: list(each.held_out) for each in preview.episodes.sets},
        "notes": list(preview.notes),
        "data_warnings": data_warnings(data),
    }


def step_flops(recipe: Recipe, phase: str) -> int:
    """FLOPs of one training step, by the formulas of `polymath.planning.cost`."""
    sized = replace(recipe, layout=recipe.phase_layout(phase))
    return training_flops_per_token(sized, phase) * sized.layout.length * recipe.phase(phase).rows


def matrix_product_rate(dtype: str) -> float:
    """FLOP/s of a product of two square matrices on the first device, the best of three."""
    matrix = jnp.ones((SIDE, SIDE), dtype)
    product = jax.jit(jnp.matmul)
    product(matrix, matrix).block_until_ready()
    seconds = []
    for _ in range(3):
        begin = time.perf_counter()
        product(matrix, matrix).block_until_ready()
        seconds.append(time.perf_counter() - begin)
    return 2 * SIDE**3 / min(seconds)


def free_memory() -> int:
    """Bytes that are free on the first device, or in the machine where that is the CPU."""
    statistics = jax.devices()[0].memory_stats() or {}
    limit = statistics.get("bytes_limit")
    return limit - statistics.get("bytes_in_use", 0) if limit else psutil.virtual_memory().available


def data_warnings(data: TrainingData) -> list[str]:
    """What `polymath data inspect` warns of in each raw set that has a name."""
    names = [name for name in (*data.raw_episodes, *data.pairs) if isinstance(name, str) or hasattr(name, "__fspath__")]
    warnings = []
    for name in names:
        place = name_with(split(str(name))[0], {})
        quarantine = Quarantine()
        summary = summarise(open_for_looking(place, quarantine), quarantine)
        warnings += [f"{place}: {warning}" for warning in summary["warnings"]]
    return warnings


def _lines(report: dict[str, Any], preview: Preview) -> list[str]:
    parts = ", ".join(f"{part.replace('_', ' ')} {count / 1e6:,.1f} M" for part, count in report["parameters"].items())
    lines = [f"{report['recipe']}: parameters {parts}"]
    for phase, overview in zip(report["phases"], preview.overviews, strict=True):
        name, needed = phase["phase"], phase["state_and_gradients_bytes"]
        lines.append(overview.line())
        if phase["continues_from"]:
            lines.append(f"{name}: continues from step {phase['continues_from']:,}")
        lines.append(
            f"{name}: {needed / GB:,.2f} GB for weights, optimizer state and gradients, activations beside them; "
            f"{report['memory_free_bytes'] / GB:,.2f} GB are free"
        )
        if needed > report["memory_free_bytes"]:
            lines.append(f"{name}: that does not fit; --adapters trains less, a smaller preset or a mesh needs less")
        rate = report["matrix_product_flops_per_second"] / 1e9
        lines.append(
            f"{name}: {phase['flops_per_step'] / 1e9:,.1f} GFLOP a step (polymath.planning.cost); at the {rate:,.0f} "
            f"GFLOP/s of one matrix product on this machine now, at least {_duration(phase['seconds_at_least'])}"
        )
    return [*lines, *report["notes"], *report["data_warnings"], "nothing was written (--dry-run)"]


def _duration(seconds: float) -> str:
    for unit, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= size:
            return f"{seconds / size:,.1f} {unit}"
    return f"{seconds:,.0f} seconds"
