"""What an episode's film keeps, and which episodes become videos."""

import numpy as np
import pytest

from polymath.evaluation.episode_result import EpisodeResult
from polymath.evaluation.film import FAILURES, Film, Videos, failure_path
from polymath.evaluation.video import read_tags
from polymath.policy.session import EpisodeKey
from polymath_worker.protocol import Observation, State

NO_FRAMES = np.zeros((0, 4, 4, 3), np.uint8)


def state(picture, frames=NO_FRAMES):
    images = {"top": np.full((4, 4, 3), picture, np.uint8), "wrist": np.zeros((4, 4, 3), np.uint8)}
    observation = Observation(images=images, state=np.zeros(2, np.float32), instruction="go", embodiment="toy")
    return State(slot=0, steps=1, success=False, done=False, observation=observation, frames=frames)


@pytest.mark.parametrize(("looks", "kept", "every"), [(3, 3, 1), (120, 120, 1), (121, 61, 2), (1000, 63, 16)])
def test_what_the_policy_saw_is_kept_evenly(looks, kept, every):
    film = Film()
    for i in range(looks):
        film.add(state(i % 251))
    frames = film.frames()
    assert len(frames) == kept
    assert [int(frame[0, 0, 0]) for frame in frames] == [i % 251 for i in range(0, looks, every)]


def test_recorded_frames_are_kept_alone():
    film = Film()
    film.add(state(1, np.full((1, 4, 4, 3), 9, np.uint8)))
    film.add(state(2, np.full((5, 4, 4, 3), 8, np.uint8)))
    assert film.frames().shape == (6, 4, 4, 3)
    assert Film().frames().shape[0] == 0


def test_the_first_failures_of_each_task_are_kept_in_any_order_of_ending(tmp_path):
    videos = Videos(tmp_path, "seen", 0, control_hz=10)
    frames = np.zeros((6, 16, 16, 3), np.uint8)
    for seed in (5, 2, 9, 3, 0, 7):
        for split in ("seen", "novel.objects"):
            key = EpisodeKey("push", split, seed)
            if seed == 9:  # an evaluation that was interrupted goes on
                videos = Videos(tmp_path, "seen", 0, control_hz=10)
            videos.keep(EpisodeResult(key, seed == 3, 20, 1.0, "push it"), frames)
    failures = {path.name for path in (tmp_path / "failures").iterdir()}
    assert FAILURES == 2
    # seed 3 was a success; seed 0 of the split that is filmed is the task's own video
    assert failures == {f"push.{name}.mp4" for name in ("seen.2", "seen.5", "novel.objects.0", "novel.objects.2")}
    assert read_tags(tmp_path / "push.mp4") == ("push it", "no success after 20 control steps")
    assert failure_path(tmp_path, EpisodeKey("push", "seen", 5)).exists()
