"""A published vision transformer in a recipe: its sizes, and what follows from them."""

from dataclasses import replace
from pathlib import Path

from polymath.model.weights import vit_config
from polymath.training.recipe import Recipe


def with_vit_of(recipe: Recipe, path: Path) -> Recipe:
    """The recipe with the vision transformer that the files beside the weights at `path` describe.

    The pictures then have its size, and the resampler its width, with a feed-forward width in the same proportion. For
    weights that no file describes (a big_vision .npz, a .safetensors file of any name) the recipe is unchanged. Raises
    ConfigError or CheckpointError for what our vision transformer cannot be.
    """
    vision = vit_config(path)
    if vision is None:
        return recipe
    looking = recipe.model.resampler
    if looking.width != vision.width:
        looking = replace(looking, width=vision.width, mlp=max(1, looking.mlp * vision.width // looking.width))
    model = replace(recipe.model, vit=vision, resampler=looking)
    return replace(recipe, model=model, layout=replace(recipe.layout, image_size=vision.image_size))
