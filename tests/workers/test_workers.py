"""Worker processes: what they answer, what is said when one misbehaves, and that none is left behind."""

import time

import numpy as np
import psutil
import pytest

from polymath.workers.pool import RESTARTS, Lost, Place, WorkerCommand, WorkerError, WorkerPool
from polymath_worker.protocol import State


def one_episode_step(pool: WorkerPool) -> State:
    """The state after two control steps; an episode that is lost with its worker is begun again."""
    state = None
    while not isinstance(state, State):
        pool.reset(pool.places[0], "a", "seen", 1)
        [(_, begun)] = pool.receive()
        if isinstance(begun, State):
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
        (
            "die",
            r"worker 0 \(point_worker\) died \(exit status 3\) during a control step\nthe simulator fell over\n"
            r"\(for the second time in the episode a, seen, seed 1\)",
        ),
        ("raise", r"worker 0 \(point_worker\) failed at a control step:\n(.|\n)*ValueError: the simulator is unhappy"),
        ("hang", r"worker 0 \(point_worker\) has not answered a control step for 3 s"),
        ("die at start", r"worker 0 \(point_worker\) died \(exit status 4\)"),
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


def test_a_killed_worker_is_replaced_three_times_and_its_signal_reported(point_worker, caplog):
    killed = 0
    with (
        pytest.raises(WorkerError, match=r"killed by SIGKILL(.|\n)*started anew 3 times already"),
        WorkerPool(point_worker(), 1) as pool,
    ):
        while True:
            assert one_episode_step(pool).steps == 2
            children()[0].kill()
            killed += 1
            pool.reset(pool.places[0], "a", "seen", 100 + killed)
            assert isinstance(pool.receive()[0][1], Lost)
    assert killed == RESTARTS + 1
    assert caplog.text.count("it is started anew, and its episodes begin again") == RESTARTS


def test_idle_places_of_a_worker_that_died_are_of_use_again(point_worker):
    with WorkerPool(point_worker(2), 1) as pool:
        children()[0].kill()
        time.sleep(0.1)
        for place in pool.places:
            pool.reset(place, "a", "seen", place.slot)
        lost = dict(pool.receive())
        assert set(lost) == set(pool.places)
        assert all(isinstance(each, Lost) for each in lost.values())
        for place in pool.places:
            pool.reset(place, "a", "seen", place.slot)
        states = {}
        while len(states) < 2:
            states |= dict(pool.receive())
        assert all(isinstance(state, State) for state in states.values())


def test_a_worker_that_dies_with_no_request_under_way(point_worker):
    """Its end arrives behind its answer, when nothing else is waited for: the answer still counts."""
    with WorkerPool(point_worker(), 1) as pool:
        pool.reset(pool.places[0], "a", "seen", 0)
        while not pool._inbox.qsize():
            time.sleep(0.01)
        children()[0].kill()
        while pool._inbox.qsize() < 2:
            time.sleep(0.01)
        assert isinstance(pool.receive()[0][1], State)
        pool.act(pool.places[0], np.zeros((1, 2), np.float32))
        assert isinstance(pool.receive()[0][1], Lost)


def test_a_worker_ends_when_the_evaluator_vanishes(point_worker):
    pool = WorkerPool(point_worker(), 1).__enter__()
    [process] = children()
    pool._workers[0]._process.stdin.close()  # as the kernel does when the evaluator is killed
    assert process.wait(timeout=60) == 0
    pool._end(kill=True)


def test_an_interpreter_that_does_not_exist():
    with pytest.raises(WorkerError, match="cannot start '/no/python': No such file"):
        WorkerPool(WorkerCommand("point_worker", python="/no/python"), 1).__enter__()


def test_a_module_that_does_not_exist_shows_what_python_said():
    with pytest.raises(WorkerError, match="No module named no_such_simulator"):
        WorkerPool(WorkerCommand("no_such_simulator"), 1).__enter__()
