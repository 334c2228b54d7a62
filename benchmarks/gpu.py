"""What a GPU makes of a preset: MFU of its training step, latency of its policy step. Random weights and batches.

    python benchmarks/gpu.py [--preset polymath_v_1b] [--rows 8] [--images 4] [--remat attention] [--steps 20] [--json]
    python benchmarks/gpu.py --preset tiny --rows 4 --images 2 --steps 2          to see that it runs, on any machine

training   the real step of the robot phase (forward, backward, clip, Adafactor), `--rows` packed sequences
policy     from an `Observation` with one picture, an instruction of seven words and the state to the `ActionChunk`

MFU is the step's FLOPs over seconds x peak; the formula and both numbers are printed. The peak is that of the planner's
table (`src/polymath/planning/chips.py`); for a device that is not in it, give `--peak` in TFLOP/s, or MFU is left out.
Needs jax with its CUDA plugin (`pip install 'polymath-v[gpu]'`).
"""

import argparse
import json
import statistics
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

sys.path.insert(0, str(Path(__file__).parent / "contenders"))

from timing import measure

from polymath.data.robots.statistics import FieldStatistics, Statistics
from polymath.data.sequences.sequence import Layout
from polymath.model import polymath_v
from polymath.model.attention import device_kernel
from polymath.planning import flops
from polymath.planning.chips import CHIPS
from polymath.planning.workload import of_recipe, resized
from polymath.policy import Policy
from polymath.presets import preset
from polymath.tokenizer import ControlTokens, corpus, train
from polymath.training.recipe import Recipe
from polymath.training.run import DataRecord, Run
from polymath.training.step import init_params, init_state, make_step
from polymath.types import Batch, Embodiment, Observation

JOINTS = 7
INSTRUCTION = "put the red cup on the plate"


def random_batch(layout: Layout, rows: int, vocabulary: int) -> Batch:
    """`rows` sequences of one document each: every picture slot and every control step is used, every token counts."""
    rng, S, N, M, W = (
        np.random.default_rng(0),
        layout.length,
        layout.max_images,
        layout.max_control_steps,
        layout.chunk_length,
    )
    picture, latents = (layout.image_size, layout.image_size, 3), N * layout.latents_per_image
    image_index = np.full(S, -1, np.int32)
    image_index[:latents] = np.arange(latents)
    state_index = np.full(S, -1, np.int32)
    state_index[S - M :] = np.arange(M)

    def every_row(x: np.ndarray) -> np.ndarray:
        return np.repeat(x[None], rows, axis=0)

    return Batch(
        tokens=rng.integers(0, vocabulary, (rows, S), dtype=np.int32),
        segment_ids=np.ones((rows, S), np.int32),
        positions=every_row(np.arange(S, dtype=np.int32)),
        loss_weights=np.ones((rows, S), np.float32),
        images=rng.integers(0, 256, (rows, N, *picture), dtype=np.uint8),
        image_index=every_row(image_index),
        states=rng.normal(size=(rows, M, layout.state_dim)).astype(np.float32),
        state_index=every_row(state_index),
        actions=rng.uniform(-1, 1, (rows, M, W, layout.action_dim)).astype(np.float32),
        action_mask=np.ones((rows, M, W, layout.action_dim), bool),
        readout_positions=every_row(np.tile(S - W + np.arange(W, dtype=np.int32), (M, 1))),
    )


def training(recipe: Recipe, params: polymath_v.Params, steps: int) -> dict[str, Any]:
    """Median seconds of the robot phase's step, and its FLOPs by the planner's formula. Uses the weights up."""
    phase = recipe.robot
    step = make_step(recipe.model, phase.optimizer, phase.loss, recipe.execution, phase.steps)
    batch = jax.device_put(random_batch(recipe.layout, phase.rows, recipe.model.decoder.vocabulary))
    kept = [init_state(recipe.model, phase.optimizer, params)]

    def once() -> float:
        kept[0], metrics = step(kept[0], batch)
        return float(metrics["loss"])

    seconds = measure(once, steps)["seconds"]
    tokens, middle = phase.rows * recipe.layout.length, statistics.median(seconds)
    report = {"step_seconds": middle, "tokens_per_second": tokens / middle, "loss": once(), "steps": steps}
    return report | {"flops": flops.model(of_recipe(recipe)), "formula": flops.FORMULA, "peak_bytes": peak_bytes()}


