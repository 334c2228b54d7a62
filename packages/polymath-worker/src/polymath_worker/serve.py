"""Answers the evaluator's requests with simulators of this process.

stdout carries the protocol's frames, so before a simulator is imported file descriptor 1 is pointed at stderr: whatever
a library prints ends there, never in a frame.
"""

import dataclasses
import os
import sys
import traceback
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Callable, Dict, List, Optional, Protocol, Sequence, Tuple

import numpy as np

from polymath_worker.protocol import (
    VERSION,
    VERSION_VARIABLE,
    Act,
    Close,
    Demonstrate,
    Demonstration,
    Failure,
    Hello,
    Observation,
    ProtocolError,
    Reply,
    Request,
    Reset,
    State,
    read_message,
    write_message,
)


class Simulator(Protocol):
    """What a benchmark gives the worker: one simulated scene.

    A simulator may have two more methods:

    - `reset_to(task, initial) -> Observation`: begin at a demonstration's own start state, float64 [n];
    - `demonstrate(task, split, seed, noise) -> Demonstration`: an episode of its expert, `noise` the standard deviation
      of what disturbs the executed, not the recorded, actions.
    """

    def reset(self, task_name: str, split: str, seed: int, /) -> Observation:
        """Begin the episode that (task, split, seed) names, always the same one."""

    def step(self, action: np.ndarray, /) -> "StepResult":
        """Execute one action [A] for one control step. Nothing is rendered here."""

    def observe(self) -> Observation:
        """The observation of this moment, pictures included."""


class StepResult(Protocol):
    """What one control step led to. `Outcome` is one; an object with `success` and `done` alone will do.

    Optional attributes: `score` (float, default float(success)), `part` (int, default 0: the index of the subtask under
    way), `measures` (name -> float, default none).
    """

    @property
    def success(self) -> bool:
        """The task is solved."""

    @property
    def done(self) -> bool:
        """Solved, or out of time."""


@dataclass(frozen=True)
class Outcome:
    """A StepResult with all that a benchmark can say.

    score     the episode's so far: subtasks solved, or None for float(success)
    part      the subtask under way; when it changes, the rest of an action chunk is dropped and the policy asked anew
    measures  named numbers beside the success, such as {"grasped": 1.0}
    """

    success: bool
    done: bool
    score: Optional[float] = None
    part: int = 0
    measures: Dict[str, float] = field(default_factory=dict)


@dataclass
class Slot:
    """One simulator and the episode it is in."""

    simulator: Simulator
    record: bool = False
    steps: int = 0
    executed: int = 0
    success: bool = False
    done: bool = True
    score: float = 0.0
    part: int = 0
    measures: Dict[str, float] = field(default_factory=dict)
    frames: List[np.ndarray] = field(default_factory=list)

    def reset(self, request: Reset) -> Observation:
        self.record, self.steps, self.executed, self.frames = request.record, 0, 0, []
        self.success, self.done, self.score, self.part, self.measures = False, True, 0.0, 0, {}
        if request.initial.size:
            observation = self._method("reset_to", "start states")(request.task, request.initial)
        else:
            observation = self.simulator.reset(request.task, request.split, request.seed)
        self.done = False  # only now: after a reset that raised, no episode is under way
        self._keep(observation)
        return observation

    def act(self, actions: np.ndarray) -> Observation:
        """Execute the actions until they, the part or the episode end."""
        if self.done:
            raise RuntimeError("act: no episode is under way in this slot; send reset first")
        observation, part, self.executed = None, self.part, 0
        for action in actions:
            self._note(self.simulator.step(action))
            observation = self.simulator.observe() if self.record else None
            if observation is not None:
                self._keep(observation)
            if self.done or self.part != part:
                break
        return observation or self.simulator.observe()

    def demonstrate(self, request: Demonstrate) -> Demonstration:
        """The expert's episode. No episode is under way in the slot afterwards."""
        self.done = True
        play = self._method("demonstrate", "demonstrations")
        return dataclasses.replace(play(request.task, request.split, request.seed, request.noise), slot=request.slot)

    def state(self, index: int, observation: Observation) -> State:
        first = next(iter(observation.images.values()))
        frames = np.stack(self.frames) if self.frames else np.zeros((0, *first.shape), np.uint8)
        self.frames = []
        return State(
            slot=index,
            observation=observation,
            steps=self.steps,
            success=self.success,
            done=self.done,
            frames=frames,
            score=self.score,
            part=self.part,
            executed=self.executed,
            measures=self.measures,
        )

    def _note(self, result: StepResult) -> None:
        self.steps, self.executed = self.steps + 1, self.executed + 1
        self.success, self.done = bool(result.success), bool(result.done)
        score = getattr(result, "score", None)
        self.score = float(self.success if score is None else score)
        self.part = int(getattr(result, "part", 0))
        self.measures = {str(name): float(value) for name, value in getattr(result, "measures", {}).items()}

    def _keep(self, observation: Observation) -> None:
        if self.record:
            self.frames.append(next(iter(observation.images.values())))

    def _method(self, name: str, purpose: str) -> Callable[..., Any]:
        method = getattr(self.simulator, name, None)
        if method is None:
            raise TypeError(f"{type(self.simulator).__name__} has no {purpose}: define {name}")
        return method


def serve(simulators: Sequence[Simulator], hello: Hello, requests: BinaryIO, replies: BinaryIO) -> None:
    """Answer requests in order until Close or the end of `requests`.

    Raises SystemExit naming the remedy where the evaluator speaks another version of the protocol.
    """
    slots = [Slot(simulator) for simulator in simulators]
    write_message(replies, hello)
    _check_version(hello, os.environ.get(VERSION_VARIABLE, str(VERSION)))
    while True:
        try:
            request = read_message(requests)
        except ProtocolError as error:
            raise SystemExit(f"polymath_worker: no request of version {VERSION} of the protocol: {error}") from error
        if request is None or isinstance(request, Close):
            return
        try:
            reply = _answer(slots, request)  # type: ignore[arg-type]
        except Exception:  # a simulator's own code; the evaluator gets the traceback and goes on with other slots
            reply = Failure(getattr(request, "slot", -1), traceback.format_exc())
        write_message(replies, reply)


def _check_version(hello: Hello, evaluator: str) -> None:
    if evaluator != str(VERSION):
        raise SystemExit(
            f"polymath_worker: speaks version {VERSION} of the protocol, the evaluator version {evaluator}; "
            f"make the simulator's environment anew with `polymath setup {hello.benchmark}`"
        )


def _answer(slots: Sequence[Slot], request: Request) -> Reply:
    if isinstance(request, Reset):
        return slots[request.slot].state(request.slot, slots[request.slot].reset(request))
    if isinstance(request, Act):
        return slots[request.slot].state(request.slot, slots[request.slot].act(request.actions))
    if isinstance(request, Demonstrate):
        return slots[request.slot].demonstrate(request)
    raise TypeError(f"{type(request).__name__} is no request")


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
