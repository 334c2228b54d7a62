"""The reference run before it starts: calibration, estimates, days; with --compile, what XLA makes of the real step.

    python benchmarks/scale.py [--json]
    python benchmarks/scale.py --compile [--images 4 39] [--remat full] [--accumulation 1] [--reduction scatter]

Without --compile everything is a closed form and takes seconds. The tables are those of docs/scale.md. --compile needs
libtpu (`pip install 'polymath-v[tpu]'`), no TPU; it takes minutes of one core and 4 GB for each number of images, and
ends with status 1 if a step's peak is above the limit.
"""

import argparse
import json
import sys
from typing import Any

import jax
import jax.numpy as jnp

from polymath.planning.answer import answer
from polymath.planning.budget import by_day, checkpoint_seconds
from polymath.planning.calibration import ROWS, error, predicted, summary
from polymath.planning.request import Request
from polymath.presets import preset
from polymath.training.cross_entropy import tiled_cross_entropy

GIB = 2**30
LIMIT = 29.5 * GIB  # of the 30.75 GiB that XLA leaves to a program on v4
REFERENCE = preset("polymath_v_30b")


def calibration_table() -> list[str]:
    """One row a published run, as markdown; MFU in per cent by the publisher's own FLOP formula."""
    lines = [
        "| run | chips | mesh | remat | published | low | middle | high | error of the middle |",
        "| --- | --- | --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in ROWS:
        ends = " | ".join(f"{value:.1f}" for value in predicted(row).values())
        setting = f"{row.topology} | {row.mesh} | {row.remat}"
        lines.append(f"| {row.name} | {setting} | {row.mfu:.1f} | {ends} | {error(row):+.1f} % |")
    return lines


def reference(images: int) -> dict[str, Any]:
    """The reference plan: every chip on the data axis, executed as the preset says."""
    return answer(REFERENCE, Request(images=images, mesh="1,512,1"), 28, None)


def searched(images: int, reduction: str | None = None) -> dict[str, Any]:
    """The search of the reference run on its 512 chips; `reduction` of gradients: None as the preset says."""
    return answer(REFERENCE, Request(images=images, reduction=reduction), 28, None, search=6)


def plans_table(report: dict[str, Any]) -> list[str]:
    header = "| mesh | remat | micro-batches | peak GiB | step s | MFU low | middle | high |"
    lines = [header, "| --- " * 2 + "| ---: " * 6 + "|"]
    for row in report["search"]["plans"]:
        mfu = " | ".join(f"{100 * value:.1f} %" for value in row["mfu"].values())
        peak, step = f"{row['peak_bytes'] / GIB:.2f}", f"{row['step_seconds']:.2f}"
        lines.append(f"| {row['mesh']} | {row['remat']} | {row['accumulation']} | {peak} | {step} | {mfu} |")
    return lines


def days_table(report: dict[str, Any]) -> list[str]:
    """The four weeks under the low, middle and high estimate: steps at the end of each day, and the phase."""
    phases = {"alignment": REFERENCE.alignment.steps, "robot": REFERENCE.robot.steps}
    tokens, stall = report["tokens_per_step"], report["checkpoint"]["stall_seconds"]
    seconds = {name: scenario["step_seconds"] for name, scenario in report["scenarios"].items()}
    runs = {
        name: by_day(step, tokens, stall, checkpoint_seconds(REFERENCE.alignment, step), phases, 28)
        for name, step in seconds.items()
    }
    header = "| day | phase (middle) | steps low | steps middle | steps high | 10¹² tokens (middle) |"
    lines = [header, "| ---: | --- " + "| ---: " * 4 + "|"]
    for low, middle, high in zip(*runs.values(), strict=True):
        phase = " → ".join(middle["steps"]) or "done"
        steps = " | ".join(f"{day['steps_so_far']:,}" for day in (low, middle, high))
        lines.append(f"| {middle['day']} | {phase} | {steps} | {middle['tokens_so_far'] / 1e12:.3f} |")
    return lines


def cross_entropy_bytes(vocabulary: int, tokens: int = 8192, width: int = 256, tile: int = 256) -> int:
    """Temporaries of the loss and its gradient beyond the matrix' gradient, compiled for this machine."""
    shapes = ((vocabulary, width), (1, tokens, width))
    matrix, hidden = (jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes)
    targets, weights = (jax.ShapeDtypeStruct((1, tokens), dtype) for dtype in (jnp.int32, jnp.float32))

    def loss(matrix: Any, hidden: Any, targets: Any, weights: Any) -> Any:
        return tiled_cross_entropy(matrix, hidden, targets, weights, tile)[0]

    step = jax.jit(jax.value_and_grad(loss, argnums=(0, 1))).lower(matrix, hidden, targets, weights).compile()
    stats: Any = step.memory_analysis()
    return int(stats.temp_size_in_bytes)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--images", type=int, nargs="+", default=[4, 39])
    parser.add_argument("--remat")
    parser.add_argument("--accumulation", type=int)
    parser.add_argument("--gradients", choices=["float32", "bfloat16"])
    parser.add_argument("--reduction", choices=["scatter", "hops"])
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    plans = {count: searched(count) for count in arguments.images}
    figures: dict[str, Any] = {"calibration": summary(), "plans": plans, "reference": reference(4)}
    figures["scattered"] = searched(4, "scatter")
    tile, bytes_of = 256 * 4, {size: cross_entropy_bytes(size) for size in (16_384, 65_536)}
    figures["cross_entropy"] = {"temporary_bytes": bytes_of, "one_tile": {size: tile * size for size in bytes_of}}
    if arguments.compile:
        figures["compiled"] = {count: compiled(count, arguments) for count in arguments.images}
    if arguments.json:
        json.dump(figures, sys.stdout, indent=2)
    else:
        show(figures)
    return int(any(step["peak_bytes"] > LIMIT for step in figures.get("compiled", {}).values()))


def compiled(images: int, arguments: argparse.Namespace) -> dict[str, Any]:
    """What XLA says of the step with that many images a sequence; what is not given is the preset's."""
    request = Request(
        images=images,
        mesh="1,512,1",
        remat=arguments.remat,
        accumulation=arguments.accumulation,
        gradients=arguments.gradients,
        reduction=arguments.reduction,
    )
    return answer(REFERENCE, request, 28, None, compile=True)["compiled"]


def show(figures: dict[str, Any]) -> None:
    print("\n".join(calibration_table()))
    print({key: round(value, 2) for key, value in figures["calibration"].items()})
    for count, plan in figures["plans"].items():
        print(f"\n{count} images a sequence\n" + "\n".join(plans_table(plan)))
        print("not feasible:", plan["search"]["infeasible"])
    print("\n4 images, gradients reduced by collectives alone\n" + "\n".join(plans_table(figures["scattered"])))
    print("\n" + "\n".join(days_table(figures["reference"])))
    for size, temporary in figures["cross_entropy"]["temporary_bytes"].items():
        tile = figures["cross_entropy"]["one_tile"][size]
        print(f"cross-entropy, vocabulary {size:,}: {temporary / 2**20:.0f} MiB, one tile {tile / 2**20:.0f} MiB")
    for count, step in figures.get("compiled", {}).items():
        verdict = "within" if step["peak_bytes"] <= LIMIT else "ABOVE"
        print(f"\n{count} images: peak {step['peak_bytes'] / GIB:.2f} GiB, {verdict} {LIMIT / GIB} GiB")
        print(json.dumps(step, indent=2))


if __name__ == "__main__":
    sys.exit(main())
