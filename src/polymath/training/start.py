"""Where a run's weights begin: another run, published weights, a draw; with fresh adapters if the recipe has some."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import jax

from polymath import config
from polymath import specs as weights
from polymath.errors import ConfigError
from polymath.model import lora, polymath_v
from polymath.model.weights import check_vit, load_resampler, load_vit
from polymath.sharding.placement import Partitioner
from polymath.tokenizer import Tokenizer
from polymath.training.adapters import with_adapters_of
from polymath.training.beginning import WEIGHT_FILES, Beginning, Files, files, read
from polymath.training.checkpoint_choice import NEWEST, chosen_step
from polymath.training.checkpoints import has_checkpoint, load_params
from polymath.training.claim import has_trained
from polymath.training.fitting import with_chunk
from polymath.training.language import load_language, with_decoder_of
from polymath.training.recipe import PHASES, Recipe
from polymath.training.run import Run, open_whole
from polymath.training.untrained import trainable, unadapted
from polymath.training.vision import with_vit_of

PARTS = ("vit", "resampler", "decoder")


@dataclass(frozen=True)
class Start:
    """run, phase: another run directory and the phase whose weights are taken; published: part -> its files.

    checkpoint: "newest", "best" on the other run's held-out episodes, or a step of that phase.

    The parts are `vit` (HF CLIP or SigLIP, open_clip, timm, big_vision), `resampler` (open_flamingo) and `decoder` (a
    public language model's folder in HF's layout). What neither gives is drawn.
    """

    run: Path | None = None
    phase: str = "alignment"
    published: Mapping[str, Path] = field(default_factory=dict)
    checkpoint: str | int = NEWEST

    def __post_init__(self) -> None:
        for part in self.published:
            if part not in PARTS:
                raise ConfigError(f"--published {part}: no such part; choose from {', '.join(PARTS)}")

    @property
    def is_fresh(self) -> bool:
        """Nothing is named: all weights are drawn, or the run's own phase before is continued."""
        return self.run is None and not self.published

    @cached_property
    def published_files(self) -> dict[str, Files]:
        """Each published part's files with their hash, read once."""
        return {part: files(Path(path), WEIGHT_FILES) for part, path in self.published.items()}


def as_published(recipe: Recipe, start: Start) -> Recipe:
    """The recipe with the sizes of the parts that `start` takes from published folders, read from their files.

    Fields that are set after it must not contradict those files (`check_published`). Raises ConfigError or
    CheckpointError for a model that ours cannot be.
    """
    if "vit" in start.published:
        recipe = with_vit_of(recipe, Path(start.published["vit"]))
    if "decoder" in start.published:
        recipe = with_decoder_of(recipe, Path(start.published["decoder"]))
    return recipe


def check_published(recipe: Recipe, start: Start) -> None:
    """Raise ConfigError or CheckpointError, naming both fields, where the recipe contradicts a published part.

    Descriptions, names and shapes are read, no weights. A decoder may have a longer context than it was trained for.
    """
    if "vit" in start.published:
        check_vit(Path(start.published["vit"]), recipe.model.vit)
    if "decoder" in start.published:
        folder = Path(start.published["decoder"])
        ours = recipe.model.decoder
        free = {name: getattr(ours, name) for name in ("vocabulary", "context", "rope_scaling")}
        stated = replace(with_decoder_of(recipe, folder).model.decoder, **free)
        difference = config.first_difference(stated, ours)
        if difference:
            field, theirs, setting = difference
            raise ConfigError(
                f"{folder / 'config.json'}: states a decoder with {field} {theirs!r}, but model.decoder.{field} is "
                f"{setting!r}; leave that setting out, or begin with another model"
            )


def taken(recipe: Recipe, start: Start) -> tuple[str, ...]:
    """A line for each published vision transformer and decoder: the sizes that the recipe has for it."""
    parts = {"vit": recipe.model.vit, "decoder": recipe.model.decoder}
    return tuple(
        f"{part} from {path}: " + ", ".join(f"{name} {value}" for name, value in config.to_dict(parts[part]).items())
        for part, path in start.published.items()
        if part in parts
    )


def as_begun(recipe: Recipe, out: Path, start: Start) -> Recipe:
    """The recipe as the run in `out` has it, where a later call leaves out what the first one named.

    That is the shape of a published decoder and vision transformer, the chunk and the adapters. A run that has not
    trained changes nothing.
    """
    if not has_trained(out):
        return recipe
    stored, recorded = config.load(Recipe, out / "config.json"), read(out)
    model, left_out = stored.model, set(recorded.published if recorded else ()) - set(start.published)
    if recipe.chunk_seconds is not None:
        recipe = with_chunk(recipe, stored.layout.chunk_length)
    if "decoder" in left_out:
        sizes = replace(recipe.model, decoder=model.decoder, action_head=model.action_head)
        recipe = replace(recipe, model=sizes, control_tokens=stored.control_tokens)
    if "vit" in left_out:
        sizes = replace(recipe.model, vit=model.vit, resampler=model.resampler)
        layout = replace(recipe.layout, image_size=stored.layout.image_size)
        recipe = replace(recipe, model=sizes, layout=layout)
    return with_adapters_of(recipe, stored)


def recorded_or_named(recipe: Recipe, out: Path, start: Start) -> Beginning:
    """What the run in `out` began with if it has trained, else what `start` names."""
    recorded = read(out) if any(has_checkpoint(out / "checkpoints" / phase) for phase in PHASES) else None
    return beginning(recipe, start) if recorded is None else recorded


