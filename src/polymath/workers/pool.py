"""A pool of simulator workers: starts them, sends requests, collects replies, replaces a dead or stuck one, ends them.

Replies of all workers come through one queue, so the evaluator never waits for one worker while another has answered,
and no pipe fills up.

A worker that dies or hangs is started anew, and each episode that was under way in it is `Lost`: the caller begins it
again. A worker is replaced RESTARTS times, and an episode whose request was under way at two such failures is taken for
their cause; then the failure is raised.
"""

import logging
import queue
import time
from collections import Counter
from types import TracebackType
from typing import NamedTuple, TypeVar

import numpy as np
from jaxtyping import Float

from polymath.workers.process import Inbox, WorkerCommand, WorkerError, WorkerProcess
from polymath_worker.protocol import (
    VERSION,
    Act,
    Demonstrate,
    Demonstration,
    Failure,
    Hello,
    Reply,
    Reset,
    State,
    VersionError,
    no_initial_state,
)

__all__ = ["Lost", "Place", "WorkerCommand", "WorkerError", "WorkerPool"]

RESTARTS = 3
START_TIMEOUT, TIMEOUT = 300.0, 300.0
_log = logging.getLogger(__name__)

Answer = TypeVar("Answer", State, Demonstration)


class Place(NamedTuple):
    """One simulator: slot `slot` of worker `worker`."""

    worker: int
    slot: int


class Lost(NamedTuple):
    """Instead of an answer: the worker failed and was started anew, so the episode has to be begun again."""

    problem: str


