"""Rollouts over real worker processes with the toy simulator: order, batching, determinism, refusal of bad actions."""

import threading
import time
from dataclasses import dataclass, field

import numpy as np
import pytest

from polymath.errors import PolymathError
from polymath.evaluation.baselines import RandomPolicy
from polymath.evaluation.rollout import BATCH, EpisodeKey, run_episodes
from polymath.types import ActionChunk
from polymath.workers.pool import WorkerPool

KEYS = [EpisodeKey(task, "seen", seed) for task in ("a", "b") for seed in range(8)]


@dataclass
class SeeingPolicy:
    """Goes straight to the white pixel: 4 actions of up to 0.1 each towards its centre."""

    name: str = "seeing"
    batches: list[int] = field(default_factory=list)
    seconds: float = 0.0

    def act(self, observations):
        self.batches.append(len(observations))
        time.sleep(self.seconds)
        return [self._chunk(o) for o in observations]

    def _chunk(self, observation):
        y, x = np.argwhere(observation.images["top"][..., 0])[0]
        step = ((np.array([x, y]) + 0.5) / 16 - observation.state) / 0.1
        return ActionChunk(np.stack([step / max(1, abs(step).max()), *[np.zeros(2)] * 3]).astype(np.float32))


def outcomes(policy, command, workers, execute=1, record=lambda key: False):
    results, frames = {}, {}

    def keep(result, pictures):
        assert threading.current_thread() is threading.main_thread()
        results[result.key] = (result.success, result.steps)
        frames[result.key] = pictures

    with WorkerPool(command, workers) as pool:
        run_episodes(policy, pool, KEYS, execute, keep, record)
    return results, frames


def test_a_policy_that_sees_the_target_reaches_it(point_worker):
    policy = SeeingPolicy()
    results, _ = outcomes(policy, point_worker(4), 2)
    assert list(sorted(results)) == sorted(KEYS)
    # 0.1 a step along the longer axis over at most 1.0, and success within 0.1 of it
    assert all(success and steps <= 10 for success, steps in results.values())


@pytest.mark.parametrize("make", [SeeingPolicy, lambda: RandomPolicy(2, 4, seed=3)])
def test_results_do_not_depend_on_workers_and_slots(point_worker, make):
    alone, _ = outcomes(make(), point_worker(1), 1)
    beside, _ = outcomes(make(), point_worker(3), 2)
    assert alone == beside


def test_the_random_policy_depends_on_its_seed(point_worker):
    first, _ = outcomes(RandomPolicy(2, 4, seed=0), point_worker(4), 1)
    second, _ = outcomes(RandomPolicy(2, 4, seed=1), point_worker(4), 1)
    assert first != second
    assert all(steps <= 30 for _, steps in first.values())


def test_waiting_episodes_are_answered_together_in_batches_of_one_size(point_worker):
    policy = SeeingPolicy(seconds=0.005)  # as long as a forward pass, so that workers finish meanwhile
    results, _ = outcomes(policy, point_worker(8), 2)
    assert set(policy.batches) == {BATCH}
    # Answered one by one, there would be as many calls as control steps.
    assert len(policy.batches) < sum(steps for _, steps in results.values()) / 2


def test_recorded_episodes_have_a_frame_per_control_step(point_worker):
    results, frames = outcomes(SeeingPolicy(), point_worker(2), 1, execute=3, record=lambda key: key.seed == 0)
    for key, (_, steps) in results.items():
        # of the others what the policy saw: the beginning, after every 3 control steps, and the end
        assert len(frames[key]) == (steps + 1 if key.seed == 0 else 1 + -(-steps // 3))


@pytest.mark.parametrize(
    ("actions", "problem"),
    [
        (np.zeros((2, 2)), r"policy odd: an action chunk of shape \[2, 2\], but 3 actions are to be executed"),
        (np.zeros(4), r"shape \[4\]"),
        (np.full((3, 2), np.nan), "NaN"),
    ],
)
def test_actions_that_cannot_be_executed_are_refused(point_worker, actions, problem):
    class Odd:
        name = "odd"

        def act(self, observations):
            return [ActionChunk(actions)] * len(observations)

    with pytest.raises(PolymathError, match=problem):
        outcomes(Odd(), point_worker(1), 1, execute=3)
