"""Pointing answers against the simulator's own projection and positions, recomputed from the written facts."""

import numpy as np
import pytest

from polymath.benchmarks.metaworld.captions.languages import LANGUAGES
from polymath.benchmarks.metaworld.captions.pointing import point
from polymath.benchmarks.metaworld.scene.tasks import TASKS
from polymath.benchmarks.metaworld.simulator import Simulator


@pytest.mark.parametrize("task", ["reach-left", "faucet-open"])
def test_the_answer_is_where_the_thing_is(task: str) -> None:
    simulation = Simulator(image_size=16)
    assert task in TASKS
    simulation.reset(task, "train", 5)
    facts = simulation.scene_description()
    asked = point(facts, "front", LANGUAGES["en"], np.random.default_rng(0))
    thing = next(t for t in facts.objects if LANGUAGES["en"].name(t) == asked.question)
    column, row, across, along = asked.targets[0]
    assert ((column + 1) * 32, (row + 1) * 32) == pytest.approx(thing.cells["front"], abs=0.01)
    offset = np.subtract(thing.position, facts.gripper.position)
    assert (0.25 * across, 0.25 * along, 0.25 * asked.targets[2][3]) == pytest.approx(tuple(offset), abs=1e-4)
    assert 0.2 * (asked.targets[2][2] + 1) == pytest.approx(facts.gripper.position[2], abs=1e-4)
    assert np.array(asked.mask).sum() == 12
