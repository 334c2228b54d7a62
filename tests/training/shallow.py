"""The training step of a shallow model, compiled by libtpu for a torus of 64 chips; its HLO on standard output.

usage: shallow.py ['{"gradient_dtype": "bfloat16", …}']      fields of Execution
"""

import json
import sys
from dataclasses import replace

from polymath.data.sequences.sequence import Layout
from polymath.model import action_head, decoder, polymath_v, resampler, vit
from polymath.model.execution import Execution
from polymath.presets import preset
from polymath.training import losses
from polymath.training.ahead import compile_step
from polymath.training.recipe import Recipe

TOPOLOGY, CHIPS, DEPTH = "v4:4x4x4", 64, 3  # no other loop of the step runs three times
WIDTH, HEADS, KV_HEADS, HEAD_WIDTH, MLP, VOCABULARY, LENGTH = 1024, 16, 4, 128, 2048, 32_768, 1024


def shallow(execution: Execution) -> Recipe:
    """The reference recipe in small: every axis divides over 64 chips as the reference's does over 512."""
    model = polymath_v.Config(
        vit=vit.Config(image_size=28, patch=14, width=256, depth=1, heads=4, mlp=1024, final_norm=False),
        resampler=resampler.Config(width=256, latents=16, depth=1, heads=4, head_width=64, mlp=1024),
        decoder=decoder.Config(VOCABULARY, WIDTH, DEPTH, HEADS, KV_HEADS, HEAD_WIDTH, MLP),
        action_head=action_head.Config(WIDTH, 1024, 16),
        state_dim=32,
    )
    layout = Layout(LENGTH, 16, 28, max_images=2, max_control_steps=2, chunk_length=4, action_dim=16, state_dim=32)
    base = preset("polymath_v_30b")
    robot = replace(base.robot, rows=2 * CHIPS, loss=losses.Config(tile=512))
    return replace(base, model=model, layout=layout, robot=robot, execution=execution)


if __name__ == "__main__":
    fields = json.loads(sys.argv[1]) if len(sys.argv) > 1 else {}
    step = compile_step(shallow(Execution(**{"dtype": "bfloat16", "remat": "full", **fields})), (1, CHIPS, 1), TOPOLOGY)
    print(step.as_text())
