"""The worker's side of an episode: what is under way after a request that failed."""

import io

import numpy as np

from polymath_worker import Observation
from polymath_worker.protocol import VERSION, Act, Failure, Hello, Reset, State, read_message, write_message
from polymath_worker.serve import Outcome, serve

NOTHING = np.zeros(0)


class Unsteady:
    """A simulator that cannot build the task "broken"."""

    def reset(self, task, split, seed):
        if task == "broken":
            raise ValueError("no such scene")
        return self.observe()

    def step(self, action):
        return Outcome(success=False, done=False)

    def observe(self):
        return Observation({"top": np.zeros((4, 4, 3), np.uint8)}, np.zeros(1, np.float32), "go", "point")


def answers(*requests):
    sent, replies = io.BytesIO(), io.BytesIO()
    for request in requests:
        write_message(sent, request)
    sent.seek(0)
    serve([Unsteady()], Hello(VERSION, "toy", "none", 4, ["top"], ["a"], 9, 20.0, 1), sent, replies)
    replies.seek(0)
    read_message(replies)  # Hello
    return [read_message(replies) for _ in requests]


def test_no_episode_is_under_way_after_a_reset_that_failed():
    act = Act(0, np.zeros((1, 1), np.float32))
    begun, failed, refused, again, acted = answers(
        Reset(0, "a", "seen", 0, False, NOTHING),
        Reset(0, "broken", "seen", 0, False, NOTHING),
        act,
        Reset(0, "a", "seen", 0, False, NOTHING),
        act,
    )
    assert isinstance(begun, State)
    assert isinstance(failed, Failure)
    assert isinstance(refused, Failure)  # not a step of the scene before
    assert "send reset first" in refused.text
    assert isinstance(again, State)
    assert isinstance(acted, State)
    assert acted.steps == 1
