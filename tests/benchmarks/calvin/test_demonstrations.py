"""Demonstrations in the official simulator, where its environment is found; otherwise these tests are skipped."""

import numpy as np
import pytest

from polymath.benchmarks.calvin.benchmark import BENCHMARK, worker_command
from polymath.evaluation.benchmark import Plan
from polymath.workers.pool import WorkerPool
from polymath_worker.protocol import Demonstration, State


@pytest.fixture
def pool(calvin_python: str):
    plan = Plan(python=calvin_python, image_size=16, cameras=("rgb_static",), options={"picture_every": "4"})
    with WorkerPool(worker_command(BENCHMARK.complete(plan)), 1) as running:
        yield running


def demonstration(pool: WorkerPool, task: str, seed: int, noise: float = 0.0) -> Demonstration:
    pool.demonstrate(pool.places[0], task, "D", seed, noise)
    [(_, answer)] = pool.receive_demonstrations()
    assert isinstance(answer, Demonstration)
    return answer


def test_a_demonstration_is_always_the_same_one_and_can_be_played_again(pool: WorkerPool) -> None:
    """Also after another episode in the same process; the replay goes through reset_to and act, as a policy does."""
    first = demonstration(pool, "turn_on_led", 0)
    demonstration(pool, "close_drawer", 1, 0.3)
    again = demonstration(pool, "turn_on_led", 0)
    assert first.success
    assert first.instruction == "press the button to turn on the led light"
    for name in ("states", "actions", "initial"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    np.testing.assert_array_equal(first.images["rgb_static"], again.images["rgb_static"])

    pool.reset(pool.places[0], "turn_on_led", "D", 0, initial=first.initial)
    [(_, begun)] = pool.receive()
    assert isinstance(begun, State)
    np.testing.assert_array_equal(begun.observation.state, first.states[0])
    np.testing.assert_array_equal(begun.observation.images["rgb_static"], first.images["rgb_static"][0])
    pool.act(pool.places[0], first.actions)
    [(_, ended)] = pool.receive()
    assert isinstance(ended, State)
    assert (ended.success, ended.steps) == (True, len(first.actions))


def test_shapes_and_pictures_of_a_slow_camera(pool: WorkerPool) -> None:
    shown = demonstration(pool, "place_in_drawer", 2)
    steps = len(shown.actions)
    assert shown.success
    assert shown.states.shape == (steps, 15)
    assert shown.actions.shape == (steps, 7)
    assert shown.extras["scene_obs"].shape == (steps, 24)
    assert shown.extras["actions"].shape == (steps, 7)
    pictures = shown.images["rgb_static"]
    assert pictures.shape == (steps, 16, 16, 3)
    for step in range(steps):
        np.testing.assert_array_equal(pictures[step], pictures[step - step % 4])
    assert set(np.unique(shown.actions[:, 6])) == {-1.0, 1.0}  # it begins with the block in the hand and lets go
    assert shown.actions[0, 6] == -1.0
