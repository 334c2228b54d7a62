"""A policy with its weights in 8 bits beside itself."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from polymath.errors import DataError
from polymath.model import polymath_v
from polymath.model.int8 import Quantised
from polymath.policy import Policy
from polymath.training.run import Run

from .conftest import observation
from .stored_runs import stored


@pytest.mark.parametrize(
    ("observations", "shown"),
    [(observation(0), "a single Observation"), (None, "NoneType"), ({"state": 0}, "dict"), ("run", "str")],
)
def test_what_is_no_list_is_one_line(observations: Any, shown: str, run: Run, params: polymath_v.Params) -> None:
    with pytest.raises(DataError, match=rf"observations: {shown}; give a list: \[chunk\] = policy.act\("):
        Policy(run, params, "arm").act(observations)


def test_in_8_bits_the_answers_are_nearly_the_same(run: Run, params: polymath_v.Params, tmp_path: Path) -> None:
    path = stored(tmp_path / "arm", run, run.recipe, params)
    policy, small = Policy.load(path), Policy.load(path, dtype="int8")
    assert small.name == "arm-int8"
    assert isinstance(small.params.decoder.blocks.query, Quantised)
    seen = [observation(0), observation(1)]
    exact, rough = (np.stack([chunk.actions for chunk in p.act(seen)]) for p in (policy, small))
    assert 0 < np.linalg.norm(rough - exact) < 0.1 * np.linalg.norm(exact)
