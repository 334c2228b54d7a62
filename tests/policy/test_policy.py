"""A policy with its weights in 8 bits beside itself."""

from pathlib import Path

import numpy as np

from polymath.model import polymath_v
from polymath.model.int8 import Quantised
from polymath.policy import Policy
from polymath.training.run import Run

from .conftest import observation
from .stored_runs import stored


def test_in_8_bits_the_answers_are_nearly_the_same(run: Run, params: polymath_v.Params, tmp_path: Path) -> None:
    path = stored(tmp_path / "arm", run, run.recipe, params)
    policy, small = Policy.load(path), Policy.load(path, dtype="int8")
    assert small.name == "arm-int8"
    assert isinstance(small.params.decoder.blocks.query, Quantised)
    seen = [observation(0), observation(1)]
    exact, rough = (np.stack([chunk.actions for chunk in p.act(seen)]) for p in (policy, small))
    assert 0 < np.linalg.norm(rough - exact) < 0.1 * np.linalg.norm(exact)
