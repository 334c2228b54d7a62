"""Weights to start from on a mesh of two devices, as JSON on standard output; run by a test in its own process.

usage: start_on_mesh.py TOKENIZER LLAMA_FOLDER RESAMPLER_JSON RESAMPLER_FILE
"""

import json
import sys
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np

from polymath import config as configs
from polymath.data.sequences.sequence import Layout
from polymath.model import polymath_v, resampler, vit
from polymath.presets.demo import TINY
from polymath.sharding import mesh as meshes
from polymath.sharding.placement import partitioner
from polymath.specs import named
from polymath.tokenizer import Tokenizer
from polymath.training.fitting import for_tokenizer
from polymath.training.language import with_decoder_of
from polymath.training.start import Start, starting_weights


def main(tokenizer: str, language: str, settings: str, weights: str) -> None:
    looking = configs.load(resampler.Config, Path(settings))
    model = replace(
        TINY.model, vit=vit.Config(image_size=16, patch=8, width=24, depth=2, heads=2, mlp=96), resampler=looking
    )
    layout = Layout(length=64, latents_per_image=looking.latents, image_size=16)
    ours = Tokenizer.load(Path(tokenizer))
    recipe = for_tokenizer(with_decoder_of(replace(TINY, model=model, layout=layout), Path(language)), ours)
    start = Start(published={"resampler": Path(weights), "decoder": Path(language)})
    mesh = partitioner(meshes.Config(data=2))
    alone = dict(named(starting_weights(recipe, start, ours)))
    spread = dict(named(starting_weights(recipe, start, ours, mesh)))
    places = dict(named(mesh.shardings(polymath_v.specs(recipe.model))))
    report = {
        "different": [name for name in alone if not np.array_equal(alone[name], spread[name])],
        "misplaced": [
            name for name in alone if not spread[name].sharding.is_equivalent_to(places[name], alone[name].ndim)
        ],
        "cut": sum(not place.is_fully_replicated for place in places.values()),
        "devices": jax.device_count(),
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main(*sys.argv[1:])
