"""A run as a directory in the manner of Hugging Face, and back, bit for bit.

DIR/config.json                       model_type "polymath_v", the recipe, the phase and step of the weights (in a
                                      directory for LeRobot polymath_v.json, beside LeRobot's files: `lerobot.py`)
DIR/model-00001-of-00003.safetensors  … with model.safetensors.index.json; names are those of `specs.named`
DIR/tokenizer.json data.json example_batch.safetensors
DIR/embodiment.json statistics.json    or of a run of several robots robots.json
DIR/README.md                         the model card

A run that trained low-rank adapters is exported as it is, with the adapters merged into the weights, or without the
weights below them: then the directory holds all that the run trained (the adapters, and whatever its groups of learning
rates let learn beside them) and the hash of the rest, which is taken from its base when it is imported.
"""

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from polymath import config as configs
from polymath.errors import CheckpointError, ConfigError
from polymath.files import atomic_directory
from polymath.model import lora, polymath_v
from polymath.model.weights.rules import Rule, assemble, check_names
from polymath.model.weights.tensors import open_tensors
from polymath.policy import lerobot
from polymath.policy.exported_kinds import check_is_no_program, check_is_run
from polymath.policy.exported_shards import write_shards
from polymath.policy.model_card import model_card
from polymath.specs import is_spec, named
from polymath.training import robots
from polymath.training.adapters import without_adapters
from polymath.training.beginning import FILE, Beginning, files
from polymath.training.checkpoint_choice import NEWEST, chosen_step
from polymath.training.checkpoints import Checkpoints, has_checkpoint, load_params
from polymath.training.optimizer import learning_rate_factors
from polymath.training.recipe import PHASES, Recipe
from polymath.training.robots import only
from polymath.training.run import Run, open_parts, open_whole
from polymath.training.start import all_weights
from polymath.training.step import init_state
from polymath.training.stored_weights import Places
from polymath.training.untrained import unadapted

MODEL_TYPE = "polymath_v"
PHASE = "robot"
COPIED = (
    "tokenizer.json",
    "control_tokens.json",
    "data.json",
    "episodes.json",
    "example_batch.safetensors",
)
SHARD_BYTES = 5 * 10**9
OTHER_MODEL = "the directory's description is of another model; export it again"
Adapters = Literal["kept", "merged", "alone"]
Format = Literal["hf", "lerobot"]


@dataclass(frozen=True)
class Exported:
    """What config.json of an exported directory says.

    holds: all weights, or those that were trained ("adapters": of an older version, which left some of them out).
    trained: their names; base: `hash_weights` of the others, by their names without adapters.
    """

    model_type: str
    phase: str
    step: int
    recipe: Recipe
    holds: Literal["all", "trained", "adapters"] = "all"
    trained: tuple[str, ...] = ()
    base: str | None = None


def export_run(
    run_path: Path,
    out: Path,
    adapters: Adapters = "kept",
    shard_bytes: int = SHARD_BYTES,
    format: Format = "hf",
    checkpoint: str | int = NEWEST,
    embodiment: str | None = None,
) -> None:
    """Write the weights of a checkpoint of the robot phase; the directory appears whole or not at all.

    checkpoint: "newest", "best" on the held-out episodes, or a step.
    embodiment: the robot that it is for, of a run of several; left out, all of them, but in LeRobot's format.
    Raises ConfigError or CheckpointError for an incomplete run or one that has no adapters to merge or to take out, and
    for adapters alone in a directory for LeRobot, which has no base to put below them; PolymathError if `out` exists.
    """
    check_is_run(Path(run_path))
    run = open_whole(run_path)
    if embodiment is not None or format == "lerobot":
        run = run.of(only(run.robots, str(run.path)).name if embodiment is None else embodiment)
    if adapters == "alone" and format == "lerobot":
        raise ConfigError(
            "--adapters alone: LeRobot evaluates whole models; export with --adapters merged, or --format hf"
        )
    if adapters != "kept" and run.recipe.model.adapters is None:
        raise ConfigError(f"{run.path}: has no adapters; export it without --adapters {adapters}")
    step, recipe = chosen_step(run.checkpoints(PHASE), checkpoint), run.recipe
    params = load_params(run.checkpoints(PHASE), recipe.model, recipe.robot.optimizer, checkpoint=step)
    described = Exported(MODEL_TYPE, PHASE, step, recipe)
    weights, use = dict(named(params)), "polymath import THIS_DIRECTORY --out run"
    if adapters == "merged":
        recipe = without_adapters(recipe)
        weights, described = dict(named(jax.jit(lora.merge)(params))), replace(described, recipe=recipe)
    elif adapters == "alone":
        trained = _trained(run)
        base = {unadapted(name): weight for name, weight in weights.items() if name not in trained}
        described = replace(described, holds="trained", trained=trained, base=hash_weights(base))
        weights, use = {name: weights[name] for name in trained}, "polymath import THIS_DIRECTORY --base BASE --out run"
    with atomic_directory(out) as place:
        write_shards(place, weights, shard_bytes)
        for name in COPIED:
            if (run.path / name).exists():
                shutil.copyfile(run.path / name, place / name)
        robots.save(run.robots, place)
        configs.save(run.data, place / "data.json")
        if format == "lerobot":
            use += "\n$ lerobot-eval --policy.path=THIS_DIRECTORY --env.type=polymath_metaworld --env.task=reach-left"
            for name, content in lerobot.files(run.embodiment, recipe).items():
                (place / name).write_text(json.dumps(content, indent=2) + "\n")
        configs.save(described, place / (lerobot.DESCRIPTION if format == "lerobot" else "config.json"))
        (place / "README.md").write_text(model_card(run, recipe, PHASE, described.step, use))


