"""`polymath train`: data folders and a recipe in, a run directory out, one phase after the other."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from polymath.data.documents import PairDocuments, PointingDocuments, WindowDocuments
from polymath.data.loader import Loader, Source
from polymath.data.sequence import Layout
from polymath.data.sources.interface import EpisodeSet
from polymath.data.sources.opening import open_source
from polymath.data.statistics import of_episodes
from polymath.errors import ConfigError
from polymath.model.polymath_v import Params
from polymath.training.checkpoints import load_params
from polymath.training.fitting import find_tokenizer, for_robot
from polymath.training.loop import train_phase, training_mesh
from polymath.training.recipe import PHASES, Phase, Recipe
from polymath.training.run import DataRecord, Run, create_or_open
from polymath.training.start import Start, starting_weights


@dataclass(frozen=True)
class TrainingData:
    """What a run learns from: one set of episodes, sets of pairs, named as `data.sources.opening` has it; a tokenizer.

    Without a tokenizer, that of the run to start from is taken, or one is trained (see `fitting.find_tokenizer`).
    """

    robot: Path | str
    tokenizer: Path | None = None
    pairs: tuple[Path | str, ...] = ()


def train(
    recipe: Recipe, data: TrainingData, out: Path, phases: Sequence[str] = PHASES, start: Start | None = None
) -> Run:
    """Train the phases in the run directory `out`; finished phases are left alone, a broken one goes on.

    `start`: what the first phase begins with, instead of the phase before it in `out` or a fresh draw.
    Raises ConfigError if `out` belongs to another recipe or `start` to another model.
    """
    episodes: EpisodeSet = open_source(data.robot, image_size=recipe.layout.image_size)
    recipe = for_robot(recipe, episodes.embodiment)
    tokenizer = find_tokenizer(recipe, data.tokenizer, start.run if start else None, out, episodes)
    renderer = getattr(episodes, "recording", {}).get("renderer")
    record = DataRecord(tuple(map(str, data.pairs)), (str(data.robot),), renderer)
    run = create_or_open(out, recipe, tokenizer, episodes.embodiment, of_episodes(episodes), record)
    params = starting_weights(recipe, start or Start(), tokenizer, training_mesh(recipe.mesh))
    if params is None:
        params = weights_before(run, phases[0])
    for name in phases:
        params = train_phase(run, name, phase_loader(run, name, data, episodes), params)
    return run


def weights_before(run: Run, phase_name: str) -> Params | None:
    """The newest weights of the phase that comes before, if the run has any."""
    place = PHASES.index(phase_name)
    if not place or not run.checkpoints(PHASES[place - 1]).exists():
        return None
    before, recipe = PHASES[place - 1], run.recipe
    mesh = training_mesh(recipe.mesh)
    return load_params(run.checkpoints(before), recipe.model, recipe.phase(before).optimizer, mesh)


def phase_loader(run: Run, phase_name: str, data: TrainingData, episodes: EpisodeSet) -> Loader:
    """The phase's mixture of pairs and trajectory windows, in the phase's row sizes."""
    recipe, phase = run.recipe, run.recipe.phase(phase_name)
    layout = replace(
        recipe.layout,
        length=phase.length or recipe.layout.length,
        max_images=phase.max_images or recipe.layout.max_images,
        max_control_steps=phase.max_control_steps or recipe.layout.max_control_steps,
    )
    return Loader(_sources(run, phase, layout, data, episodes), layout, phase.rows, recipe.seed)


def _sources(run: Run, phase: Phase, layout: Layout, data: TrainingData, episodes: EpisodeSet) -> list[Source]:
    recipe, sources = run.recipe, []
    if (phase.pairs or phase.pointing) and not data.pairs:
        raise ConfigError("this phase trains on image-text pairs, but none were given: add their directory to --data")
    for path in data.pairs:
        pairs = open_source(path)
        for kind, share in ((PairDocuments, phase.pairs), (PointingDocuments, phase.pointing)):
            if share:
                documents = kind(pairs, layout, run.tokenizer, recipe.augmentation, recipe.ablation)
                sources.append(Source(documents, share / len(data.pairs)))
    if phase.robot:
        transform = replace(run.transform, layout=layout)
        sources.append(Source(WindowDocuments(episodes, transform, recipe.augmentation), phase.robot))
    return sources
