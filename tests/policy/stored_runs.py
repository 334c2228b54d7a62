"""Run directories of weights that nothing has trained."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp

from polymath import config as configs
from polymath.model import polymath_v
from polymath.training.checkpoints import Checkpoints
from polymath.training.recipe import Recipe
from polymath.training.run import Run
from polymath.training.step import init_state


def stored(path: Path, run: Run, recipe: Recipe, params: polymath_v.Params) -> Path:
    """A run directory whose robot phase stands at step 3."""
    path.mkdir()
    run.tokenizer.save(path / "tokenizer.json")
    for name, value in (
        ("embodiment", run.embodiment),
        ("statistics", run.statistics),
        ("data", run.data),
        ("config", recipe),
    ):
        configs.save(value, path / f"{name}.json")
    state = init_state(recipe.model, recipe.robot.optimizer, jax.tree.map(jnp.asarray, params))
    with Checkpoints(path / "checkpoints" / "robot", every=1) as checkpoints:
        checkpoints.save(state._replace(step=jnp.asarray(3, jnp.int32)), now=True)
    line = {"phase": "robot", "step": 3, "cross_entropy": 1.25, "mse": 0.125, "token_accuracy": 0.5}
    (path / "metrics.jsonl").write_text(json.dumps(line) + "\n")
    return path