def import_run(directory: Path, out: Path, base: Path | None = None) -> Run:
    """Make a run directory of an exported one: its robot phase stands at the exported step, with a fresh optimizer.

    `base`: an exported directory or a run, which holds the other weights of adapters that were exported alone.
    Raises ConfigError for a directory of another kind, CheckpointError for weights that do not fit its recipe or
    another base than the one that the run began with.
    """
    check_is_no_program(Path(directory))
    exported, params = read(directory, base)
    with atomic_directory(out) as place:
        for name in COPIED:
            if (Path(directory) / name).exists():
                shutil.copyfile(Path(directory) / name, place / name)
        robots.save(robots.load(Path(directory)), place)
        configs.save(exported.recipe, place / "config.json")
        configs.save(Beginning(files(directory), trained=all_weights(exported.recipe)), place / FILE)
        state = init_state(exported.recipe.model, exported.recipe.robot.optimizer, params)
        with Checkpoints(place / "checkpoints" / PHASE, every=1) as checkpoints:
            checkpoints.save(state._replace(step=jnp.asarray(exported.step, jnp.int32)), now=True)
    return open_whole(out)


def read(directory: Path, base: Path | None = None) -> tuple[Exported, polymath_v.Params]:
    """The description and the weights of an exported directory (of one without its base: on the weights of `base`)."""
    directory = Path(directory)
    exported = _described(directory)
    specs = polymath_v.specs(exported.recipe.model)
    stored = {name: spec for name, spec in named(specs) if exported.holds == "all" or name in exported.trained}
    tensors = open_tensors(directory)
    rules = {name: Rule((name,)) for name in stored}
    check_names(rules, stored, tensors, rules, OTHER_MODEL)
    weights = assemble(stored, rules, tensors, hint=OTHER_MODEL)
    if exported.holds == "trained":
        weights |= _base_weights(directory, base, exported)
    leaves = [weights[name] for name, _ in named(specs)]
    return exported, jax.tree.unflatten(jax.tree.structure(specs, is_leaf=is_spec), leaves)


def description(directory: Path) -> Path:
    """The file that says what an exported directory holds. Raises ConfigError where one for LeRobot lacks it."""
    own = directory / lerobot.DESCRIPTION
    if not own.exists() and (directory / lerobot.PREPROCESSOR).exists():
        raise ConfigError(
            f"{own}: no such file, but LeRobot's files are there; export the run again, or copy all of it"
        )
    return own if own.exists() else directory / "config.json"


