"""Turns of several robots in one pass, on one thread beside the event loop.

    requests ──► waiting, oldest first ──► a pass of one model: the oldest request's, and those behind it ──► answers

A pass begins when the thread is free and as many turns wait as a pass may hold, or every session of that model that is
in use waits, or the oldest turn has waited for `patience` seconds while the thread was free: robots that the last pass
answered can ask again and share the next one. The oldest turn is in the next pass, whatever else waits, so none
starves. Where a pass raises, each of its turns is answered by itself: only the culprit's raises.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, TypeVar

from polymath.policy.session import Turn
from polymath.serving.sessions import Overloaded
from polymath.types import ActionChunk

log = logging.getLogger("polymath.serving")
Model = TypeVar("Model")


class Outcome(NamedTuple):
    """`infer` and `queue` in seconds; `batch` turns were answered in the pass."""

    chunk: ActionChunk
    infer: float
    queue: float
    batch: int


@dataclass(eq=False)
class Waiting(Generic[Model]):
    model: Model
    turn: Turn
    since: float
    answer: "asyncio.Future[Outcome]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Batcher(Generic[Model]):
    """answer    of a model to some turns; runs on the thread
    most      turns of a model that a pass can hold
    share     of so many waiting turns of a model, how many the next pass answers: at least one, `most` at most
    in_use    sessions of a model that may ask soon
    patience  seconds that a turn waits for others while the thread is free
    """

    def __init__(
        self,
        answer: Callable[[Model, Sequence[Turn]], Sequence[ActionChunk]],
        most: Callable[[Model], int],
        share: Callable[[Model, int], int],
        in_use: Callable[[Model], int],
        patience: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._answer, self._most, self._share, self._in_use = answer, most, share, in_use
        self._patience, self._clock = patience, clock
        self._free_since = clock()
        self._waiting: list[Waiting[Model]] = []
        self._arrived = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="inference")
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to answer."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Answer nothing more; turns that wait get Overloaded."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for each in self._waiting:
            if not each.answer.done():
                each.answer.set_exception(Overloaded("the server stops; connect again"))
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def on_thread(self, work: Callable[..., Any], *arguments: Any) -> Any:
        """Run something on the thread of the passes, between two of them."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    async def ask(self, model: Model, turn: Turn, within: float) -> Outcome:
        """The answer of one turn; raises what the policy raises for it, or Overloaded after `within` seconds."""
        entry = Waiting(model, turn, self._clock())
        self._waiting.append(entry)
        self._arrived.set()
        try:
            return await asyncio.wait_for(entry.answer, within)
        except TimeoutError:
            raise Overloaded(f"no answer within {within:g} s (--max-answer): too many robots ask") from None
        finally:
            if entry in self._waiting:
                self._waiting.remove(entry)

    async def _run(self) -> None:
        while True:
            await self._some()
            turns = self._next()
            results = await self.on_thread(self._pass, turns[0].model, turns)
            self._free_since = self._clock()
            for entry, result in zip(turns, results, strict=True):
                if entry.answer.done():  # its client has gone, or its time was up
                    continue
                if isinstance(result, Outcome):
                    entry.answer.set_result(result)
                else:
                    entry.answer.set_exception(result)

    async def _some(self) -> None:
        """Return when a pass is to begin."""
        while True:
            if not self._waiting:
                self._arrived.clear()
                await self._arrived.wait()
            oldest = self._waiting[0]
            model = oldest.model
            ready = sum(1 for each in self._waiting if each.model is model)
            left = max(oldest.since, self._free_since) + self._patience - self._clock()
            if left <= 0 or ready >= self._most(model) or ready >= self._in_use(model):
                return
            self._arrived.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._arrived.wait(), left)

    def _next(self) -> list[Waiting[Model]]:
        """The oldest turn and those of its model behind it that share its pass, taken off the list."""
        model = self._waiting[0].model
        ready = [each for each in self._waiting if each.model is model]
        chosen = ready[: self._share(model, len(ready))]
        self._waiting = [each for each in self._waiting if each not in chosen]
        return chosen

    def _pass(self, model: Model, entries: Sequence[Waiting[Model]]) -> list[Outcome | Exception]:
        """On the thread: an outcome or an error for each entry."""
        begin = time.perf_counter()
        queues = [max(self._clock() - entry.since, 0.0) for entry in entries]
        try:
            chunks = self._answer(model, [entry.turn for entry in entries])
        except Exception as error:  # of any kind: its client gets it, the server lives on
            if len(entries) == 1:
                return [error]
            return [self._pass(model, [entry])[0] for entry in entries]
        took = time.perf_counter() - begin
        return [Outcome(c, took, q, len(entries)) for c, q in zip(chunks, queues, strict=True)]
