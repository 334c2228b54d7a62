"""A pool of simulator workers: starts them, sends requests, collects replies, reports a dead or stuck one, ends them.

Replies of all workers come through one queue, so the evaluator never waits for one worker while another has answered,
and no pipe fills up.
"""

import queue
import time
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

__all__ = ["Place", "WorkerCommand", "WorkerError", "WorkerPool"]

Answer = TypeVar("Answer", State, Demonstration)


class Place(NamedTuple):
    """One simulator: slot `slot` of worker `worker`."""

    worker: int
    slot: int


class WorkerPool:
    """`count` workers of one command, for use in a `with` statement.

    `hello` is what the workers say they are (all must say the same); `places` are all their simulators, workers first.
    Raises WorkerError, naming the worker and showing the tail of its stderr, when one dies, fails at a request, says
    no hello within `start_timeout` seconds or leaves a request unanswered for `timeout` seconds.
    """

    hello: Hello
    places: list[Place]

    def __init__(self, command: WorkerCommand, count: int, start_timeout: float = 120, timeout: float = 120) -> None:
        self._command, self._count = command, count
        self._start_timeout, self._timeout = start_timeout, timeout
        self._workers: list[WorkerProcess] = []
        self._inbox: Inbox = queue.Queue()

    def __enter__(self) -> "WorkerPool":
        try:
            for i in range(self._count):
                self._workers.append(WorkerProcess(i, self._command, self._inbox))
            self.hello = self._greet()
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
        request = Reset(place.slot, task, split, seed, record, start)
        self._workers[place.worker].send(request, place.slot, f"reset to {task}, {split}, seed {seed}")

    def act(self, place: Place, actions: np.ndarray) -> None:
        """Ask for actions [K, A] to be executed; the State afterwards comes out of `receive`."""
        self._workers[place.worker].send(Act(place.slot, actions), place.slot, "a control step")

    def demonstrate(self, place: Place, task: str, split: str, seed: int, noise: float = 0.0) -> None:
        """Ask the simulator's expert for an episode; it comes out of `receive_demonstrations`."""
        purpose = f"a demonstration of {task}, {split}, seed {seed}"
        self._workers[place.worker].send(Demonstrate(place.slot, task, split, seed, noise), place.slot, purpose)

    def receive(self) -> list[tuple[Place, State]]:
        """Wait for the answer to a reset or to actions; return it and all others that have arrived."""
        return self._receive(State)

    def receive_demonstrations(self) -> list[tuple[Place, Demonstration]]:
        """Wait for a demonstration; return it and all others that have arrived."""
        return self._receive(Demonstration)

    def _receive(self, kind: type[Answer]) -> list[tuple[Place, Answer]]:
        arrived = [self._next_answer(kind)]
        while not self._inbox.empty():
            arrived.append(self._next_answer(kind))
        return arrived

    def _greet(self) -> Hello:
        deadline = time.monotonic() + self._start_timeout
        silent, hello = set(range(self._count)), None
        while silent:
            index, message = self._next(deadline, f"said no hello within {self._start_timeout:g} s", min(silent))
            worker = self._workers[index]
            if not isinstance(message, Hello):
                raise worker.error(f"began with {type(message).__name__}, expected Hello")
            if hello not in (None, message):
                raise worker.error(f"says it is {message}, another worker says {hello}")
            silent.discard(index)
            hello = message
        assert hello is not None
        return hello

    def _next_answer(self, kind: type[Answer]) -> tuple[Place, Answer]:
        pending = [(since, name, i) for i, each in enumerate(self._workers) for since, name in each.pending.values()]
        if not pending:
            raise RuntimeError("receive: no request is pending")
        since, purpose, oldest = min(pending)
        late = f"has not answered {purpose} for {self._timeout:g} s"
        index, message = self._next(since + self._timeout, late, oldest)
        worker = self._workers[index]
        if isinstance(message, Failure):
            purpose = worker.pending[message.slot][1] if message.slot in worker.pending else "a request"
            raise worker.error(f"failed at {purpose}:\n{message.text}")
        if not isinstance(message, kind) or worker.pending.pop(message.slot, None) is None:
            raise worker.error(f"sent {type(message).__name__} without a request")
        return Place(index, message.slot), message

    def _next(self, deadline: float, late: str, suspect: int) -> tuple[int, Reply]:
        try:
            index, message = self._inbox.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            raise self._workers[suspect].error(late) from None
        if isinstance(message, VersionError):
            raise self._workers[index].error(
                f"speaks version {message.version} of the protocol, this evaluator speaks {VERSION}; make the "
                f"simulator's environment anew with `polymath setup {message.benchmark or 'NAME'}`"
            )
        if isinstance(message, Exception):
            raise self._workers[index].ended(f"sent something that is no frame: {message}") from message
        if message is None:
            raise self._workers[index].ended()
        return index, message

    def _end(self, kill: bool = False) -> None:
        for worker in self._workers:
            if kill:
                worker.kill()
            worker.ask_to_exit()
        deadline = time.monotonic() + 5
        for worker in self._workers:
            worker.end(deadline)
