"""A published vision transformer -> `vit.Params`; the layout is told from the names in the file."""

from dataclasses import replace
from pathlib import Path

import jax.numpy as jnp
from jax.typing import DTypeLike

from polymath.errors import CheckpointError, ConfigError
from polymath.model import vit
from polymath.model.weights import big_vision, hf_clip, hf_dino, open_clip, timm
from polymath.model.weights.fields import read_fields
from polymath.model.weights.hf_vision_config import family_of
from polymath.model.weights.layout import Layout
from polymath.model.weights.rules import Rules, all_names, assemble, check_names
from polymath.model.weights.tensors import Tensors, open_tensors
from polymath.model.weights.vision_config import check_description, stated_config
from polymath.specs import named

LAYOUTS = (hf_clip.LAYOUT, hf_dino.DINOV2, hf_dino.DINOV3, open_clip.LAYOUT, timm.LAYOUT, timm.EVA, big_vision.LAYOUT)


def load_vit(
    path: Path, config: vit.Config, dtype: DTypeLike = jnp.float32, shardings: vit.Params | None = None
) -> vit.Params:
    """The weights of `config`, streamed onto `shardings` (a tree like `vit.specs(config)`; default: one device).

    `path`: a .safetensors file, a directory of shards (HF CLIP, SigLIP, DINOv2 and DINOv3, a whole model around one of
    them, open_clip, timm) or a big_vision .npz; what is not the tower (text, projections, pooling) is left alone.
    Position embeddings of another resolution are interpolated as the library that owns the layout does. The files that
    describe the weights in their folder are checked too (`vision_config`). Raises CheckpointError for a missing or
    extra weight and for another shape, saying what the file looks like, for a folder whose config.json disagrees with
    `config`, and for a file that is truncated or of no known layout; ConfigError for a config.json that is damaged or
    has a field that is not known.
    """
    layout, tower, hint = _checked(path, config)
    return assemble(vit.specs(config), _rules(layout, config, tower), tower, dtype, shardings, hint)


def vit_config(path: Path) -> vit.Config | None:
    """The configuration that the files beside the published weights at `path` state; None where there are none.

    That is so for a big_vision .npz, and for a .safetensors file under a name of its own. Raises CheckpointError for
    files that cannot be read or are of no known layout; ConfigError for a field that is damaged or not known, and for a
    folder that does not state the sizes or the normalisation of the pixels.
    """
    tensors = open_tensors(path)
    layout, prefix = detect(tensors)
    return stated_config(tensors.path, layout, _inside(tensors, prefix).shapes)


def check_vit(path: Path, config: vit.Config) -> None:
    """Raise what `load_vit` does, as far as it shows in names, shapes and descriptions: no weight is read."""
    _checked(path, config)


def _checked(path: Path, config: vit.Config) -> tuple[Layout, Tensors, str]:
    """The layout, the vision tower's tensors by their names in it, and what the file looks like."""
    tensors = open_tensors(path)
    layout, prefix = detect(tensors)
    tower = _inside(tensors, prefix)
    check_description(tensors.path, layout, config, tower.shapes)
    hint = f"{layout.describe(tensors.shapes, prefix)}; set model.vit to its sizes"
    rules = _rules(layout, config, tower)
    switched_on = replace(config, final_norm=True)  # a final norm that the model leaves out is no extra weight
    expected = all_names({name: rules[name] for name in _target_names(switched_on)}, config.depth)
    empty = {name for name, shape in tower.shapes.items() if 0 in shape}  # as the registers of a model that has none
    check_names(rules, vit.specs(config), tower, {*expected, *empty, *filter(layout.ignores, tower.shapes)}, hint)
    return layout, tower, hint


def detect(tensors: Tensors) -> tuple[Layout, str]:
    """The file's layout and where its vision tower starts.

    Raises CheckpointError for none of the known layouts, with the family that config.json names, and for two towers.
    """
    found = [(layout, prefix) for layout in LAYOUTS for prefix in layout.found_in(tensors.shapes)]
    if len(found) == 1:
        return found[0]
    if found:
        places = " and ".join(f"{prefix + layout.anchor}" for layout, prefix in found)
        raise CheckpointError(f"{tensors.path}: holds {len(found)} vision transformers ({places}); give a file of one")
    layouts = ", ".join(f"{layout.name} ({layout.anchor})" for layout in LAYOUTS)
    if (tensors.path / "config.json").is_file():
        try:
            family_of(read_fields(tensors.path / "config.json"))
        except ConfigError as error:
            raise CheckpointError(f"{error}; known: {layouts}") from None
    elsewhere = [name for name in sorted(tensors.shapes) if name.endswith(tuple(each.anchor for each in LAYOUTS))]
    first = ", ".join(elsewhere or sorted(tensors.shapes)[:3])
    raise CheckpointError(
        f"{tensors.path}: no vision transformer of a known layout in a known place; known: {layouts}; the file "
        f"{'has' if elsewhere else 'begins with'} {first}; give a model with one of these towers"
    )


def _rules(layout: Layout, config: vit.Config, tower: Tensors) -> Rules:
    if layout is big_vision.LAYOUT and any(name.startswith("Transformer/encoderblock/") for name in tower.shapes):
        return big_vision.stacked_rules(config)
    return layout.rules(config)


def _target_names(config: vit.Config) -> list[str]:
    return [name for name, _ in named(vit.specs(config))]


def _inside(tensors: Tensors, prefix: str) -> Tensors:
    shapes = {name.removeprefix(prefix): s for name, s in tensors.shapes.items() if name.startswith(prefix)}
    return Tensors(tensors.path, shapes, lambda name: tensors.read(prefix + name))
