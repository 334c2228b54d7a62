"""LIBERO itself in its own interpreter: `make libero`. Skipped where its environment is missing."""

import queue
import time
from collections.abc import Iterator

import numpy as np
import pytest

from polymath.benchmarks.libero.benchmark import BENCHMARK
from polymath.evaluation.benchmark import Plan
from polymath.workers.process import WorkerProcess
from polymath_worker.protocol import Act, Failure, Request, Reset, State

KETCHUP = "pick_up_the_ketchup_and_place_it_in_the_basket"
BOWL = "put_the_bowl_on_the_plate"
DOWN = np.tile(np.array([0.2, 0, -0.5, 0, 0, 0, 1.0]), (5, 1))


class Worker:
    """One worker and what it answers."""

    def __init__(self, python: str, **plan: object) -> None:
        complete = BENCHMARK.complete(Plan(python=python, image_size=32, slots=2, **plan))  # type: ignore[arg-type]
        self._inbox: queue.Queue = queue.Queue()
        self._process = WorkerProcess(0, BENCHMARK.worker(complete), self._inbox)
        self.hello = self._inbox.get(timeout=120)[1]

    def ask(self, request: Request) -> State | Failure:
        self._process.send(request, 0, "test")
        return self._inbox.get(timeout=120)[1]

    def play(self, slot: int, task: str, split: str, seed: int) -> State:
        """Five steps of one episode."""
        assert isinstance(self.ask(Reset(slot, task, split, seed)), State)
        state = self.ask(Act(slot, DOWN))
        assert isinstance(state, State)
        return state

    def close(self) -> None:
        self._process.ask_to_exit()
        self._process.end(time.monotonic() + 20)


@pytest.fixture(scope="module")
def worker(libero_python: str) -> Iterator[Worker]:
    worker = Worker(libero_python, renderer="ray")
    yield worker
    worker.close()


def same(one: State, other: State) -> bool:
    pictures = one.observation.images, other.observation.images
    return np.array_equal(one.observation.state, other.observation.state) and all(
        np.array_equal(pictures[0][camera], pictures[1][camera]) for camera in pictures[0]
    )


def test_the_shipped_tasks_are_the_simulators(worker: Worker) -> None:
    assert tuple(worker.hello.tasks) == BENCHMARK.tasks
    assert (worker.hello.max_steps, worker.hello.control_hz) == (520, 20.0)
    assert worker.hello.identity["pictures"].startswith("turned by 180 degrees")


def test_an_episode_does_not_depend_on_what_ran_before_nor_on_the_slot(worker: Worker) -> None:
    first = worker.play(0, BOWL, "seen", 3)
    other = worker.play(0, BOWL, "seen", 0)
    assert not same(first, other)
    worker.play(0, KETCHUP, "seen", 1)
    assert same(worker.play(1, BOWL, "seen", 3), first)
    assert same(worker.play(0, BOWL, "seen", 3), first)


def test_the_words_of_each_split(worker: Worker) -> None:
    words = {}
    for split in BENCHMARK.splits:
        state = worker.ask(Reset(0, KETCHUP, split, 0))
        assert isinstance(state, State)
        words[split] = state.observation.instruction
    assert words == {
        "seen": "pick up the ketchup and place it in the basket",
        "novel_objects": "pick up the ketchup and place it in the basket",
        "novel_positions": "pick up the ketchup and place it in the basket",
        "novel_instructions": "lift ketchup and put it in basket",
        "swapped_instructions": "pick the milk and place it in the basket",
    }


@pytest.mark.parametrize(
    ("request_", "problem"),
    [
        (Reset(0, "open_the_door", "seen", 0), "task 'open_the_door': in none of libero_spatial"),
        (Reset(0, KETCHUP, "unseen", 0), "split 'unseen': choose from seen"),
        (Reset(0, KETCHUP, "seen", 50), "has the official initial states 0 to 49"),
        (Reset(0, KETCHUP, "seen", 0, initial=np.zeros(3)), "initial: 3 numbers"),
    ],
)
def test_what_cannot_be_begun(worker: Worker, request_: Reset, problem: str) -> None:
    answer = worker.ask(request_)
    assert isinstance(answer, Failure)
    assert problem in answer.text.splitlines()[-1]


@pytest.mark.parametrize("action", [np.zeros(6), np.full(7, np.nan)])
def test_unusable_actions(worker: Worker, action: np.ndarray) -> None:
    worker.ask(Reset(0, KETCHUP, "seen", 0))
    answer = worker.ask(Act(0, action[None]))
    assert isinstance(answer, Failure)
    assert "LIBERO takes 7 finite numbers" in answer.text


def test_raw_pictures_are_the_turned_ones_upside_down(libero_python: str, worker: Worker) -> None:
    raw = Worker(libero_python, renderer="ray", options={"pictures": "raw"})
    try:
        one, other = raw.play(0, KETCHUP, "seen", 0), worker.play(0, KETCHUP, "seen", 0)
    finally:
        raw.close()
    for camera, picture in one.observation.images.items():
        np.testing.assert_array_equal(picture[::-1, ::-1], other.observation.images[camera])
