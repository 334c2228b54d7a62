"""Benchmarks under Gymnasium, over the toy simulator's worker process and over Meta-World's."""

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import polymath
import polymath.gym
from polymath.benchmarks import registry
from polymath.errors import ConfigError, DataError
from polymath.evaluation.benchmark import Benchmark, Plan
from polymath.gym import BenchmarkEnv
from polymath.policy.session import EpisodeKey
from polymath.workers.pool import WorkerError, WorkerPool
from polymath.workers.process import WorkerCommand

POINT = polymath.Embodiment("point", 20, ("top",), ("x", "y"), ("dx", "dy"), (), 20.0)


def point(*fault: str) -> Benchmark:
    return Benchmark(
        name="point",
        embodiment=POINT,
        tasks=("a", "b"),
        groups={"both": ("a", "b")},
        splits={"seen": ("Seen", ""), "unseen": ("Unseen", "")},
        seeds=range(1000, 3000),
        worker=lambda plan: WorkerCommand("point_worker", (str(plan.slots), *fault), plan.python),
        image_size=16,
    )


@pytest.fixture
def env(point_worker):
    env = BenchmarkEnv(point(), "a")
    yield env
    env.close()


def target(observation: dict) -> np.ndarray:
    """The white pixel's place, which is the target of the toy simulator."""
    y, x = np.argwhere(observation["pixels"]["top"][..., 0] == 255)[0]
    return (np.array([x, y]) + 0.5) / 16


def test_the_interface_is_as_gymnasium_checks_it(env) -> None:
    check_env(env, skip_render_check=False)


def test_an_episode_is_the_one_that_the_harness_runs(env) -> None:
    """The n-th held-out episode: the seed from which the benchmark's block begins, plus n."""
    observation, info = env.reset(seed=7)
    with WorkerPool(WorkerCommand("point_worker", ("1",)), 1) as pool:
        pool.reset(pool.places[0], *EpisodeKey("a", "seen", 1007))
        [(_, state)] = pool.receive()
    assert info["seed"] == 1007
    np.testing.assert_array_equal(observation["pixels"]["top"], state.observation.images["top"])
    np.testing.assert_array_equal(observation["agent_pos"], state.observation.state)
    assert env.task_description == "reach the point of a"
    assert env.max_steps == 30  # point_worker's MAX_STEPS


def test_rewards_add_up_to_the_score_and_success_ends_the_episode(env) -> None:
    observation, _ = env.reset(seed=3)
    rewards, ended, truncated = [], False, False
    while not ended and not truncated:
        observation, reward, ended, truncated, info = env.step(10 * (target(observation) - observation["agent_pos"]))
        rewards.append(reward)
        assert info["is_success"] == ended
    assert (ended, truncated, sum(rewards), info["score"], info["steps"]) == (True, False, 1.0, 1.0, len(rewards))
    with pytest.raises(DataError, match="the episode has ended; call reset first"):
        env.step(np.zeros(2))


def test_out_of_time_is_truncated(env) -> None:
    env.reset(seed=3)
    outcomes = [env.step(np.zeros(2))[1:4] for _ in range(30)]
    assert outcomes == [(0.0, False, False)] * 29 + [(0.0, False, True)]


@pytest.mark.parametrize("action", [np.zeros(3), np.zeros((1, 2)), np.array([0, np.nan]), ["up", "down"], None])
def test_an_action_that_the_robot_cannot_carry_out(env, action) -> None:
    env.reset(seed=0)
    with pytest.raises(DataError, match="give 2 finite numbers: dx, dy"):
        env.step(action)
    env.step(np.zeros(2))  # the episode goes on


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"task": "c"}, "task 'c': no such task of benchmark point"),
        ({"task": "both"}, "task 'both': is a group of 2 tasks; name one of them"),
        ({"split": "dark"}, "split 'dark': no such split of benchmark point"),
        ({"cameras": ("side",)}, "camera 'side': no such camera of benchmark point"),
        ({"options": {"wind": "1"}}, "option 'wind': no such option of benchmark point; it has none"),
        ({"image_size": -1}, "image_size -1: choose a whole number of at least 1$"),
        ({"render_mode": "human"}, "render_mode 'human': choose 'rgb_array', or None"),
    ],
)
def test_what_there_is_not(arguments, message) -> None:
    with pytest.raises(ConfigError, match=message):
        BenchmarkEnv(point(), **{"task": "a", **arguments})


