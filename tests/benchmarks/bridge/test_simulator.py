"""The official environments in a worker; skipped where no interpreter has them (see `polymath setup bridge`)."""

from collections.abc import Iterator

import numpy as np
import pytest

from polymath.benchmarks.bridge.benchmark import BENCHMARK, EGGPLANT
from polymath.errors import ConfigError
from polymath.evaluation.benchmark import Plan
from polymath.workers.pool import Place, WorkerError, WorkerPool

CARROT = "widowx_carrot_on_plate"
STILL_OPEN = np.array([[0, 0, 0, 0, 0, 0, 1]], np.float32)
PLACE = Place(0, 0)


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    options = {"scenes": "2"}
    plan = BENCHMARK.complete(Plan(image_size=64, cameras=("image_0", "image_1"), options=options, workers=1, slots=1))
    try:
        command = BENCHMARK.worker(plan)
    except ConfigError as error:
        pytest.skip(f"no simulator here: {error}")
    with WorkerPool(command, 1) as pool:
        yield pool


def test_the_worker_says_what_it_replaces_and_its_conventions(pool: WorkerPool) -> None:
    assert pool.hello.control_hz == 5
    assert pool.hello.renderer.startswith("sapien-2.2.2-")
    assert {"sapien", "actions", "pictures", "stand-ins"} <= set(pool.hello.identity)


def test_an_episode_runs_to_its_horizon_and_says_what_was_grasped(pool: WorkerPool) -> None:
    pool.reset(PLACE, CARROT, "visual_matching", 0)
    [(_, first)] = pool.receive()
    assert first.observation.instruction == "put carrot on plate"
    assert first.observation.images["image_0"].shape == (64, 64, 3)
    assert first.observation.images["image_0"].std() > 10  # a photograph, not one colour
    assert not first.observation.images["image_1"].any()  # a view that is missing is black, as in BridgeData
    # the gripper's start in BridgeData's frame: SIMPLER's joint angles through the robot's kinematics
    np.testing.assert_allclose(first.observation.state, [0.292, -0.006, 0.135, 0, 0.057, -0.019, 1], atol=0.006)
    pool.act(PLACE, np.repeat(STILL_OPEN, 59, axis=0))
    [(_, before)] = pool.receive()
    assert (before.steps, before.done) == (59, False)
    pool.act(PLACE, STILL_OPEN)
    [(_, last)] = pool.receive()
    assert (last.steps, last.done, last.success) == (60, True, False)
    assert last.measures == {"grasped": 0, "held": 0, "moved": 0, "solved_once": 0}


def test_an_action_moves_the_gripper_by_its_metres_and_radians(pool: WorkerPool) -> None:
    pool.reset(PLACE, CARROT, "visual_matching", 0)
    [(_, first)] = pool.receive()
    delta = np.array([0.02, 0.01, -0.01, 0.02, -0.03, 0.1, -1], np.float32)
    pool.act(PLACE, np.concatenate([delta[None], np.repeat([[0, 0, 0, 0, 0, 0, -1]], 5, axis=0)]).astype(np.float32))
    [(_, moved)] = pool.receive()
    change = moved.observation.state - first.observation.state
    np.testing.assert_allclose(change[:3], delta[:3], atol=0.006)
    np.testing.assert_allclose(change[3:6], delta[3:6], atol=0.04)
    assert moved.observation.state[6] < 0.1  # closed


def test_the_same_start_state_is_the_same_episode_whatever_was_played_before(pool: WorkerPool) -> None:
    states = []
    for task in (CARROT, "widowx_stack_cube", CARROT):
        pool.reset(PLACE, task, "visual_matching", 5)
        pool.receive()
        pool.act(PLACE, np.repeat([[0.01, 0.01, -0.02, 0, 0, 0.05, -1]], 8, axis=0).astype(np.float32))
        [(_, state)] = pool.receive()
        states.append(state.observation)
    np.testing.assert_array_equal(states[0].state, states[2].state)
    np.testing.assert_array_equal(states[0].images["image_0"], states[2].images["image_0"])


def test_the_expert_stacks_the_cube_and_its_demonstration_can_be_replayed(pool: WorkerPool) -> None:
    pool.demonstrate(PLACE, "widowx_stack_cube", "visual_matching", 3, 0.2)
    [(_, demonstration)] = pool.receive_demonstrations()
    assert demonstration.success
    length = len(demonstration.actions)
    assert demonstration.states.shape == (length, 7)
    assert demonstration.images["image_0"].shape == (length, 64, 64, 3)
    places, camera = demonstration.extras["places"], demonstration.extras["camera"]
    assert places.shape == (length, 2, 5)
    np.testing.assert_allclose(places[-1, 0, :2], places[-1, 1, :2], atol=0.02)  # one block on the other,
    assert places[-1, 0, 2] - places[-1, 1, 2] == pytest.approx(0.03, abs=0.005)  # of 3 cm
    u, v, w = camera @ np.append(places[0, 1, :3], 1.0)
    column, row = (int((u / w + 1) * 32), int((v / w + 1) * 32))
    red, green, blue = demonstration.images["image_0"][0][row, column].astype(int)
    assert min(red, green) > blue + 30  # the picture is yellow where the yellow block is
    assert demonstration.extras["scene_pictures"].shape == (2, 64, 64, 3)
    assert demonstration.extras["scene_places"].shape == (2, 2, 5)
    assert demonstration.extras["scene_states"].shape == (2, 7)
    pool.reset(PLACE, "widowx_stack_cube", "visual_matching", 0, initial=demonstration.initial)
    [(_, first)] = pool.receive()
    np.testing.assert_array_equal(first.observation.state, demonstration.states[0])
    np.testing.assert_array_equal(first.observation.images["image_0"], demonstration.images["image_0"][0])


def test_the_eggplant_needs_its_mesh_or_a_word(pool: WorkerPool) -> None:
    if "painted" in pool.hello.identity["stand-ins"] or "v2.glb" not in pool.hello.identity["stand-ins"]:
        pytest.skip("this checkout has the eggplant")
    with pytest.raises(WorkerError, match="eggplant=stand-in"):
        pool.reset(PLACE, EGGPLANT, "visual_matching", 0)
        pool.receive()
