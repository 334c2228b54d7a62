"""A run directory's contents without training: drawn weights and made-up statistics, with a window of three steps."""

from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest

from polymath import specs as weights
from polymath.data.robots.statistics import FieldStatistics, Statistics
from polymath.model import polymath_v
from polymath.presets.demo import TINY
from polymath.tokenizer import ControlTokens, Tokenizer, corpus
from polymath.tokenizer import train as train_tokenizer
from polymath.training.run import DataRecord, Run
from polymath.types import Embodiment, Observation

ROBOT = Embodiment(
    name="test-arm",
    slot=0,
    cameras=("front",),
    state_names=("x", "y", "z", "gripper"),
    action_names=("dx", "dy", "gripper"),
    gripper_dims=(2,),
    control_hz=20.0,
)
RECIPE = replace(TINY, layout=replace(TINY.layout, length=96, window=4, stride=2))


def field(width: int) -> FieldStatistics:
    low, zero, high = (-2.0,) * width, (0.0,) * width, (2.0,) * width
    return FieldStatistics(9, zero, (1.0,) * width, low, high, low, low, zero, high, high)


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    return train_tokenizer(corpus.shipped(), 2048, ControlTokens(512))


@pytest.fixture(scope="session")
def run(tokenizer: Tokenizer) -> Run:
    statistics = Statistics(state=field(4), action=field(3))
    return Run(Path("nowhere"), RECIPE, tokenizer, ROBOT, statistics, DataRecord((), ()))


@pytest.fixture(scope="session")
def params() -> polymath_v.Params:
    """Drawn weights with an action head and norms away from their trivial start."""
    drawn = jax.jit(lambda key: weights.init(polymath_v.specs(RECIPE.model), key))(jax.random.key(0))
    rng = np.random.default_rng(1)
    return jax.tree.map(lambda w: w + 0.05 * rng.normal(size=w.shape).astype(np.float32), drawn)


def observation(seed: int, instruction: str = "press the button") -> Observation:
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    return Observation({"front": image}, rng.normal(size=4).astype(np.float32), instruction, ROBOT.name)
