"""Our resampler on open_flamingo's weights against its own `PerceiverResampler`, one picture and a clip of frames.

python tests/oracles/flamingo.py             at the width of ViT-L/14
python tests/oracles/flamingo.py --record    the same at toy size, into tests/fixtures/flamingo
"""

import argparse
import importlib.util
import json
import tempfile
from dataclasses import asdict
from pathlib import Path

import jax
import numpy as np
import torch
from common import FIXTURES, check, randomise
from safetensors.torch import save_file

from polymath.model import resampler
from polymath.model.weights import load_resampler


def published() -> type[torch.nn.Module]:
    """The class of the published package, without importing the package (it pins an old torch and transformers)."""
    root = Path(importlib.util.find_spec("open_flamingo").submodule_search_locations[0])  # type: ignore[union-attr,index]
    spec = importlib.util.spec_from_file_location("open_flamingo_helpers", root / "src" / "helpers.py")
    module = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
    spec.loader.exec_module(module)  # type: ignore[union-attr]
    return module.PerceiverResampler


def compare(config: resampler.Config, patches: int, path: Path) -> dict[str, np.ndarray]:
    theirs = published()(
        dim=config.width,
        depth=config.depth,
        dim_head=config.head_width,
        heads=config.heads,
        num_latents=config.latents,
        max_num_frames=config.frames,
        ff_mult=config.mlp // config.width,
    )
    randomise(theirs)
    save_file({name: w.contiguous() for name, w in theirs.state_dict().items()}, path)
    frames = config.frames or 1
    media = np.random.default_rng(1).normal(size=(2, frames * patches, config.width)).astype(np.float32)
    with torch.no_grad():
        answer = theirs(torch.from_numpy(media).reshape(2, 1, frames, patches, -1))[:, 0].numpy()
    params = load_resampler(path, config)
    ours = jax.jit(lambda media: resampler.forward(params, config, media))(media)
    check(f"resampler, width {config.width}, {frames} frames", ours, answer)
    return {"media": media, "latents": answer}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", action="store_true")
    if not parser.parse_args().record:
        with tempfile.TemporaryDirectory() as folder:
            for frames in (None, 4):
                wide = resampler.Config(1024, latents=64, depth=6, heads=8, head_width=64, mlp=4096, frames=frames)
                compare(wide, 256, Path(folder) / "model.safetensors")
        return
    folder = FIXTURES / "flamingo"
    folder.mkdir(parents=True, exist_ok=True)
    for name, frames in (("picture", None), ("clip", 3)):
        toy = resampler.Config(24, latents=4, depth=2, heads=2, head_width=8, mlp=96, frames=frames)
        np.savez_compressed(folder / f"{name}.io.npz", **compare(toy, 5, folder / f"{name}.safetensors"))
        (folder / f"{name}.json").write_text(json.dumps(asdict(toy), indent=1) + "\n")


if __name__ == "__main__":
    main()
