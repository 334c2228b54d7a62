"""Loss curves of the training step on given meshes, as JSON on standard output; run by tests in its own process.

usage: curves.py '[{"mesh": {"data": 8}, "execution": {}, "steps": 20}, …]'
"""

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np

from polymath.data.sequences.sequence import Layout
from polymath.model import action_head, decoder, polymath_v, resampler, vit
from polymath.model.execution import Execution
from polymath.sharding import mesh as meshes
from polymath.sharding.placement import partitioner
from polymath.training import losses, optimizer
from polymath.training.checkpoints import Checkpoints
from polymath.training.placement import batch_on_mesh, own_rows
from polymath.training.processes import start_processes
from polymath.training.step import abstract_state, make_step, state_on_mesh
from polymath.types import Batch

MODEL = polymath_v.Config(
    vit=vit.Config(image_size=16, patch=8, width=32, depth=2, heads=2, mlp=64),
    resampler=resampler.Config(width=32, latents=4, depth=1, heads=2, head_width=16, mlp=64),
    decoder=decoder.Config(vocabulary=512, width=64, depth=3, heads=8, kv_heads=4, head_width=16, mlp=128),
    action_head=action_head.Config(width=64, mlp=64, action_dim=4),
    state_dim=4,
)
LAYOUT = Layout(length=48, latents_per_image=4, image_size=16, max_images=2, max_control_steps=2, chunk_length=4)
OPTIMIZER = optimizer.Config(
    peak_learning_rate=3e-3, warmup_steps=4, momentum=0.9, groups=((r"vit\..*", 0.0), (r"(?!vit\.).*", 1.0))
)
ROWS = 8


def random_batch(seed: int, rows: int = ROWS, layout: Layout = LAYOUT, vocabulary: int = 512) -> Batch:
    """Two documents and padding in every row; everything random, nothing that could not be drawn by the loader."""
    rng, length = np.random.default_rng(seed), layout.length
    segments = np.repeat([[1] * (length // 2) + [2] * (length // 3)], rows, 0)
    segments = np.pad(segments, ((0, 0), (0, length - segments.shape[1]))).astype(np.int32)
    start = np.maximum.accumulate(np.where(np.diff(segments, axis=1, prepend=-1) != 0, np.arange(length), 0), axis=1)
    images, steps, chunk = layout.max_images, layout.max_control_steps, layout.chunk_length
    image_index = np.full((rows, length), -1, np.int32)
    image_index[:, 1 : 1 + layout.latents_per_image] = np.arange(layout.latents_per_image)
    state_index = np.full((rows, length), -1, np.int32)
    state_index[:, 8] = 0
    return Batch(
        tokens=rng.integers(0, vocabulary, (rows, length), dtype=np.int32),
        segment_ids=segments,
        positions=(np.arange(length) - start).astype(np.int32),
        loss_weights=rng.integers(0, 2, (rows, length)).astype(np.float32),
        images=rng.integers(0, 256, (rows, images, layout.image_size, layout.image_size, 3), dtype=np.uint8),
        image_index=image_index,
        states=rng.normal(size=(rows, steps, layout.state_dim)).astype(np.float32),
        state_index=state_index,
        actions=rng.uniform(-1, 1, (rows, steps, chunk, layout.action_dim)).astype(np.float32),
        action_mask=rng.integers(0, 2, (rows, steps, chunk, layout.action_dim)).astype(bool),
        readout_positions=np.broadcast_to(9 + np.arange(chunk, dtype=np.int32), (rows, steps, chunk)),
    )


def curve(
    mesh: dict[str, Any],
    execution: dict[str, Any],
    steps: int,
    first: int = 0,
    save: str | None = None,
    restore: str | None = None,
) -> list[float]:
    """Losses of the steps first … first + steps - 1; from the checkpoint in `restore`, and into the one in `save`."""
    spread = partitioner(meshes.Config(**mesh)) if mesh else None
    run = replace(Execution(dtype="float32", remat="none"), **execution)
    step = make_step(MODEL, OPTIMIZER, losses.Config(tile=64), run, 100, spread)
    if restore is None:
        state = state_on_mesh(MODEL, OPTIMIZER, jax.random.key(0), spread)
    else:
        with Checkpoints(Path(restore), every=1) as checkpoints:
            state = checkpoints.restore(abstract_state(MODEL, OPTIMIZER, spread))
    own, values = own_rows(ROWS, spread), []
    for number in range(first, first + steps):
        batch = random_batch(number)
        batch = batch if own is None else Batch(*(x[own[0]] for x in batch))
        state, metrics = step(state, batch_on_mesh(batch, spread, own))
        values.append(float(metrics["loss"]))
    if save is not None:
        with Checkpoints(Path(save), every=1) as checkpoints:
            checkpoints.save(state, now=True)
    return values


if __name__ == "__main__":
    start_processes(os.environ)
    print(json.dumps([curve(**request) for request in json.loads(sys.argv[1])]))
