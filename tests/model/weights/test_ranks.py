"""A tensor with too few axes, in any layout and any place, is one line that names it. The files are the fixtures."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from polymath import config as configs
from polymath.errors import CheckpointError
from polymath.model import resampler, vit
from polymath.model.weights import decoder_config, load_decoder, load_resampler, load_vit

FIXTURES = Path(__file__).parents[2] / "fixtures"
LLAMA = FIXTURES / "llama" / "plain"
Load = Callable[[Path], Any]


def vision_loader(name: str) -> Load:
    settings = json.loads((FIXTURES / "vision" / f"{name}.json").read_text())
    config = configs.from_dict(vit.Config, settings["config"])
    return lambda path: load_vit(path, config)


def llama_loader() -> Load:
    config = decoder_config(LLAMA / "config.json")
    return lambda path: load_decoder(path, config)


def flamingo_loader() -> Load:
    config = configs.load(resampler.Config, FIXTURES / "flamingo" / "picture.json")
    return lambda path: load_resampler(path, config)


LAYOUTS: dict[str, tuple[Path, Callable[[], Load]]] = {
    "llama": (LLAMA / "model.safetensors", llama_loader),
    "flamingo": (FIXTURES / "flamingo" / "picture.safetensors", flamingo_loader),
    "timm": (FIXTURES / "vision" / "timm.safetensors", lambda: vision_loader("timm")),
    "open_clip": (FIXTURES / "vision" / "open_clip.safetensors", lambda: vision_loader("open_clip")),
    "big_vision": (FIXTURES / "vision" / "big_vision.npz", lambda: vision_loader("big_vision")),
    "stacked": (FIXTURES / "vision" / "big_vision_stacked.npz", lambda: vision_loader("big_vision_stacked")),
}


def read(path: Path) -> dict[str, np.ndarray]:
    return dict(np.load(path)) if path.suffix == ".npz" else load_file(path)


def write(path: Path, tensors: Mapping[str, np.ndarray]) -> None:
    if path.suffix == ".npz":
        np.savez(path, **tensors)
    else:
        save_file(dict(tensors), path)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_scalar_or_a_vector_in_the_place_of_a_weight(tmp_path: Path, layout: str) -> None:
    source, loader = LAYOUTS[layout]
    load, tensors, path = loader(), read(source), tmp_path / source.name
    for name, tensor in tensors.items():
        if name == "visual.proj" or "1" in name.split("."):  # nothing reads it; the second layer is as the first
            continue
        for wrong in (np.array(3.0, np.float32), np.ones(tensor.shape[0], np.float32)):
            if wrong.shape == tensor.shape:
                continue
            write(path, {**tensors, name: wrong})
            with pytest.raises(CheckpointError) as raised:
                load(path)
            assert name.removeprefix("visual.").removeprefix("params/img/") in str(raised.value)
            assert "\n" not in str(raised.value)


@pytest.mark.parametrize("layers", [1, 3])
def test_a_stack_of_more_or_fewer_layers_than_the_model(tmp_path: Path, layers: int) -> None:
    """The fixture has two; of a longer stack the first ones would be another model."""
    source, loader = LAYOUTS["stacked"]
    tensors = {
        name: np.concatenate([tensor, tensor])[:layers] if "encoderblock/" in name else tensor
        for name, tensor in read(source).items()
    }
    write(tmp_path / source.name, tensors)
    with pytest.raises(CheckpointError, match=rf"LayerNorm_0/scale \[{layers}, 40\] cannot become blocks\.norm1_scale"):
        loader()(tmp_path / source.name)
