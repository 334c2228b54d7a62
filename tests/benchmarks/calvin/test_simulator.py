"""The official simulator through real workers: skipped, with the command that makes it, where there is none.

`make calvin-tests` runs these alone. Nothing here is compared with stored numbers of physics, which belong to one
pybullet on one machine: an episode is compared with itself after others, and in a process of its own.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from polymath.benchmarks.calvin.benchmark import BENCHMARK, worker_command
from polymath.benchmarks.calvin.chains import official, sentences
from polymath.evaluation.benchmark import Plan
from polymath.policy.session import EpisodeKey
from polymath.workers.pool import WorkerError, WorkerPool
from polymath_worker.protocol import State

PRESSED = EpisodeKey("chain", "D", 1)  # turn_off_led, then push_into_drawer


def pressing() -> np.ndarray:
    """Actions [30, 7] that press scene D's button at x -0.113 m, y -0.121 m: across, down, wait."""
    actions = np.zeros((30, 7), np.float32)
    actions[:, 6] = -1
    actions[:7, :3] = (np.array([-0.113, -0.121, 0.54]) - [0.026, -0.231, 0.571]) / 0.02 / 7
    actions[12:20, 2] = -0.9
    return actions


def pool_of(python: str, renderer: str = "tiny", image_size: int = 0) -> WorkerPool:
    plan = Plan(python=python, renderer=renderer, image_size=image_size, workers=1)
    return WorkerPool(worker_command(BENCHMARK.complete(plan)), 1)


@pytest.fixture(scope="module")
def pool(calvin_python: str) -> Iterator[WorkerPool]:
    with pool_of(calvin_python) as pool:
        yield pool


def begin(pool: WorkerPool, key: EpisodeKey) -> State:
    pool.reset(pool.places[0], *key)
    [(_, state)] = pool.receive()
    assert isinstance(state, State)
    return state


def act(pool: WorkerPool, actions: np.ndarray) -> State:
    pool.act(pool.places[0], actions)
    [(_, state)] = pool.receive()
    assert isinstance(state, State)
    return state


def wander(pool: WorkerPool, key: EpisodeKey) -> list[State]:
    """The states after each of three chunks of random actions, the same ones for one chain."""
    states, random = [begin(pool, key)], np.random.default_rng(key.seed)
    for _ in range(3):
        states.append(act(pool, random.uniform(-1, 1, (25, 7)).astype(np.float32)))
    return states


def equal(a: Sequence[State], b: Sequence[State]) -> bool:
    pairs = list(zip(a, b, strict=True))
    return all(
        np.array_equal(one.observation.state, other.observation.state)
        and all(np.array_equal(image, other.observation.images[name]) for name, image in one.observation.images.items())
        for one, other in pairs
    )


def play_pressed(pool: WorkerPool) -> tuple[State, State]:
    """Chain 1: the states when the first subtask is solved, and when the second has failed."""
    begin(pool, PRESSED)
    return act(pool, pressing()), act(pool, np.zeros((400, 7), np.float32))


def test_a_worker_says_what_it_is(pool: WorkerPool) -> None:
    assert pool.hello.renderer == "pybullet/tiny"
    assert len(pool.places) == 1
    assert pool.hello.max_steps == 5 * 360
    assert set(pool.hello.identity) == {"calvin_env", "pybullet", "action convention"}


def test_the_first_observation_is_that_of_the_benchmark(pool: WorkerPool) -> None:
    observation = begin(pool, EpisodeKey("chain", "D", 0)).observation
    assert {name: image.shape for name, image in observation.images.items()} == {
        "rgb_static": (200, 200, 3),
        "rgb_gripper": (84, 84, 3),
    }
    assert observation.instruction == sentences()[official()[0].subtasks[0]]
    assert observation.embodiment == BENCHMARK.embodiment.name
    # the official start pose: tool x y z, opening of the open gripper, its command (`initial.ROBOT`)
    np.testing.assert_allclose(observation.state[:3], [0.026, -0.231, 0.571], atol=2e-3)
    np.testing.assert_allclose(observation.state[[6, 14]], [0.08, 1.0], atol=1e-3)


def test_an_episode_does_not_depend_on_those_before_it(pool: WorkerPool, calvin_python: str) -> None:
    """Bit for bit, pictures included: after other chains, other scenes, and in a process of its own."""
    keys = [EpisodeKey("chain", "D", 7), EpisodeKey("chain", "B", 7), EpisodeKey("chain", "D", 12)]
    first = {key: wander(pool, key) for key in keys}
    again = {key: wander(pool, key) for key in reversed(keys)}
    assert all(equal(first[key], again[key]) for key in keys)
    assert not equal(first[keys[0]], first[keys[1]])
    with pool_of(calvin_python) as fresh:
        assert equal(first[keys[2]], wander(fresh, keys[2]))


def test_flags_of_a_chain_are_the_same_in_any_order(pool: WorkerPool) -> None:
    """The light is turned off, then nothing is done: one subtask of two attempted."""
    before = play_pressed(pool)
    wander(pool, EpisodeKey("chain", "D", 3))
    after = play_pressed(pool)
    assert equal(before, after)
    for _, failed in (before, after):
        assert failed.measures == {"turn_off_led": 1.0, "push_into_drawer": 0.0}
        assert (failed.score, failed.success, failed.done) == (1.0, False, True)
    assert before[1].steps == after[1].steps == before[0].steps + 360


def test_a_solved_subtask_interrupts_the_chunk_with_the_next_instruction(pool: WorkerPool) -> None:
    begin(pool, PRESSED)
    state = act(pool, pressing())
    assert (state.part, state.score, state.done) == (1, 1.0, False)
    assert state.executed == state.steps < len(pressing())
    assert state.observation.instruction == sentences()["push_into_drawer"]


def test_a_subtask_ends_after_360_steps(pool: WorkerPool) -> None:
    begin(pool, EpisodeKey("chain", "A", 0))
    state = act(pool, np.zeros((400, 7), np.float32))
    assert (state.done, state.success, state.score, state.steps) == (True, False, 0.0, 360)


def test_pictures_are_resized_as_asked(calvin_python: str) -> None:
    with pool_of(calvin_python, image_size=64) as small:
        images = begin(small, EpisodeKey("chain", "D", 0)).observation.images
    assert [image.shape for image in images.values()] == [(64, 64, 3)] * 2
    assert all(image.std() > 20 for image in images.values())


def test_an_action_of_another_width_is_named(pool: WorkerPool, calvin_python: str) -> None:
    with pool_of(calvin_python) as other:
        begin(other, PRESSED)
        other.act(other.places[0], np.zeros((1, 8), np.float32))
        with pytest.raises(WorkerError, match=r"shape \[8\], CALVIN takes 7 numbers"):
            other.receive()


def test_opengl_draws_other_pictures_of_the_same_physics(pool: WorkerPool, calvin_python: str) -> None:
    key = EpisodeKey("chain", "D", 7)
    try:
        with pool_of(calvin_python, "egl") as egl:
            drawn, again = wander(egl, key), wander(egl, key)
    except WorkerError as error:
        if "renderer egl: OpenGL without a display does not work here" not in str(error):
            raise
        pytest.skip(str(error))
    assert equal(drawn, again)
    tiny = wander(pool, key)
    assert [np.array_equal(a.observation.state, b.observation.state) for a, b in zip(drawn, tiny, strict=True)] == [
        True
    ] * 4
    assert not equal(drawn, tiny)