def open_exported(directory: Path, places: Places) -> tuple[Run, Iterator[tuple[str, Any]]]:
    """An exported directory as a run without checkpoints, and its weights one at a time, float32, each at its place.

    Raises ConfigError for one of another kind or of adapters alone, CheckpointError for weights that do not fit it.
    """
    described = _described(directory)
    if described.holds != "all":
        raise ConfigError(
            f"{directory}: holds adapters alone; give them their base first: polymath import {directory} --base BASE "
            "--out run"
        )
    specs = dict(named(polymath_v.specs(described.recipe.model)))
    tensors, rules = open_tensors(directory), {name: Rule((name,)) for name in specs}
    check_names(rules, specs, tensors, rules, OTHER_MODEL)

    def weights() -> Iterator[tuple[str, Any]]:
        for name, spec in specs.items():
            one, place = {name: spec}, {name: places(name, spec)}
            yield name, assemble(one, {name: rules[name]}, tensors, shardings=place, hint=OTHER_MODEL)[name]

    return open_parts(directory, described.recipe), weights()


def _described(directory: Path) -> Exported:
    """What an exported directory says. Raises ConfigError for another kind of model, and for an older version's."""
    file = description(directory)
    try:
        kind = json.loads(file.read_text())["model_type"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        kind = MODEL_TYPE  # `config.load` says what is wrong with it
    if kind != MODEL_TYPE:
        raise ConfigError(
            f"{file}: model_type is {kind!r}, not {MODEL_TYPE!r}; name a run directory, or one that `polymath export` "
            "wrote"
        )
    described = configs.load(Exported, file)
    if described.holds == "adapters":
        raise ConfigError(
            f"{file}: was exported by an older version, which left out what was trained beside the adapters and does "
            "not say which base they belong to; export the run again"
        )
    return described


def _base_weights(directory: Path, base: Path | None, exported: Exported) -> dict[str, Any]:
    """The weights that were not trained, by their names in the adapted model, out of the model below."""
    if base is None:
        raise ConfigError(f"{directory}: holds adapters alone; name the run or the exported model below them: --base")
    recipe, params = _read_any(Path(base))
    difference = configs.first_difference(
        replace(recipe.model, adapters=None), replace(exported.recipe.model, adapters=None)
    )
    if difference:
        name, theirs, ours = difference
        raise ConfigError(
            f"{base}: holds another model than the one that the adapters of {directory} were trained on (model.{name} "
            f"is {theirs!r}, theirs was {ours!r})"
        )
    plain = dict(named(jax.jit(lora.merge)(params) if recipe.model.adapters else params))
    names = [name for name, _ in named(polymath_v.specs(exported.recipe.model)) if name not in exported.trained]
    weights = {unadapted(name): plain[unadapted(name)] for name in names}
    ours = hash_weights(weights)
    if ours != exported.base:
        raise CheckpointError(
            f"{base}: is another base than the one that the adapters of {directory} were trained on: its weights have "
            f"the SHA-256 {ours[:16]}…, those of theirs {(exported.base or 'none')[:16]}…; name the run or the export "
            "that the training started from"
        )
    return {name: weights[unadapted(name)] for name in names}


def _read_any(place: Path) -> tuple[Recipe, polymath_v.Params]:
    """The newest weights of a run's last phase, or those of an exported directory."""
    if not (place / "checkpoints").is_dir():
        exported, params = read(place)
        return exported.recipe, params
    run = open_whole(place)
    begun = [phase for phase in PHASES if has_checkpoint(run.checkpoints(phase))]
    phase = begun[-1] if begun else PHASE
    return run.recipe, load_params(run.checkpoints(phase), run.recipe.model, run.recipe.phase(phase).optimizer)


def _trained(run: Run) -> tuple[str, ...]:
    """The weights that may differ from what the run began with: those that learn in one of its phases, and adapters."""
    specs = polymath_v.specs(run.recipe.model)
    names = {name for name, _ in named(specs) if name.endswith((".lora_down", ".lora_up"))}
    for phase in PHASES:
        if has_checkpoint(run.checkpoints(phase)):
            factors = learning_rate_factors(run.recipe.phase(phase).optimizer, specs)
            names |= {name for name, factor in factors.items() if factor}
    return tuple(name for name, _ in named(specs) if name in names)


def hash_weights(weights: Mapping[str, Any]) -> str:
    """SHA-256 over the names, dtypes, shapes and bytes of weights, in the order of their names."""
    total = hashlib.sha256()
    for name in sorted(weights):
        weight = np.ascontiguousarray(weights[name])
        total.update(f"{name} {weight.dtype} {weight.shape}\n".encode())
        total.update(weight.tobytes())
    return total.hexdigest()
