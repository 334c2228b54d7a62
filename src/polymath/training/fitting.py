"""A recipe and a tokenizer fitted to the data, so that a folder of episodes is all that fine-tuning needs."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path

from polymath.data.sequences.sequence import Layout, trajectory_length
from polymath.tokenizer import ControlTokens, Tokenizer, corpus
from polymath.tokenizer.control_tokens import READOUTS
from polymath.tokenizer.training import train_at_most
from polymath.training.recipe import Recipe
from polymath.types import Embodiment

MOST_TEXTS = 200_000  # of the data, to train a tokenizer on
LENGTHS = 32  # a row's tokens are a multiple of this where they are fitted


def for_robot(recipe: Recipe, robot: Embodiment) -> Recipe:
    """The recipe with room for the robot: state and action as wide, an image slot for every camera of a window."""
    images = len(robot.cameras) * recipe.layout.window
    return _with_room(recipe, robot.action_dim, robot.state_dim, images)


def for_rate(recipe: Recipe, robot: Embodiment) -> Recipe:
    """The recipe whose chunk lasts `chunk_seconds` at the robot's rate, if it names any; 1 to 64 control steps."""
    if recipe.chunk_seconds is None:
        return recipe
    return with_chunk(recipe, min(max(round(recipe.chunk_seconds * robot.control_hz), 1), READOUTS))


def with_chunk(recipe: Recipe, chunk: int) -> Recipe:
    """The recipe with chunks of so many control steps, whatever the rate."""
    layout, model = replace(recipe.layout, chunk_length=chunk, stride=min(recipe.layout.stride, chunk)), recipe.model
    localizer = chunk * layout.action_dim if model.localizer else 0
    return replace(recipe, layout=layout, model=replace(model, localizer=localizer), chunk_seconds=None)


def for_instructions(recipe: Recipe, robot: Embodiment, tokenizer: Tokenizer, instructions: Iterable[str]) -> Recipe:
    """The recipe whose rows hold the longest window of the robot's episodes; a length of the phase's own stays."""
    if recipe.robot.length is not None:
        return recipe
    longest = max((len(tokenizer.encode(text)) for text in set(instructions)), default=0)
    layout = recipe.layout
    needed = trajectory_length(layout, longest, layout.window, len(robot.cameras), robot.action_dim)
    if needed <= layout.length:
        return recipe
    return replace(recipe, layout=replace(layout, length=-(-needed // LENGTHS) * LENGTHS))


def for_tokenizer(recipe: Recipe, tokenizer: Tokenizer) -> Recipe:
    """The recipe with an embedding for every entry of the tokenizer, and its number of control tokens."""
    decoder = replace(recipe.model.decoder, vocabulary=tokenizer.vocab_size)
    return replace(recipe, model=replace(recipe.model, decoder=decoder), control_tokens=tokenizer.control.size)


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


def fitting_notes(before: Recipe, after: Recipe, robots: Sequence[Embodiment]) -> list[str]:
    """One line for each size of the preset that the data decided, with the setting that decides it instead."""
    notes, chunk = [], after.layout.chunk_length
    if chunk != before.layout.chunk_length:
        rates = dict.fromkeys(robot.control_hz for robot in robots)
        lasts = ", ".join(f"{chunk / rate:.2f} s at {rate:g} Hz" for rate in rates)
        notes.append(
            f"layout.chunk_length: {chunk} control steps, {lasts} (chunk_seconds); --set "
            f"layout.chunk_length={before.layout.chunk_length} is the preset's"
        )
    if after.layout.length != before.layout.length:
        notes.append(
            f"layout.length: {after.layout.length} tokens, so that the longest window fits (the preset has "
            f"{before.layout.length}); --set layout.action_tokens=false makes windows shorter"
        )
    if after.model.decoder.vocabulary != before.model.decoder.vocabulary:
        notes.append(
            f"model.decoder.vocabulary: {after.model.decoder.vocabulary:,} entries, as many as the tokenizer has (the "
            f"preset has room for {before.model.decoder.vocabulary:,}); --tokenizer FILE brings another one"
        )
    return notes


def load_tokenizer(recipe: Recipe, path: Path) -> Tokenizer:
    """The tokenizer of a file, or of a public model's folder with as many control tokens as the recipe has."""
    return Tokenizer.from_public(path, recipe.control_tokens) if path.is_dir() else Tokenizer.load(path)


def find_tokenizer(recipe: Recipe, paths: Sequence[Path], texts: Iterable[str]) -> Tokenizer:
    """The first of `paths` that exists; else one trained here, on the package's own text and that of the data.

    It has as many entries as the text gives, at most the recipe's vocabulary; every byte is among them.
    """
    for path in paths:
        if path.exists():
            return load_tokenizer(recipe, path)
    control, lines = ControlTokens(recipe.control_tokens), (text + "\n" for text in islice(texts, MOST_TEXTS))
    return train_at_most(chain(corpus.shipped(), lines), recipe.model.decoder.vocabulary, control)