def policy(recipe: Recipe, params: polymath_v.Params, steps: int) -> dict[str, Any]:
    """Quickest, median and 95th percentile of the seconds from observation to chunk, weights in bfloat16."""
    robot = Embodiment(
        name="arm",
        slot=0,
        cameras=("front",),
        state_names=tuple(f"state {i}" for i in range(min(JOINTS, recipe.layout.state_dim))),
        action_names=tuple(f"joint {i}" for i in range(min(JOINTS, recipe.layout.action_dim))),
        gripper_dims=(),
        control_hz=20.0,
    )
    measured = Statistics(state=_field(robot.state_dim), action=_field(robot.action_dim))
    tokenizer = train(corpus.shipped(), 2048, ControlTokens(512))
    run = Run(Path("nowhere"), recipe, tokenizer, robot, measured, DataRecord((), ()))
    in_half = jax.jit(lambda tree: jax.tree.map(lambda w: w.astype(jnp.bfloat16), tree))(params)
    answering, seen = Policy(run, in_half, "benchmark"), _observation(recipe, robot)
    seconds = sorted(measure(_answer(answering, seen), 5 * steps)["seconds"])
    late = seconds[min(len(seconds) - 1, round(0.95 * len(seconds)))]
    return {"quickest": seconds[0], "median": statistics.median(seconds), "95 %": late, "answers": len(seconds)}


def _answer(answering: Policy, seen: Observation) -> Callable[[], Any]:
    return lambda: answering.act([seen])


def _observation(recipe: Recipe, robot: Embodiment) -> Observation:
    rng, size = np.random.default_rng(0), recipe.layout.image_size
    picture = rng.integers(0, 256, (size, size, 3), dtype=np.uint8)
    return Observation({"front": picture}, np.zeros(robot.state_dim, np.float32), INSTRUCTION, robot.name)


def _field(width: int) -> FieldStatistics:
    low, zero, high = (-1.0,) * width, (0.0,) * width, (1.0,) * width
    return FieldStatistics(9, zero, high, low, high, low, low, zero, high, high)


def peak_of(device: Any) -> float | None:
    """bf16 FLOP/s by the planner's table; None for what is not in it. A CPU's row there is an assumption: None too."""
    kind = device.device_kind.lower()
    return next((chip.peak for name, chip in CHIPS.items() if name in kind and name != "cpu"), None)


def peak_bytes() -> int | None:
    stats = jax.devices()[0].memory_stats() or {}
    return stats.get("peak_bytes_in_use")


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", help="polymath_v_1b, if there is a GPU")
    parser.add_argument("--rows", type=int, default=8, help="packed sequences a step")
    parser.add_argument("--images", type=int, default=4, help="pictures a sequence")
    parser.add_argument("--remat", default=None, help="execution.remat, instead of the preset's")
    parser.add_argument("--steps", type=int, default=20, help="measured training steps; five times as many answers")
    parser.add_argument("--peak", type=float, default=None, help="TFLOP/s in bf16 of a device that the table lacks")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args(words)
    device = jax.devices()[0]
    if device.platform != "gpu" and arguments.preset is None:
        print(f"no GPU here, jax has {device.device_kind}; see --help for a run that needs none")
        return 0
    recipe = resized(preset(arguments.preset or "polymath_v_1b"), arguments.rows, None, arguments.images)
    remat = arguments.remat or recipe.execution.remat
    recipe = replace(recipe, execution=replace(recipe.execution, remat=remat))
    peak = 1e12 * arguments.peak if arguments.peak else peak_of(device)
    report: dict[str, Any] = {
        "device": device.device_kind,
        "preset": recipe.name,
        "rows": arguments.rows,
        "remat": remat,
    }
    report["attention"] = device_kernel(device.platform, recipe.execution.dtype)
    params = jax.jit(partial(init_params, recipe.model))(jax.random.key(0))
    report["policy_seconds"] = policy(recipe, params, arguments.steps)
    report["training"] = training(recipe, params, arguments.steps)
    step = report["training"]
    report["peak_flops"] = peak
    report["mfu"] = None if peak is None else step["flops"] / (step["step_seconds"] * peak)
    print(json.dumps(report, indent=2) if arguments.json else shown(report))
    return 0


def shown(report: dict[str, Any]) -> str:
    step, answer, peak = report["training"], report["policy_seconds"], report["peak_flops"]
    used = "MFU: no peak is known for this device; give --peak"
    if peak is not None:
        used = (
            f"MFU {100 * report['mfu']:.1f} % = {step['flops']:.4g} FLOPs / ({step['step_seconds']:.4f} s x {peak:.4g})"
        )
    memory = "" if step["peak_bytes"] is None else f", peak memory {step['peak_bytes'] / 2**30:.2f} GiB"
    return "\n".join(
        [
            f"{report['preset']} on {report['device']}: {report['rows']} sequences a step, remat {report['remat']}, "
            f"attention {report['attention']}",
            f"training step: {step['step_seconds']:.4f} s, {step['tokens_per_second']:,.0f} tokens/s{memory}",
            f"FLOPs of a step: {step['formula']} = {step['flops']:.4g}",
            used,
            f"policy step: median {1e3 * answer['median']:.1f} ms, quickest {1e3 * answer['quickest']:.1f} ms, "
            f"95 % below {1e3 * answer['95 %']:.1f} ms, of {answer['answers']} answers",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
