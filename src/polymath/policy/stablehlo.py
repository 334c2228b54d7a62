"""A policy's forward pass as a StableHLO program, which runs without this package.

DIR/forward.jax             what `jax.export` serializes; `deserialize(…).call(weights, batch)` on cpu, cuda, tpu
DIR/forward.mlir.bc         the same program as portable StableHLO bytecode, for other compilers
DIR/forward.json            names, shapes and dtypes of its arguments in their order, and of its result
DIR/example.safetensors     an input of each name, and `actions`, what the program answers to it
DIR/policy/                 what `polymath export --format hf` writes: the weights, the tokenizer, the statistics

weights: a dictionary of the arrays in DIR/policy, by their names there. batch: a dictionary of those fields of
`types.Batch` that the model reads, one row with one control step (`BATCH`). The result is the chunk of the newest
control step, normalised, float32 [1, W, A]; DIR/policy/statistics.json gives the robot's units: of a run with
action_representation=delta (`subtracted` there) plus the named entries of the state.

Attention is the reference path, so that one program serves every platform; it answers as `Policy` does, to rounding.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.export
import numpy as np
from jaxtyping import Array, Float

from polymath import specs as weight_specs
from polymath.data.sequences.packing import collate
from polymath.data.sequences.sequence import Layout
from polymath.errors import ConfigError
from polymath.files import atomic_directory
from polymath.model import polymath_v
from polymath.policy.exported import Adapters, export_run, read
from polymath.policy.exported_kinds import check_is_run
from polymath.training import optimizer
from polymath.training.recipe import Recipe
from polymath.training.run import Run, open_run, save_tensors
from polymath.types import Batch, Observation

PLATFORMS = ("cpu", "cuda", "tpu")
BATCH = ("tokens", "segment_ids", "positions", "images", "image_index", "states", "state_index", "readout_positions")
Arrays = dict[str, Any]


def refuse_onnx() -> None:
    """Raise ConfigError: the format is named by users, and there is none."""
    raise ConfigError(
        "--format onnx: is not offered, for no converter from jax's programs to ONNX has been checked against the "
        "policy's answers; --format stablehlo writes the forward pass for any compiler that reads StableHLO"
    )


def export_stablehlo(
    run_path: Path,
    out: Path,
    adapters: Adapters = "kept",
    checkpoint: str = "newest",
    embodiment: str | None = None,
) -> None:
    """Write the weights of a checkpoint of the robot phase and the program; the directory appears whole or not at all.

    `embodiment`: the robot that it is for, of a run of several.

    Raises what `exported.export_run` does, and ConfigError for adapters without the weights below them and for a run
    that looks at earlier observations, whose history is no part of one forward pass.
    """
    if adapters == "alone":
        raise ConfigError("--adapters alone: the program needs all weights; leave it out, or choose --adapters merged")
    check_is_run(Path(run_path))
    run = open_run(run_path, embodiment)
    if run.recipe.layout.window > 1:
        raise ConfigError(
            f"{run.path}: looks at {run.recipe.layout.window} observations (layout.window), but a program answers one "
            "without a history; train with layout.window=1, or export with --format hf"
        )
    with atomic_directory(out) as place:
        export_run(run_path, place / "policy", adapters, checkpoint=checkpoint, embodiment=run.embodiment.name)
        described, params = read(place / "policy")
        weights = {name: np.asarray(weight) for name, weight in weight_specs.named(params)}
        batch = example(run)
        program = jax.jit(forward_pass(described.recipe))
        exported = jax.export.export(program, platforms=PLATFORMS)(_shapes(weights), _shapes(batch))
        actions = np.asarray(exported.call(weights, batch))
        (place / "forward.jax").write_bytes(exported.serialize())
        (place / "forward.mlir.bc").write_bytes(exported.mlir_module_serialized)
        (place / "forward.json").write_text(
            json.dumps(_description(exported, weights, batch, actions), indent=2) + "\n"
        )
        save_tensors(place / "example.safetensors", {**batch, "actions": actions})


def forward_pass(recipe: Recipe) -> Callable[[Arrays, Arrays], Float[Array, "1 W A"]]:
    """(weights by name, fields of the batch) -> the normalised chunk of the newest control step."""
    model, execution = recipe.model, replace(recipe.execution, attention="reference")
    specs = polymath_v.specs(model)

    def forward(weights: Arrays, fields: Arrays) -> Float[Array, "1 W A"]:
        params = optimizer.merge(weights, {}, specs)
        unread = dict.fromkeys(set(Batch._fields) - set(fields))
        return polymath_v.forward(params, model, Batch(**fields, **unread), execution).actions[:, -1]

    return forward


def example(run: Run) -> Arrays:
    """The fields of a prompt with grey pictures, the state in the middle of its range and a short instruction."""
    robot, layout = run.embodiment, prompt_layout(run)
    picture = np.full((layout.image_size, layout.image_size, 3), 128, np.uint8)
    state = np.asarray(run.statistics.state.mean, np.float32)
    seen = Observation(dict.fromkeys(robot.cameras, picture), state, "move", robot.name)
    batch = collate([[run.transform.prompt([seen])]], layout)._asdict()
    names = (*BATCH, "actions") if run.recipe.model.committed else BATCH
    return {name: np.ascontiguousarray(batch[name]) for name in names}


def prompt_layout(run: Run) -> Layout:
    """Sizes of the program's batch: as many tokens as the training's rows, a picture a camera, one control step."""
    return replace(run.recipe.layout, max_images=len(run.embodiment.cameras), max_control_steps=1)


def _shapes(arrays: Arrays) -> Arrays:
    return {name: jax.ShapeDtypeStruct(array.shape, array.dtype) for name, array in arrays.items()}


def _description(exported: jax.export.Exported, weights: Arrays, batch: Arrays, actions: Any) -> dict[str, Any]:
    """`arguments` in the order of the program; it leaves out what it does not read."""
    names = [f"weights/{name}" for name in sorted(weights)] + [f"batch/{name}" for name in sorted(batch)]
    arguments = [
        {
            "name": names[number],
            "shape": list(exported.in_avals[number].shape),
            "dtype": str(exported.in_avals[number].dtype),
        }
        for number in exported.module_kept_var_idx
    ]
    return {
        "platforms": list(exported.platforms),
        "calling_convention": exported.calling_convention_version,
        "jax": jax.__version__,
        "arguments": arguments,
        "result": {"name": "actions", "shape": list(actions.shape), "dtype": str(actions.dtype)},
    }
