"""What the page shows of the robots: pictures and curves while a page looks, counts and times always."""

import itertools
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

import numpy as np
from jaxtyping import Float

from polymath.serving.service import Answer, Connection, Service
from polymath.types import Observation

KEPT_ANSWERS = 1000  # of which the percentiles are taken
KEPT_STEPS = 400  # of the executed curve of one robot
PERCENTILES = (50, 95, 99)
PEER = "page"  # what the page calls itself where a robot has its address


@dataclass
class Moment:
    """A connection's newest answer. `now`: control steps reported as carried out since the episode began.

    `observation` and `chunk` are None where no page looked when it was answered; `executed` are the last KEPT_STEPS.
    """

    number: int
    turns: int = 0
    now: int = 0
    when: float = 0.0
    instruction: str = ""
    observation: Observation | None = None
    chunk: Float[np.ndarray, "W A"] | None = None
    executed: deque[Float[np.ndarray, " A"]] = field(default_factory=lambda: deque(maxlen=KEPT_STEPS))


class Recorder:
    """Called by the service after each answer; `watchers` is the number of pages that look."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.watchers = 0
        self.moments: WeakKeyDictionary[Connection, Moment] = WeakKeyDictionary()
        self._numbers = itertools.count(1)
        self._infer: deque[float] = deque(maxlen=KEPT_ANSWERS)
        self._queue: deque[float] = deque(maxlen=KEPT_ANSWERS)
        self.answers = 0

    def __call__(
        self,
        connection: Connection,
        observation: Observation,
        executed: Float[np.ndarray, "K A"] | None,
        answer: Answer,
    ) -> None:
        """Note one answer; pictures and curves only while a page looks. What a page itself asked is left out."""
        if connection.peer == PEER:
            return
        self.answers += 1
        self._infer.append(answer.infer_ms)
        self._queue.append(answer.queue_ms)
        moment = self.moments.get(connection)
        if moment is None:
            moment = self.moments[connection] = Moment(next(self._numbers))
        if answer.session != "continued":
            moment.now = 0
            moment.executed.clear()
        moment.turns += 1
        moment.when = self._service.clock()
        moment.instruction = observation.instruction
        moment.now += 0 if executed is None else len(executed)
        moment.observation = moment.chunk = None
        if self.watchers:
            moment.observation, moment.chunk = observation, answer.chunk.actions
            moment.executed.extend(() if executed is None else executed)

    def forget(self) -> None:
        """Nobody looks any more: let go of pictures and curves."""
        for moment in self.moments.values():
            moment.observation = moment.chunk = None
            moment.executed.clear()

    def find(self, number: int) -> tuple[Connection, Moment] | None:
        """The connection with that number, if it is still there."""
        live = self._service.connections
        return next(((c, m) for c, m in list(self.moments.items()) if m.number == number and c in live), None)

    def latency(self) -> dict[str, object]:
        """Percentiles in milliseconds of the last KEPT_ANSWERS answers; None where there was none."""
        total = [infer + queue for infer, queue in zip(self._infer, self._queue, strict=True)]
        return {
            "count": self.answers,
            "total": _percentiles(total),
            "infer": _percentiles(self._infer),
            "queue": _percentiles(self._queue),
        }


def _percentiles(values: Sequence[float]) -> dict[str, float | None]:
    names = [f"p{percent}" for percent in PERCENTILES]
    if not values:
        return dict.fromkeys(names)
    return dict(zip(names, np.percentile(np.asarray(values), PERCENTILES).round(3).tolist(), strict=True))