def beginning(recipe: Recipe, start: Start) -> Beginning:
    """What `start` names, with hashes. Raises ConfigError or CheckpointError for what is not there."""
    trained = {name for name in all_weights(recipe) if name.split(".")[0] in start.published}
    if start.run is None:
        return Beginning(None, start.published_files, tuple(sorted(trained)))
    if not (Path(start.run) / "checkpoints").is_dir() and _is_exported(Path(start.run)):
        raise ConfigError(
            f"--start {start.run}: is what `polymath export` wrote; `polymath import {start.run} --out RUN` makes a "
            "run of it to start from"
        )
    step = chosen_step(Path(start.run) / "checkpoints" / start.phase, start.checkpoint)
    checkpoint = files(Path(start.run) / "checkpoints" / start.phase / str(step))
    trained |= trained_in(open_whole(start.run), start.phase)
    return Beginning(checkpoint, start.published_files, tuple(sorted(trained)))


def _is_exported(path: Path) -> bool:
    """Whether the directory's description is an exported policy's (`polymath.policy.exported`)."""
    names = [path / name for name in ("polymath_v.json", "config.json")]
    return any(name.is_file() and '"model_type": "polymath_v"' in name.read_text(errors="replace") for name in names)


def trained_in(run: Run, last_phase: str) -> set[str]:
    """Names of the weights that a run began with or trained, up to `last_phase` and as far as it has come.

    A run of an older version does not say what it began with: all its weights count as trained.
    """
    recorded = read(run.path)
    if recorded is None:
        return set(all_weights(run.recipe))
    phases = PHASES[: PHASES.index(last_phase) + 1]
    done = [phase for phase in phases if has_checkpoint(run.checkpoints(phase))]
    return set(recorded.trained).union(*(trainable(run.recipe, phase) for phase in done))


def all_weights(recipe: Recipe) -> tuple[str, ...]:
    """Names of the model's weights, those below adapters as without them."""
    return tuple(unadapted(name) for name, _ in weights.named(polymath_v.specs(recipe.model)))


def starting_weights(
    recipe: Recipe, start: Start, tokenizer: Tokenizer, mesh: Partitioner | None = None
) -> polymath_v.Params | None:
    """The weights that the first phase begins with, on the mesh if there is one; None for a fresh draw of all.

    Raises ConfigError for a run of another model, CheckpointError for files that do not fit.
    """
    if start.is_fresh and recipe.model.adapters is None:
        return None
    key, specs = jax.random.key(recipe.seed), polymath_v.specs(replace(recipe.model, adapters=None))
    places = None if mesh is None else mesh.shardings(specs)
    published = {
        part: _published(part, Path(path), recipe, tokenizer, places) for part, path in start.published.items()
    }
    if start.run is not None:
        params = _of_run(start, recipe, mesh)
    else:
        nothing: dict[str, Any] = dict.fromkeys(published)
        rest = replace(specs, **nothing)
        params = weights.init_on(replace(places, **nothing), rest, key) if places else weights.init(rest, key)
    params = replace(params, **published)
    return lora.attach(params, polymath_v.specs(recipe.model), key) if recipe.model.adapters else params


def _of_run(start: Start, recipe: Recipe, mesh: Partitioner | None) -> polymath_v.Params:
    """Another run's weights; adapters that are not the recipe's are merged into them, a localizer that the recipe has
    no more is left out, and a map of committed actions that the run does not have yet is drawn.
    """
    assert start.run is not None
    path, phase = Path(start.run), start.phase
    other = open_whole(path).recipe
    if _sizes(other.model, recipe.model) != _sizes(recipe.model, recipe.model):
        raise ConfigError(
            f"{path}: holds another model than recipe {recipe.name!r}; start from a run of the same sizes"
        )
    place, optimizer = path / "checkpoints" / phase, other.phase(phase).optimizer
    params = load_params(place, other.model, optimizer, mesh, start.checkpoint)
    if other.model.adapters != recipe.model.adapters:
        params = jax.jit(lora.merge)(params)
    if not recipe.model.localizer:
        params = replace(params, localizer=None)
    if recipe.model.committed and not other.model.committed:
        params = replace(params, committed=_new_committed(recipe, mesh))
    return params


def _sizes(theirs: polymath_v.Config, ours: polymath_v.Config) -> polymath_v.Config:
    """Their model without what may differ from ours where a run starts from another."""
    return replace(
        theirs,
        adapters=None,
        localizer=theirs.localizer if ours.localizer else 0,
        committed=theirs.committed or ours.committed,
    )


def _new_committed(recipe: Recipe, mesh: Partitioner | None) -> Any:
    """The map of committed actions as it is drawn, below adapters of it."""
    specs = polymath_v.specs(replace(recipe.model, adapters=None))
    key, spec = jax.random.key(recipe.seed), specs.committed
    assert spec is not None
    if mesh is None:
        return weights.draw("committed", spec, key)
    return weights.init_on(mesh.shardings(specs).committed, spec, key)


def _published(part: str, path: Path, recipe: Recipe, tokenizer: Tokenizer, places: polymath_v.Params | None) -> Any:
    model, place = recipe.model, None if places is None else getattr(places, part)
    if part == "vit":
        return load_vit(path, model.vit, shardings=place)
    if part == "resampler":
        return load_resampler(path, model.resampler, shardings=place)
    return load_language(path, model.decoder, tokenizer, recipe.seed, place)