@pytest.mark.parametrize("seed", [2000, 10**12])
def test_a_seed_outside_the_held_out_episodes(env, seed) -> None:
    with pytest.raises(ConfigError, match="has the held-out episodes 0 to 1999; choose one of them"):
        env.reset(seed=seed)


def test_nothing_is_under_way_before_a_reset(env) -> None:
    for use in (lambda: env.step(np.zeros(2)), env.render, lambda: env.task_description):
        with pytest.raises(DataError, match="no episode is under way; call reset first"):
            use()


def test_a_worker_that_dies_is_replaced_and_the_next_reset_goes_on(point_worker, tmp_path) -> None:
    env = BenchmarkEnv(point("die", str(tmp_path / "marker")), "a")
    env.reset(seed=3)
    with pytest.raises(WorkerError, match="begin the episode again by reset"):
        for _ in range(20):
            env.step(np.zeros(2))
    env.reset(seed=3)
    env.step(np.zeros(2))
    env.close()


def test_every_benchmark_is_registered_and_made_by_its_name() -> None:
    assert {f"polymath/{name}" for name in registry.names()} <= set(gymnasium.registry)
    env = gymnasium.make("polymath/calvin", task="chain")
    assert env.observation_space["pixels"]["rgb_gripper"].shape == (84, 84, 3)
    assert env.action_space.shape == (7,)
    env.close()


@pytest.mark.parametrize("name", sorted(registry.BUILT_IN))
def test_pictures_of_all_cameras_have_a_known_size(name) -> None:
    benchmark = registry.benchmark(name)
    plan = benchmark.complete(Plan())
    assert all(min(benchmark.picture_size(plan, camera)) > 0 for camera in plan.cameras)


def test_two_of_them_in_a_vector_environment(point_worker) -> None:
    envs = gymnasium.vector.SyncVectorEnv([lambda: BenchmarkEnv(point(), "a") for _ in range(2)])
    observation, _ = envs.reset(seed=[4, 5])
    alone = BenchmarkEnv(point(), "a")
    single, _ = alone.reset(seed=5)
    np.testing.assert_array_equal(observation["pixels"]["top"][1], single["pixels"]["top"])
    envs.close()
    alone.close()


def test_meta_world_s_own_simulator() -> None:
    env = gymnasium.make("polymath/metaworld", task="reach-left", image_size=16)
    observation, info = env.reset(seed=0)
    assert env.observation_space.contains(observation)
    assert info["seed"] == 1_000_000  # where Meta-World's held-out layouts begin
    observation, _, _, _, info = env.step(np.zeros(4, np.float32))
    assert env.observation_space.contains(observation)
    assert env.render().shape == (16, 16, 3)
    env.close()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"task": 5}, "task 5: name a task"),
        ({"cameras": "top"}, r"cameras 'top': is a text; give a tuple"),
        ({"cameras": 5}, "cameras 5: give a tuple of names"),
        ({"cameras": (5,)}, r"cameras \(5,\): give a tuple of names"),
        ({"split": 5}, "split 5: give a text"),
        ({"renderer": None}, "renderer None: give a text"),
        ({"python": 5}, "python 5: give a text"),
        ({"options": 5}, "options 5: give a mapping"),
        ({"image_size": 100_000}, "image_size 100000: choose at most 4096"),
    ],
)
def test_arguments_of_another_kind_are_named(options: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        BenchmarkEnv(point(), **({"task": "a"} | options))


@pytest.mark.parametrize("benchmark", [5, None, BenchmarkEnv])
def test_a_benchmark_of_another_kind_is_named(benchmark: object) -> None:
    with pytest.raises(ConfigError, match=r"^benchmark .*: name a benchmark as text, or give a Benchmark$"):
        BenchmarkEnv(benchmark, "a")


def test_seeds_and_actions_of_another_kind_are_named(env) -> None:
    for seed in (-1, 1.5, "a", True, 2000):
        with pytest.raises(ConfigError, match=rf"seed {seed!r}: benchmark point has the held-out episodes 0 to 1999"):
            env.reset(seed=seed)
    env.reset(seed=0)
    with pytest.raises(DataError, match=r"action: object \[0\]; give 2 finite numbers: dx, dy"):
        env.step([[1.0], [1.0, 2.0]])
