"""Where a run's weights begin: another run, published weights, a draw; with fresh adapters if the recipe has some."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import jax

from polymath import specs as weights
from polymath.errors import ConfigError
from polymath.model import lora, polymath_v
from polymath.model.weights import load_resampler, load_vit
from polymath.sharding.placement import Partitioner
from polymath.tokenizer import Tokenizer
from polymath.training.checkpoints import load_params
from polymath.training.language import load_language
from polymath.training.recipe import Recipe
from polymath.training.run import open_run

PARTS = ("vit", "resampler", "decoder")


@dataclass(frozen=True)
class Start:
    """run, phase: another run directory and the phase whose newest weights are taken; published: part -> its files.

    The parts are `vit` (HF CLIP or SigLIP, open_clip, timm, big_vision), `resampler` (open_flamingo) and `decoder` (a
    folder of the LLaMA family in HF's layout). What neither gives is drawn.
    """

    run: Path | None = None
    phase: str = "alignment"
    published: Mapping[str, Path] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for part in self.published:
            if part not in PARTS:
                raise ConfigError(f"--published {part}: no such part; choose from {', '.join(PARTS)}")


def starting_weights(
    recipe: Recipe, start: Start, tokenizer: Tokenizer, mesh: Partitioner | None = None
) -> polymath_v.Params | None:
    """The weights that the first phase begins with, on the mesh if there is one; None for a fresh draw of all.

    Raises ConfigError for a run of another model, CheckpointError for files that do not fit.
    """
    if start.run is None and not start.published and recipe.model.adapters is None:
        return None
    key, specs = jax.random.key(recipe.seed), polymath_v.specs(replace(recipe.model, adapters=None))
    places = None if mesh is None else mesh.shardings(specs)
    given = {part: _published(part, Path(path), recipe, tokenizer, places) for part, path in start.published.items()}
    if start.run is not None:
        params = _of_run(start.run, start.phase, recipe, mesh)
    else:
        nothing: dict[str, Any] = dict.fromkeys(given)
        rest = replace(specs, **nothing)
        params = weights.init_on(replace(places, **nothing), rest, key) if places else weights.init(rest, key)
    params = replace(params, **given)
    return lora.attach(params, polymath_v.specs(recipe.model), key) if recipe.model.adapters else params


def _of_run(path: Path, phase: str, recipe: Recipe, mesh: Partitioner | None) -> polymath_v.Params:
    """Another run's weights; adapters that are not the recipe's are merged into them."""
    other = open_run(path).recipe
    if replace(other.model, adapters=None) != replace(recipe.model, adapters=None):
        raise ConfigError(
            f"{path}: holds another model than recipe {recipe.name!r}; start from a run of the same sizes"
        )
    params = load_params(Path(path) / "checkpoints" / phase, other.model, other.phase(phase).optimizer, mesh)
    return params if other.model.adapters == recipe.model.adapters else jax.jit(lora.merge)(params)


def _published(part: str, path: Path, recipe: Recipe, tokenizer: Tokenizer, places: polymath_v.Params | None) -> Any:
    model, place = recipe.model, None if places is None else getattr(places, part)
    if part == "vit":
        return load_vit(path, model.vit, shardings=place)
    if part == "resampler":
        return load_resampler(path, model.resampler, shardings=place)
    return load_language(path, model.decoder, tokenizer, recipe.seed, place)
