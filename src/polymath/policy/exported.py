"""A run as a directory in the manner of Hugging Face, and back, bit for bit.

DIR/config.json                       model_type "polymath_v", the recipe, the phase and step of the weights
DIR/model-00001-of-00003.safetensors  … with model.safetensors.index.json; names are those of `specs.named`
DIR/tokenizer.json embodiment.json statistics.json data.json example_batch.safetensors
DIR/README.md                         the model card

A run that trained low-rank adapters is exported as it is, with the adapters merged into the weights, or as its adapters
alone: then the directory holds only `….lora_down` and `….lora_up`, and is imported onto the weights of its base.
"""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from safetensors.numpy import save_file

from polymath import config as configs
from polymath.errors import CheckpointError, ConfigError
from polymath.files import atomic_directory
from polymath.model import lora, polymath_v
from polymath.model.weights.rules import Rule, assemble, check_names
from polymath.model.weights.tensors import open_tensors
from polymath.policy.model_card import model_card
from polymath.specs import is_spec, named
from polymath.training.adapters import without_adapters
from polymath.training.checkpoints import Checkpoints, load_params
from polymath.training.recipe import Recipe
from polymath.training.run import Run, open_run
from polymath.training.step import init_state

MODEL_TYPE = "polymath_v"
PHASE = "robot"
COPIED = ("tokenizer.json", "embodiment.json", "statistics.json", "data.json", "example_batch.safetensors")
SHARD_BYTES = 5 * 10**9
Adapters = Literal["kept", "merged", "alone"]


@dataclass(frozen=True)
class Exported:
    """What config.json of an exported directory says; holds: all weights, or those of the adapters."""

    model_type: str
    phase: str
    step: int
    recipe: Recipe
    holds: Literal["all", "adapters"] = "all"


def export_run(run_path: Path, out: Path, adapters: Adapters = "kept", shard_bytes: int = SHARD_BYTES) -> None:
    """Write the newest weights of the robot phase; the directory appears whole or not at all.

    Raises ConfigError or CheckpointError for an incomplete run or one that has no adapters to merge or to take out,
    PolymathError if `out` exists.
    """
    run = open_run(run_path)
    if adapters != "kept" and run.recipe.model.adapters is None:
        raise ConfigError(f"{run.path}: has no adapters; export it without --adapters {adapters}")
    params = load_params(run.checkpoints(PHASE), run.recipe.model, run.recipe.robot.optimizer)
    recipe = run.recipe
    if adapters == "merged":
        params, recipe = jax.jit(lora.merge)(params), without_adapters(recipe)
    chosen = {name: weight for name, weight in named(params) if adapters != "alone" or _is_adapter(name)}
    holds: Literal["all", "adapters"] = "adapters" if adapters == "alone" else "all"
    with atomic_directory(out) as place:
        _write_shards(place, chosen, shard_bytes)
        for name in COPIED:
            if (run.path / name).exists():
                shutil.copyfile(run.path / name, place / name)
        step = _step(run)
        configs.save(Exported(MODEL_TYPE, PHASE, step, recipe, holds), place / "config.json")
        base = " --base BASE" if adapters == "alone" else ""
        use = f"polymath import THIS_DIRECTORY{base} --out run"
        (place / "README.md").write_text(model_card(run, recipe, PHASE, step, use))


def import_run(directory: Path, out: Path, base: Path | None = None) -> Run:
    """Make a run directory of an exported one: its robot phase stands at the exported step, with a fresh optimizer.

    `base`: where adapters that were exported alone find the other weights, an exported directory or a run.
    Raises ConfigError for a directory of another kind, CheckpointError for weights that do not fit its recipe.
    """
    exported, params = read(directory, base)
    with atomic_directory(out) as place:
        for name in COPIED:
            if (Path(directory) / name).exists():
                shutil.copyfile(Path(directory) / name, place / name)
        configs.save(exported.recipe, place / "config.json")
        state = init_state(exported.recipe.model, exported.recipe.robot.optimizer, params)
        with Checkpoints(place / "checkpoints" / PHASE, every=1) as checkpoints:
            checkpoints.save(state._replace(step=jnp.asarray(exported.step, jnp.int32)), now=True)
    return open_run(out)


def read(directory: Path, base: Path | None = None) -> tuple[Exported, polymath_v.Params]:
    """The description and the weights of an exported directory (adapters alone: on the weights of `base`)."""
    directory = Path(directory)
    exported = configs.load(Exported, directory / "config.json")
    if exported.model_type != MODEL_TYPE:
        raise ConfigError(f"{directory / 'config.json'}: model_type is {exported.model_type!r}, not {MODEL_TYPE!r}")
    specs = polymath_v.specs(exported.recipe.model)
    wanted = dict(named(specs))
    if exported.holds == "adapters":
        wanted = {name: spec for name, spec in wanted.items() if _is_adapter(name)}
    tensors = open_tensors(directory)
    rules = {name: Rule((name,)) for name in wanted}
    hint = "the directory's config.json describes another model; export it again"
    check_names(rules, wanted, tensors, rules, hint)
    found = assemble(wanted, rules, tensors, hint=hint)
    if exported.holds == "adapters":
        found |= _base_weights(directory, base, exported.recipe)
    leaves = [found[name] for name, _ in named(specs)]
    return exported, jax.tree.unflatten(jax.tree.structure(specs, is_leaf=is_spec), leaves)


def _base_weights(directory: Path, base: Path | None, adapted: Recipe) -> dict[str, Any]:
    """The weights below the adapters, by their names in the adapted model."""
    if base is None:
        raise ConfigError(f"{directory}: holds adapters alone; name the run or the exported model below them: --base")
    if (Path(base) / "checkpoints").is_dir():
        run = open_run(base)
        recipe, params = run.recipe, load_params(run.checkpoints(PHASE), run.recipe.model, run.recipe.robot.optimizer)
    else:
        exported, params = read(base)
        recipe = exported.recipe
    if recipe.model != without_adapters(adapted).model:
        raise ConfigError(f"{base}: holds another model than the one that the adapters of {directory} were trained on")
    plain = dict(named(params))
    names = [name for name, _ in named(polymath_v.specs(adapted.model)) if not _is_adapter(name)]
    return {name: plain[name.removesuffix(".base")] for name in names}


def _is_adapter(name: str) -> bool:
    return name.endswith((".lora_down", ".lora_up"))


def _step(run: Run) -> int:
    with Checkpoints(run.checkpoints(PHASE), every=1) as checkpoints:
        step = checkpoints.latest()
    if step is None:
        raise CheckpointError(f"{run.checkpoints(PHASE)}: holds no checkpoint yet; train first")
    return step


def _write_shards(place: Path, params: dict[str, Any], shard_bytes: int) -> None:
    """One shard's weights are on the host at a time; the index names the shard of each."""
    shards = list(_shards(params, shard_bytes))
    weight_map = {}
    for number, names in enumerate(shards, start=1):
        file = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        weight_map.update(dict.fromkeys(names, file))
        save_file({n: np.ascontiguousarray(w) for n, w in names.items()}, place / file, metadata={"format": "np"})
    total = sum(weight.nbytes for weight in params.values())
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (place / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n")


def _shards(params: dict[str, Any], shard_bytes: int) -> Iterator[dict[str, Any]]:
    """Names and weights in order, each group of at most `shard_bytes` unless a single weight is larger."""
    shard: dict[str, Any] = {}
    size = 0
    for name, weight in params.items():
        if shard and size + weight.nbytes > shard_bytes:
            yield shard
            shard, size = {}, 0
        shard[name] = weight
        size += weight.nbytes
    yield shard
