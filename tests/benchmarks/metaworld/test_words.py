"""Splits that change the words alone: scenes are those of `seen`, and Meta-World's own rules say what was solved."""

from collections.abc import Callable

import numpy as np
import pytest

from polymath.benchmarks.metaworld.scene.tasks import TASKS, opposite
from polymath.benchmarks.metaworld.simulator import Simulator
from polymath.benchmarks.metaworld.worker import ORIGINAL, REWORDED, SWAPPED, MetaWorld
from polymath_worker import Outcome

FAMILIES = {task.family.name: task.name for task in TASKS.values()}


@pytest.fixture(scope="module")
def worker() -> MetaWorld:
    return MetaWorld("ray", 16, ("front",))


@pytest.mark.parametrize("split", [REWORDED, SWAPPED])
def test_scenes_are_those_of_seen_under_other_words(worker: MetaWorld, split: str) -> None:
    for name, task in TASKS.items():
        seen, other = worker.reset(name, "seen", 5), worker.reset(name, split, 5)
        np.testing.assert_array_equal(seen.images["front"], other.images["front"])
        np.testing.assert_array_equal(seen.state, other.state)
        assert seen.instruction in task.instructions
        assert other.instruction in (task.novel_instructions if split == REWORDED else opposite(task).instructions)


def test_novel_words_are_no_demonstrations_words() -> None:
    trained = {words for task in TASKS.values() for words in task.instructions}
    novel = [words for task in TASKS.values() for words in task.novel_instructions]
    assert len(set(novel)) == len(novel)
    assert not trained & set(novel)
    for task in TASKS.values():
        assert opposite(opposite(task)) == task
        assert task.side == "only" or all(task.side in words for words in task.novel_instructions)


def played(worker: MetaWorld, task: str, seed: int, act: Callable[[], np.ndarray]) -> Outcome:
    worker.reset(task, SWAPPED, seed)
    while not (outcome := worker.step(act())).done and not outcome.measures[ORIGINAL]:
        pass
    return outcome


@pytest.mark.parametrize("name", FAMILIES.values(), ids=FAMILIES.keys())
def test_who_follows_the_words_succeeds_and_who_follows_the_scene_is_noticed(worker: MetaWorld, name: str) -> None:
    """The expert of the words' task, then that of the scene's own task beside the worker in a simulator of its own."""
    outcome = played(worker, name, 4, lambda: worker._simulator.expert_action())
    assert (outcome.success, outcome.measures) == (True, {ORIGINAL: 0.0})
    own = Simulator(image_size=16)
    own.reset(name, "train", 4)
    solved: list[bool] = []

    def act() -> np.ndarray:
        action = own.expert_action()
        solved.append(own.step(action).success)
        return action

    outcome = played(worker, name, 4, act)
    assert (outcome.success, outcome.measures) == (False, {ORIGINAL: 1.0})
    assert solved[-1]  # both rules say so at the same control step
    assert not any(solved[:-1])


def test_the_measure_is_of_one_episode(worker: MetaWorld) -> None:
    worker.reset("reach-left", "seen", 4)
    assert worker.step(np.zeros(4)).measures == {}
    worker.reset("reach-left", SWAPPED, 4)
    assert worker.step(np.zeros(4)).measures == {ORIGINAL: 0.0}
