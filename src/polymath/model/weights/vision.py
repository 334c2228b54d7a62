"""A published vision transformer -> `vit.Params`; the layout is told from the names in the file."""

from dataclasses import replace
from pathlib import Path

import jax.numpy as jnp
from jax.typing import DTypeLike

from polymath.errors import CheckpointError
from polymath.model import vit
from polymath.model.weights import big_vision, hf_clip, open_clip, timm
from polymath.model.weights.layout import Layout
from polymath.model.weights.rules import Rules, all_names, assemble, check_names
from polymath.model.weights.tensors import Tensors, open_tensors
from polymath.model.weights.vision_config import check_description
from polymath.specs import named

LAYOUTS = (hf_clip.LAYOUT, open_clip.LAYOUT, timm.LAYOUT, big_vision.LAYOUT)


def load_vit(
    path: Path, config: vit.Config, dtype: DTypeLike = jnp.float32, shardings: vit.Params | None = None
) -> vit.Params:
    """The weights of `config`, streamed onto `shardings` (a tree like `vit.specs(config)`; default: one device).

    `path`: a .safetensors file, a directory of shards (HF CLIP, HF SigLIP, open_clip, timm) or a big_vision .npz; a
    text tower, projections and pooling heads in it are left alone. Position embeddings of another resolution are
    interpolated. The files that describe the weights in their folder are checked too (`vision_config`). Raises
    CheckpointError for a missing or extra weight and for another shape, saying what the file looks like, for a folder
    whose config.json disagrees with `config`, and for a file that is truncated or of no known layout; ConfigError for
    a config.json that is damaged or has a field that is not known.
    """
    tensors = open_tensors(path)
    layout, prefix = detect(tensors)
    tower = _inside(tensors, prefix)
    check_description(tensors.path, layout, config, _positions(layout, tower))
    hint = f"{layout.describe(tensors.shapes, prefix)}; set model.vit to its sizes"
    rules = _rules(layout, config, tower)
    switched_on = replace(config, final_norm=True)  # a final norm that the model leaves out is no extra weight
    expected = all_names({name: rules[name] for name in _target_names(switched_on)}, config.depth)
    specs = vit.specs(config)
    check_names(rules, specs, tower, {*expected, *filter(layout.ignores, tower.shapes)}, hint)
    return assemble(specs, rules, tower, dtype, shardings, hint)


def _positions(layout: Layout, tower: Tensors) -> int | None:
    """Rows of the file's table of position embeddings."""
    shape = tower.shapes.get(layout.positions)
    return shape[-2] if shape is not None and len(shape) > 1 else None


def detect(tensors: Tensors) -> tuple[Layout, str]:
    """The file's layout and where its vision tower starts. Raises CheckpointError for none of the known ones."""
    for layout in LAYOUTS:
        prefix = layout.prefix(tensors.shapes)
        if prefix is not None:
            return layout, prefix
    layouts = ", ".join(f"{layout.name} ({layout.anchor})" for layout in LAYOUTS)
    first = ", ".join(sorted(tensors.shapes)[:3])
    raise CheckpointError(
        f"{tensors.path}: no vision transformer of a known layout; known: {layouts}; the file begins with {first}"
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
