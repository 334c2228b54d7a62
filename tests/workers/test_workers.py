"""Worker processes: what they answer, what is said when one misbehaves, and that none is left behind."""

import time

import numpy as np
import psutil
import pytest

from polymath.workers.pool import Place, WorkerCommand, WorkerError, WorkerPool
from polymath_worker.protocol import State


def one_episode_step(pool: WorkerPool) -> State:
    pool.reset(pool.places[0], "a", "seen", 1)
    pool.receive()
    pool.act(pool.places[0], np.zeros((2, 2), np.float32))
    [(place, state)] = pool.receive()
    assert place == pool.places[0]
    return state


def children() -> list[psutil.Process]:
    """The workers that are alive; other tests of this process may have left helpers of their libraries."""
    alive = [p for p in psutil.Process().children() if p.status() != psutil.STATUS_ZOMBIE]
    return [p for p in alive if "point_worker" in " ".join(p.cmdline())]


def test_two_workers_of_two_slots_answer(point_worker):
    with WorkerPool(point_worker(2), 2) as pool:
        assert pool.hello.renderer == "drawn"
        assert pool.places == [Place(0, 0), Place(1, 0), Place(0, 1), Place(1, 1)]
        for i, place in enumerate(pool.places):
            pool.reset(place, "a", "seen", i)
        states = {}
        while len(states) < 4:
            states |= dict(pool.receive())
        assert len({tuple(state.observation.state) for state in states.values()}) == 4
        assert len(children()) == 2
    assert children() == []


def test_recording_sends_one_frame_per_control_step(point_worker):
    with WorkerPool(point_worker(), 1) as pool:
        pool.reset(pool.places[0], "a", "seen", 1, record=True)
        [(_, first)] = pool.receive()
        pool.act(pool.places[0], np.zeros((3, 2), np.float32))
        [(_, then)] = pool.receive()
    assert first.frames.shape == (1, 16, 16, 3)
    assert then.frames.shape == (3, 16, 16, 3)
    assert then.steps == 3
    np.testing.assert_array_equal(then.frames[-1], then.observation.images["top"])


def test_printing_in_the_simulator_does_not_touch_the_stream(point_worker):
    with WorkerPool(point_worker(1, "print"), 1) as pool:
        assert one_episode_step(pool).steps == 2


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        ("die", r"worker 0 \(point_worker\) died \(exit status 3\) during a control step\nthe simulator fell over"),
        ("raise", r"worker 0 \(point_worker\) failed at a control step:\n(.|\n)*ValueError: the simulator is unhappy"),
        ("hang", r"worker 0 \(point_worker\) has not answered a control step for 3 s"),
        ("garbage", r"worker 0 \(point_worker\) (died|sent something that is no frame)"),
        ("old", r"speaks version 3 of the protocol, this evaluator speaks 2; .* `polymath setup point`"),
    ],
)
def test_a_misbehaving_worker_is_named_and_ended(point_worker, fault, problem):
    patience = 3 if fault == "hang" else 120
    with pytest.raises(WorkerError, match=problem), WorkerPool(point_worker(1, fault), 1, timeout=patience) as pool:
        one_episode_step(pool)
    assert children() == []


def test_a_worker_that_says_nothing_at_start_is_given_up(point_worker):
    with pytest.raises(WorkerError, match=r"said no hello within 0\.5 s"):
        WorkerPool(point_worker(1, "stuck at start"), 2, start_timeout=0.5).__enter__()
    assert children() == []


def test_a_killed_worker_is_reported_with_its_signal(point_worker):
    with pytest.raises(WorkerError, match="killed by SIGKILL"), WorkerPool(point_worker(), 1) as pool:
        children()[0].kill()
        time.sleep(0.1)
        one_episode_step(pool)


def test_a_worker_ends_when_the_evaluator_vanishes(point_worker):
    pool = WorkerPool(point_worker(), 1).__enter__()
    [process] = children()
    pool._workers[0]._process.stdin.close()  # as the kernel does when the evaluator is killed
    assert process.wait(timeout=5) == 0
    pool._end(kill=True)


def test_an_interpreter_that_does_not_exist():
    with pytest.raises(WorkerError, match="cannot start '/no/python': No such file"):
        WorkerPool(WorkerCommand("point_worker", python="/no/python"), 1).__enter__()


def test_a_module_that_does_not_exist_shows_what_python_said():
    with pytest.raises(WorkerError, match="No module named no_such_simulator"):
        WorkerPool(WorkerCommand("no_such_simulator"), 1).__enter__()
