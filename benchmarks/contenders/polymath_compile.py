"""Our training step with the decoder of `benchmarks/maxtext.py`. `polymath_compile.py OUT DEPTH REMAT GRADIENTS`.

Pictures, resampler and action head are in the step, at sizes that do not count: one picture of 28 pixels a sequence.
"""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from compiled_step import store

from polymath.model import action_head, polymath_v, resampler, vit
from polymath.presets import preset
from polymath.training.ahead import compile_step
from polymath.training.recipe import Recipe

CHIPS = 512


def recipe(depth: int, remat: Any, gradients: Any) -> Recipe:
    """The reference recipe with `depth` layers of its decoder and next to no vision; all rows at once, and gradients
    reduced by collectives alone, as MaxText does.
    """
    base = preset("polymath_v_30b")
    decoder = replace(base.model.decoder, depth=depth)
    model = polymath_v.Config(
        vit=vit.Config(image_size=28, patch=14, width=512, depth=1, heads=4, mlp=1024, final_norm=False),
        resampler=resampler.Config(width=512, latents=16, depth=1, heads=4, head_width=128, mlp=1024),
        decoder=decoder,
        action_head=action_head.Config(decoder.width, 512, base.layout.action_dim),
        state_dim=base.layout.state_dim,
    )
    layout = replace(base.layout, latents_per_image=16, image_size=28, max_images=1, max_control_steps=1)
    execution = replace(
        base.execution, remat=remat, gradient_dtype=gradients, micro_batches=1, gradient_reduction="scatter"
    )
    return replace(base, model=model, layout=layout, execution=execution)


def main(out: Path, depth: int, remat: str, gradients: str) -> None:
    store(compile_step(recipe(depth, remat, gradients), (1, CHIPS, 1), "v4:8x8x8"), out)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4])
