"""Answers the evaluator's requests with simulators of this process.

stdout carries the protocol's frames, so before a simulator is imported file descriptor 1 is pointed at stderr: whatever
a library prints ends there, never in a frame.
"""

import os
import sys
import traceback
from dataclasses import dataclass, field
from typing import BinaryIO, Callable, List, Protocol, Sequence, Tuple, Union

import numpy as np

from polymath_worker.protocol import Act, Close, Failure, Hello, Observation, Reset, State, read_message, write_message


class Simulator(Protocol):
    """What a benchmark gives the worker: one simulated scene."""

    def reset(self, task_name: str, split: str, seed: int, /) -> Observation:
        """Begin the episode that (task, split, seed) names, always the same one."""

    def step(self, action: np.ndarray, /) -> "StepResult":
        """Execute one action [A] for one control step."""

    def observe(self) -> Observation:
        """The observation of this moment."""


class StepResult(Protocol):
    """What one control step led to."""

    @property
    def success(self) -> bool:
        """The task is solved."""

    @property
    def done(self) -> bool:
        """Solved, or out of time."""


@dataclass
class Slot:
    """One simulator and the episode it is in."""

    simulator: Simulator
    record: bool = False
    steps: int = 0
    success: bool = False
    done: bool = True
    frames: List[np.ndarray] = field(default_factory=list)

    def reset(self, request: Reset) -> Observation:
        self.record, self.steps, self.success, self.done, self.frames = request.record, 0, False, False, []
        observation = self.simulator.reset(request.task, request.split, request.seed)
        self._keep(observation)
        return observation

    def act(self, actions: np.ndarray) -> Observation:
        """Execute the actions until they or the episode end."""
        if self.done:
            raise RuntimeError("act: no episode is under way in this slot; send reset first")
        observation = None
        for action in actions:
            result = self.simulator.step(action)
            self.steps, self.success, self.done = self.steps + 1, bool(result.success), bool(result.done)
            observation = self.simulator.observe() if self.record else None
            if observation is not None:
                self._keep(observation)
            if self.done:
                break
        return observation or self.simulator.observe()

    def state(self, index: int, observation: Observation) -> State:
        first = next(iter(observation.images.values()))
        frames = np.stack(self.frames) if self.frames else np.zeros((0, *first.shape), np.uint8)
        self.frames = []
        return State(index, observation, self.steps, self.success, self.done, frames)

    def _keep(self, observation: Observation) -> None:
        if self.record:
            self.frames.append(next(iter(observation.images.values())))


def serve(simulators: Sequence[Simulator], hello: Hello, requests: BinaryIO, replies: BinaryIO) -> None:
    """Answer requests in order until Close or the end of `requests`."""
    slots = [Slot(simulator) for simulator in simulators]
    write_message(replies, hello)
    while True:
        request = read_message(requests)
        if request is None or isinstance(request, Close):
            return
        try:
            if isinstance(request, Reset):
                observation = slots[request.slot].reset(request)
            elif isinstance(request, Act):
                observation = slots[request.slot].act(request.actions)
            else:
                raise TypeError(f"{type(request).__name__} is no request")
            reply: Union[State, Failure] = slots[request.slot].state(request.slot, observation)
        except Exception:
            reply = Failure(getattr(request, "slot", -1), traceback.format_exc())
        write_message(replies, reply)


def claim_standard_streams() -> Tuple[BinaryIO, BinaryIO]:
    """Take stdin and stdout for the protocol; then fd 0 is empty and fd 1 is stderr, for C libraries too."""
    sys.stdout.flush()
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    return requests, replies


def run_worker(make: Callable[[], Tuple[Sequence[Simulator], Hello]]) -> None:
    """Be a worker: take the standard streams, call `make` for the simulators and their Hello, answer until the end."""
    requests, replies = claim_standard_streams()
    simulators, hello = make()
    serve(simulators, hello, requests, replies)
