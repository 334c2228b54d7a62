"""What a recipe and a tokenizer become for the data at hand, so that a folder of episodes is all that fine-tuning
needs.
"""

from collections.abc import Iterable
from dataclasses import replace
from itertools import chain
from pathlib import Path

from polymath.data.sources.interface import EpisodeSet
from polymath.tokenizer import ControlTokens, Tokenizer, corpus
from polymath.tokenizer import train as train_tokenizer
from polymath.training.recipe import Recipe
from polymath.types import Embodiment


def for_robot(recipe: Recipe, robot: Embodiment) -> Recipe:
    """The recipe with room for the robot: state and action as wide, an image slot for every camera of a window.

    A recipe that has the room is returned as it is.
    """
    layout, model = recipe.layout, recipe.model
    action = max(layout.action_dim, robot.action_dim)
    state = max(layout.state_dim, robot.state_dim)
    images = max(layout.max_images, len(robot.cameras) * layout.window)
    if (action, state, images) == (layout.action_dim, layout.state_dim, layout.max_images):
        return recipe
    return replace(
        recipe,
        layout=replace(layout, action_dim=action, state_dim=state, max_images=images),
        model=replace(model, action_head=replace(model.action_head, action_dim=action), state_dim=state),
    )


def without_pairs(recipe: Recipe) -> Recipe:
    """The robot phase on episodes alone, for data that has no image-text pairs."""
    return replace(recipe, robot=replace(recipe.robot, pairs=0.0, pointing=0.0))


def find_tokenizer(
    recipe: Recipe, given: Path | None, start: Path | None, out: Path, episodes: EpisodeSet
) -> Tokenizer:
    """The given one; else that of the run directory, or of the run to start from; else one trained here.

    That one learns from the package's own text and the instructions. Raises DataError if they are too little text for
    the recipe's vocabulary.
    """
    for path in (given, out / "tokenizer.json", None if start is None else start / "tokenizer.json"):
        if path is not None and (path is given or path.is_file()):
            return Tokenizer.load(path)
    control = ControlTokens(recipe.control_tokens)
    return train_tokenizer(chain(corpus.shipped(), _instructions(episodes)), recipe.model.decoder.vocabulary, control)


def _instructions(episodes: EpisodeSet) -> Iterable[str]:
    return (episodes.instruction(i) + "\n" for i in range(len(episodes)))