class WorkerPool:
    """`count` workers of one command, for use in a `with` statement.

    `hello` is what the workers say they are (all must say the same); `places` are all their simulators, workers first.
    Raises WorkerError, naming the worker and showing the tail of its stderr, when one fails at a request, speaks
    another version of the protocol, fails before its first hello (after `start_timeout` seconds at the latest), or has
    been replaced too often. A worker that has a request and says nothing for `timeout` seconds is stuck.
    """

    hello: Hello
    places: list[Place]

    def __init__(
        self, command: WorkerCommand, count: int, start_timeout: float = START_TIMEOUT, timeout: float = TIMEOUT
    ) -> None:
        self._command, self._count = command, count
        self._start_timeout, self._timeout = start_timeout, timeout
        self._workers: list[WorkerProcess] = []
        self._inbox: Inbox = queue.Queue()
        self._episodes: dict[Place, str] = {}  # under way, by name
        self._lost: dict[Place, str] = {}  # places whose worker is being started anew, and why
        self._restarts: Counter[int] = Counter()
        self._failures: Counter[str] = Counter()  # by the episode whose request was under way

    def __enter__(self) -> "WorkerPool":
        try:
            for i in range(self._count):
                self._workers.append(WorkerProcess(i, self._command, self._inbox))
            while not all(worker.greeted for worker in self._workers):
                self._take(State)
        except BaseException:
            self._end(kill=True)
            raise
        self.places = [Place(w, s) for s in range(self.hello.slots) for w in range(self._count)]
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._end(kill=kind is not None)

    def reset(
        self,
        place: Place,
        task: str,
        split: str,
        seed: int,
        record: bool = False,
        initial: Float[np.ndarray, " n"] | None = None,
    ) -> None:
        """Ask for an episode to begin, at the start state `initial` if one is given; `receive` has its first State."""
        start = no_initial_state() if initial is None else np.asarray(initial, np.float64)
        episode = self._episodes[place] = f"{task}, {split}, seed {seed}"
        request = Reset(place.slot, task, split, seed, record, start)
        self._workers[place.worker].send(request, place.slot, f"reset to {episode}")

    def act(self, place: Place, actions: np.ndarray) -> None:
        """Ask for actions [K, A] to be executed; the State afterwards comes out of `receive`."""
        if place not in self._lost:  # else `receive` is about to say so
            self._workers[place.worker].send(Act(place.slot, actions), place.slot, "a control step")

    def demonstrate(self, place: Place, task: str, split: str, seed: int, noise: float = 0.0) -> None:
        """Ask the simulator's expert for an episode; it comes out of `receive_demonstrations`."""
        episode = self._episodes[place] = f"{task}, {split}, seed {seed}"
        request = Demonstrate(place.slot, task, split, seed, noise)
        self._workers[place.worker].send(request, place.slot, f"a demonstration of {episode}")

    def receive(self) -> list[tuple[Place, State | Lost]]:
        """Wait for the answer to a reset or to actions; return it and all others that have arrived."""
        return self._receive(State)

    def receive_demonstrations(self) -> list[tuple[Place, Demonstration | Lost]]:
        """Wait for a demonstration; return it and all others that have arrived."""
        return self._receive(Demonstration)

    def _receive(self, kind: type[Answer]) -> list[tuple[Place, Answer | Lost]]:
        arrived: list[tuple[Place, Answer | Lost]] = []
        while not arrived or not self._inbox.empty():
            arrived += self._take(kind)
        return arrived

    def _take(self, kind: type[Answer]) -> list[tuple[Place, Answer | Lost]]:
        """Handle one message, or the worker that has been silent for too long; what the caller has to know of it."""
        try:
            worker, message = self._inbox.get_nowait()  # if only that a worker without a request has died
        except queue.Empty:
            deadline, silent, late = self._most_urgent()
            try:
                worker, message = self._inbox.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                self._replace(silent, silent.error(late))
                return []
        if worker is not self._workers[worker.index]:
            return []  # from a process that has been replaced
        worker.heard = time.monotonic()
        if message is None:
            self._replace(worker, worker.ended())
        elif isinstance(message, Exception):
            _check_version(worker, message)
            self._replace(worker, worker.ended(f"sent something that is no frame: {message}"))
        elif not worker.greeted:
            return self._welcome(worker, message)
        else:
            return [self._answer(worker, message, kind)]
        return []

    def _most_urgent(self) -> tuple[float, WorkerProcess, str]:
        """The first deadline: when it is, whose, and what has not happened by then."""
        deadlines = []
        for worker in self._workers:
            if not worker.greeted:
                late = f"said no hello within {self._start_timeout:g} s"
                deadlines.append((worker.heard + self._start_timeout, worker.index, late))
            elif worker.pending:
                since, purpose = min(worker.pending.values())
                late = f"has not answered {purpose} for {self._timeout:g} s"
                deadlines.append((max(since, worker.heard) + self._timeout, worker.index, late))
        if not deadlines:
            raise RuntimeError("receive: no request is pending")
        deadline, index, late = min(deadlines)
        return deadline, self._workers[index], late

    def _welcome(self, worker: WorkerProcess, hello: Reply) -> list[tuple[Place, Answer | Lost]]:
        """Note a worker's hello; the episodes that its predecessor took along."""
        if not isinstance(hello, Hello):
            raise worker.error(f"began with {type(hello).__name__}, expected Hello")
        if getattr(self, "hello", hello) != hello:
            raise worker.error(f"says it is {hello}, another worker says {self.hello}")
        self.hello, worker.greeted = hello, True
        return [(place, Lost(self._lost.pop(place))) for place in list(self._lost) if place.worker == worker.index]

    def _answer(self, worker: WorkerProcess, message: Reply, kind: type[Answer]) -> tuple[Place, Answer]:
        if isinstance(message, Failure):
            _, purpose = worker.pending.get(message.slot, (0.0, "a request"))
            raise worker.error(f"failed at {purpose}:\n{message.text}")
        if not isinstance(message, kind) or worker.pending.pop(message.slot, None) is None:
            raise worker.error(f"sent {type(message).__name__} without a request")
        place = Place(worker.index, message.slot)
        if isinstance(message, Demonstration) or message.done:
            self._episodes.pop(place, None)
        return place, message

    def _replace(self, worker: WorkerProcess, error: WorkerError) -> None:
        """Start a failed worker anew and mark its episodes as lost. Raises `error` where that would not help."""
        index, again = worker.index, self._restarts[worker.index]
        if not worker.greeted and not again:
            raise error
        if again >= RESTARTS:
            raise WorkerError(f"{error}\n(it has been started anew {again} times already)")
        if worker.pending:
            slot = min(worker.pending, key=lambda each: worker.pending[each])  # requests are answered in order
            if episode := self._episodes.get(Place(index, slot)):
                self._failures[episode] += 1
                if self._failures[episode] > 1:
                    raise WorkerError(f"{error}\n(for the second time in the episode {episode})")
        problem = str(error).splitlines()[0]
        _log.warning("%s; it is started anew, and its episodes begin again", problem)
        self._lost |= {place: problem for place in self._episodes if place.worker == index}
        self._episodes = {place: name for place, name in self._episodes.items() if place.worker != index}
        worker.kill()
        worker.end(time.monotonic())
        self._restarts[index] += 1
        self._workers[index] = WorkerProcess(index, self._command, self._inbox)

    def _end(self, kill: bool = False) -> None:
        for worker in self._workers:
            if kill:
                worker.kill()
            worker.ask_to_exit()
        deadline = time.monotonic() + 5
        for worker in self._workers:
            worker.end(deadline)


def _check_version(worker: WorkerProcess, problem: Exception) -> None:
    if isinstance(problem, VersionError):
        raise worker.error(
            f"speaks version {problem.version} of the protocol, this evaluator speaks {VERSION}; make the simulator's "
            f"environment anew with `polymath setup {problem.benchmark or 'NAME'}`"
        )
