"""The planner's memory for one device against XLA's own analysis of the step, for the presets of one GPU.

    python benchmarks/one_gpu.py [--presets polymath_v_600m polymath_v_2b] [--rows 8] [--json]

Each preset's robot phase, fully fine-tuned and with low-rank adapters, is compiled for this machine's CPU from shapes
alone: no weight is drawn and no batch loaded, and it takes 1 GB of memory and a quarter of a minute of one core each.
XLA's figure is that of its buffer assignment: arguments, temporaries, outputs that share no buffer with an argument.
Ends with status 1 if an estimate is further off than 10 %.
"""

import argparse
import json
import sys
from dataclasses import replace
from typing import Any

from polymath.model import lora
from polymath.planning.memory import at_peak
from polymath.planning.remedies import BLOCKS, RANK
from polymath.planning.request import Request, prepare
from polymath.presets import preset
from polymath.presets.one_gpu import RECIPES
from polymath.training.adapters import with_adapters_on_published
from polymath.training.ahead import compiled_bytes
from polymath.training.recipe import Recipe

GIB = 2**30
LARGEST_ERROR = 0.10


def compared(recipe: Recipe) -> dict[str, Any]:
    """Estimate and XLA's figure, in bytes."""
    _, plan = prepare(recipe, Request("cpu:1"))
    categories = at_peak(plan)
    estimate, measured = sum(categories.values()), compiled_bytes(recipe)
    return {"estimate": estimate, "xla": measured, "error": estimate / measured - 1, "categories": categories}


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presets", nargs="+", default=[recipe.name for recipe in RECIPES])
    parser.add_argument("--rows", type=int, help="sequences a step, instead of the preset's")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(words)
    report: dict[str, Any] = {}
    for name in options.presets:
        recipe = preset(name)
        if options.rows:
            recipe = replace(recipe, robot=replace(recipe.robot, rows=options.rows))
        adapted = with_adapters_on_published(recipe, lora.Config(BLOCKS, RANK, float(RANK)))
        for kind, tried in (("full", recipe), ("adapters", adapted)):
            row = report[f"{name}, {kind}"] = compared(tried)
            if not options.json:
                sizes = f"{row['estimate'] / GIB:.2f} GiB, XLA {row['xla'] / GIB:.2f} GiB"
                print(f"{name}, {kind}: estimate {sizes}, {100 * row['error']:+.1f} %", flush=True)
    if options.json:
        print(json.dumps(report, indent=2))
    return int(any(abs(row["error"]) > LARGEST_ERROR for row in report.values()))


if __name__ == "__main__":
    sys.exit(main())
