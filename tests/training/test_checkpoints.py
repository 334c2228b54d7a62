"""How arrays lie in a checkpoint, and how much of one is read at a time."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp

from polymath.training.checkpoints import CHUNK_BYTES, Checkpoints, reading_limit
from polymath.training.optimizer import State as OptimizerState
from polymath.training.step import State

LARGE = (3, 2048, 9 * 1024)  # 226 MB in float32: no chunk holds it


def state(shape: tuple[int, ...]) -> Any:
    weight = jnp.asarray(np.random.default_rng(0).normal(size=shape).astype(np.float32))
    small, zero = jnp.arange(5.0, dtype=jnp.bfloat16), jnp.zeros((), jnp.int32)
    return State(zero + 7, zero, {"weight": weight}, {"small": small}, OptimizerState(zero, {}, None))  # type: ignore[arg-type]


def test_large_arrays_are_cut_into_chunks_and_come_back_the_same(tmp_path: Path) -> None:
    saved = state(LARGE)
    with Checkpoints(tmp_path, every=1) as checkpoints:
        checkpoints.save(saved, now=True)
        found = checkpoints.restore(jax.eval_shape(lambda: saved))
    assert all(map(np.array_equal, jax.tree.leaves(saved), jax.tree.leaves(found)))
    with ocp.CheckpointManager(tmp_path, item_handlers=ocp.StandardCheckpointHandler()) as manager:
        large = manager.item_metadata(7).tree["trainable"]["weight"]
    assert large.shape == LARGE
    assert 4 * np.prod(large.storage.chunk_shape) <= CHUNK_BYTES


def test_the_largest_array_may_be_on_its_way_alone() -> None:
    """The restored array above also shows it: orbax refuses to read an array that is not below its limit."""
    assert round(1e9 * reading_limit(jax.eval_shape(lambda: state(LARGE)))) == 4 * np.prod(LARGE) + 1


def test_float32_comes_back_as_bfloat16_where_that_is_wanted(tmp_path: Path) -> None:
    saved = state((1024, 1024))
    with Checkpoints(tmp_path, every=1) as checkpoints:
        checkpoints.save(saved, now=True)
        wanted = {"weight": jax.ShapeDtypeStruct((1024, 1024), jnp.bfloat16)}
        found = checkpoints.restore(jax.eval_shape(lambda: saved)._replace(trainable=wanted))
    assert np.array_equal(found.trainable["weight"], saved.trainable["weight"].astype(jnp.bfloat16))
