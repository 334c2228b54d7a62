"""A recipe and a tokenizer fitted to the data, so that a folder of episodes is all that fine-tuning needs."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

from polymath.data.sequences.sequence import Layout
from polymath.tokenizer import ControlTokens, Tokenizer, corpus
from polymath.tokenizer import train as train_tokenizer
from polymath.training.recipe import Recipe
from polymath.types import Embodiment


def for_robot(recipe: Recipe, robot: Embodiment) -> Recipe:
    """The recipe with room for the robot: state and action as wide, an image slot for every camera of a window."""
    images = len(robot.cameras) * recipe.layout.window
    return _with_room(recipe, robot.action_dim, robot.state_dim, images)


def fitted(recipe: Recipe, robot: Embodiment, prepared: Sequence[Layout]) -> Recipe:
    """The recipe with room for the robot, and with states and actions as wide as sets were prepared for."""
    for layout in prepared:
        recipe = _with_room(recipe, layout.action_dim, layout.state_dim, 1)
    return for_robot(recipe, robot)


def _with_room(recipe: Recipe, action: int, state: int, images: int) -> Recipe:
    """The recipe with at least these widths and slots; one that has the room is returned unchanged."""
    layout, model = recipe.layout, recipe.model
    action, state = max(layout.action_dim, action), max(layout.state_dim, state)
    images = max(layout.max_images, images)
    if (action, state, images) == (layout.action_dim, layout.state_dim, layout.max_images):
        return recipe
    return replace(
        recipe,
        layout=replace(layout, action_dim=action, state_dim=state, max_images=images),
        model=replace(
            model,
            action_head=replace(model.action_head, action_dim=action),
            state_dim=state,
            localizer=layout.chunk_length * action if model.localizer else 0,
        ),
    )


def without_pairs(recipe: Recipe) -> Recipe:
    """The robot phase on episodes alone, for data that has no image-text pairs."""
    return replace(recipe, robot=replace(recipe.robot, pairs=0.0, pointing=0.0))


def find_tokenizer(recipe: Recipe, paths: Sequence[Path], instructions: Iterable[str]) -> Tokenizer:
    """The first of `paths` that exists; else one trained here, on the package's own text and the instructions.

    Raises DataError if that is too little text for the recipe's vocabulary.
    """
    for path in paths:
        if path.is_file():
            return Tokenizer.load(path)
    control, lines = ControlTokens(recipe.control_tokens), (text + "\n" for text in instructions)
    return train_tokenizer(chain(corpus.shipped(), lines), recipe.model.decoder.vocabulary, control)
