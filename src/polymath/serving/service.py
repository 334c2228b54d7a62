"""What is served, without a transport: models, connections, and the session behind each connection.

    service = Service(limits, metrics)
    service.add(served)                                    # a model whose programs are compiled
    connection = await service.connect("demo", "polymath", "10.0.0.7:51234")
    answer = await connection.act(observation)             # float32 [W, A] in answer.chunk.actions
    await connection.close()

Everything here runs on the event loop; the passes have a thread of their own (`batching`).
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Float

from polymath.errors import ConfigError, DataError, PolymathError, did_you_mean
from polymath.policy import Policy
from polymath.policy.contract import Contract
from polymath.policy.session import Turn
from polymath.serving.adapters import Bound, adapter_names, bind_named
from polymath.serving.batching import Batcher
from polymath.serving.choice import chosen
from polymath.serving.limits import Limits
from polymath.serving.metrics import Metrics
from polymath.serving.sessions import Continuity, Lease, Overloaded, Sessions
from polymath.types import ActionChunk, Observation

VERSION = 1
"""Of what `Connection.describe` holds."""
KNOWN = 256
"""Instructions of a model whose number of tokens is remembered."""
State = Literal["loading", "ready", "draining"]


@dataclass(frozen=True, eq=False)
class Served:
    """A model that answers: `rows` are the sizes of its compiled passes, smallest first.

    `adapters` by name, the default one first; those that the package and its plug-ins know are added when a client
    names them.
    `assume_executed`: a client that does not say which actions it carried out has carried out the first layout.stride
    ones of the last chunk. It matters for a run with a history alone.
    `weights`: which weights they are, as in the identity of a result: checkpoint, weights (a hash), decode.
    `seconds` of a pass by its size, as measured; sizes that were not measured count as equally quick.
    `run`: what the run of several robots is called, of which the model is one; a client must name such a model.
    """

    name: str
    policy: Policy
    contract: Contract
    adapters: dict[str, Bound]
    rows: tuple[int, ...] = (1,)
    assume_executed: bool = False
    weights: Mapping[str, str] = field(default_factory=dict)
    seconds: Mapping[int, float] = field(default_factory=dict)
    run: str = ""

    known: dict[str, int] = field(default_factory=dict)  # instruction -> its tokens

    def answer(self, turns: Sequence[Turn]) -> Sequence[ActionChunk]:
        """One pass of the smallest compiled size that holds the turns."""
        rows = next((size for size in self.rows if size >= len(turns)), self.rows[-1])
        return self.policy.answer(turns, rows)

    def share(self, waiting: int) -> int:
        """Of so many waiting turns, how many the next pass answers: those of the size with most answers a second.

        On an accelerator a pass of eight hardly takes longer than one of a single turn; on a processor, whose time
        grows with the rows, three turns are answered sooner one by one than in a pass of eight with five rows to spare.
        """
        size = min(self.rows, key=lambda size: self.seconds.get(size, 1.0) / min(size, waiting))
        return min(size, waiting)

    def tokens(self, instruction: str) -> int:
        """How many tokens an instruction has. Raises DataError if it is empty."""
        if instruction not in self.known:
            if len(self.known) >= KNOWN:
                self.known.clear()
            self.known[instruction] = len(self.policy.transform.instruction_ids(instruction))
        return self.known[instruction]

    def adapter(self, name: str | None) -> tuple[str, Bound]:
        """The adapter of that name, the default one unless named; a client may name no file.

        Raises ConfigError for an unknown one, DataError, both sides printed, for one that disagrees with the contract.
        """
        chosen = next(iter(self.adapters)) if name is None else name
        if chosen not in self.adapters:
            known = list(dict.fromkeys([*self.adapters, *adapter_names()]))
            if chosen not in known:
                raise ConfigError(f"robot {chosen[:80]!r}: no such adapter; {did_you_mean(chosen, known)}")
            self.adapters[chosen] = bind_named(chosen, self.contract)
            self.adapters[chosen].announce(self.name)
        return chosen, self.adapters[chosen]


class Answer(NamedTuple):
    """`infer_ms` of the pass, `queue_ms` before it, `batch` turns in it; whether the session went on."""

    chunk: ActionChunk
    infer_ms: float
    queue_ms: float
    batch: int
    session: Continuity


class Service:
    """The models, the first of which is the default, and what is connected to them."""

    def __init__(
        self,
        limits: Limits,
        metrics: Metrics,
        max_latency: float = 0.005,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`max_latency`: seconds that a turn waits for others to share its pass, while no other pass runs."""
        self.limits, self.metrics, self.clock = limits, metrics, clock
        self.models: dict[str, Served] = {}
        self.watch: Watch = _unwatched
        self.state: State = "loading"
        self.connections: set[Connection] = set()
        self.answering: set[object] = set()  # clients whose request has come and whose reply has not been sent
        self.sessions: dict[str, Sessions] = {}
        self.batcher: Batcher[Served] = Batcher(
            lambda model, turns: model.answer(turns),
            lambda model: model.rows[-1],
            lambda model, waiting: model.share(waiting),
            self._in_use,
            max_latency,
        )

    def add(self, served: Served) -> None:
        """Serve one more model. Raises ConfigError for a name that is taken."""
        if served.name in self.models:
            raise ConfigError(f"model {served.name!r}: is served already; give one of them another name, as NAME=RUN")
        for bound in served.adapters.values():
            bound.announce(served.name)
        self.models[served.name] = served
        limits, evicted = self.limits, self.metrics.evicted.labels(served.name).inc
        self.sessions[served.name] = Sessions(served.policy, limits.sessions, limits.idle, self.clock, evicted)

    def begin(self) -> None:
        """Answer from now on."""
        self.batcher.start()
        self.state = "ready"
        self.metrics.ready.set(1)

    def drain(self) -> None:
        """Take no new connections; those that are there get their answers."""
        self.state = "draining"
        self.metrics.ready.set(0)

    def admit(self, model: str | None, adapter: str | None) -> tuple[Served, str, Bound]:
        """The model and the adapter of a new connection.

        Raises ConfigError and DataError as `Served.adapter` does, Overloaded before and after the server is ready, and
        where as many are connected as may be.
        """
        if self.state != "ready":
            raise Overloaded(f"the server is {self.state}; try again when /readyz says ready")
        if len(self.connections) >= self.limits.connections:
            raise Overloaded(f"{len(self.connections)} robots are connected, as many as may be (--max-connections)")
        served = chosen(self.models, model)
        return served, *served.adapter(adapter)

    async def connect(self, model: str | None, adapter: str | None, peer: str) -> "Connection":
        """A connection, to be closed. Raises what `admit` raises."""
        connection = Connection(self, *self.admit(model, adapter), peer)
        self.connections.add(connection)
        return connection

    def _in_use(self, served: Served) -> int:
        """Connections of a model that asked within the last second: those that may ask again soon."""
        recent = self.clock() - 1.0
        return sum(1 for each in self.connections if each.served is served and (each.busy or each.asked > recent))


class Connection:
    """One client: its model, its adapter and its session. `contract` is in the client's terms, after the adapter.

    `observed` is the last observation that was answered in this episode: what executed actions began at.
    """

    def __init__(self, service: Service, served: Served, adapter_name: str, adapter: Bound, peer: str) -> None:
        self.service, self.served, self.peer = service, served, peer
        self.adapter_name, self.adapter, self.contract = adapter_name, adapter, adapter.contract
        self.observed: Observation | None = None
        self.busy = False
        self.asked = -1e9  # the clock's time of the last request
        self._lease: Lease | None = None

    def describe(self) -> dict[str, Any]:
        """What a client is told in the handshake: what is served, and everything that it must agree with."""
        return {
            "version": VERSION,
            "models": list(self.service.models),
            "adapter": self.adapter_name,
            "contract": self.contract.as_dict(),
            **self.served.weights,
        }

    async def act(
        self,
        observation: Observation,
        executed: Float[np.ndarray, "K A"] | None = None,
        committed: Float[np.ndarray, "D A"] | None = None,
    ) -> Answer:
        """The answer to one observation; `executed` and `committed` as in `polymath.policy.session.Turn`.

        Raises DataError for what does not fit, Overloaded where no answer can be given in time; the session is then as
        it was, or begins anew at the next observation, which that answer says.
        """
        if self.busy:
            raise DataError("a request is being answered on this connection; wait for its answer before the next one")
        self._check(observation)
        self.busy, self.asked = True, self.service.clock()
        sessions, metrics, name = self.service.sessions[self.served.name], self.service.metrics, self.served.name
        try:
            lease, continuity = sessions.acquire(self._lease)
            self._lease = lease
            if continuity == "evicted":
                executed = None
            elif executed is None and lease.begun and self.served.assume_executed and lease.last is not None:
                executed = lease.last[: self.served.policy.run.recipe.layout.stride]
            try:
                turn = Turn(lease.session, observation, executed, committed)
                outcome = await self.service.batcher.ask(self.served, turn, self.service.limits.answer)
            except Overloaded:
                sessions.evict(lease)  # its turn may have been taken, unseen by the client
                raise
            finally:
                sessions.release(lease)
        finally:
            self.busy = False
            metrics.sessions.labels(name).set(len(sessions))
            metrics.waiting.set(self.service.batcher.waiting)
        if not np.isfinite(outcome.chunk.actions).all():
            sessions.evict(lease)
            raise PolymathError(
                "the policy's actions hold NaN or infinity, which no robot may carry out; look at the state that was "
                "sent and at the run's statistics"
            )
        lease.begun, lease.last, self.observed = True, outcome.chunk.actions, observation
        metrics.infer.labels(name).observe(outcome.infer)
        metrics.queue.labels(name).observe(outcome.queue)
        metrics.turns.labels(name).observe(outcome.batch)
        answer = Answer(outcome.chunk, outcome.infer * 1e3, outcome.queue * 1e3, outcome.batch, continuity)
        self.service.watch(self, observation, executed, answer)
        return answer

    async def reset(self) -> None:
        """A new episode begins with the next observation. Raises DataError while a request is being answered."""
        if self.busy:
            raise DataError("a request is being answered on this connection; reset it after the answer")
        self.observed = None
        if self._lease is not None and self._lease.evicted:
            self._lease = None
        elif self._lease is not None:
            self._lease.session.reset()
            self._lease.begun, self._lease.last, self._lease.beginning = False, None, "new"

    async def close(self) -> None:
        """Give the session back; a closed connection may be closed again."""
        self.service.connections.discard(self)
        if self._lease is not None:
            self.service.sessions[self.served.name].close(self._lease)
            self.service.metrics.sessions.labels(self.served.name).set(len(self.service.sessions[self.served.name]))
            self._lease = None

    def _check(self, observation: Observation) -> None:
        """Raise DataError for an instruction that is longer than those whose programs are compiled."""
        length, most = len(observation.instruction), self.service.limits.instruction
        if length > most:
            raise DataError(f"prompt: {length:,} characters, at most {most:,} are read; describe the task shortly")
        tokens, most = self.served.tokens(observation.instruction), self.service.limits.tokens
        if tokens > most:
            raise DataError(
                f"prompt: {tokens} tokens, at most {most} are read (--max-tokens); describe the task shortly"
            )


Watch = Callable[[Connection, Observation, np.ndarray | None, Answer], None]
"""Told of each answer, on the event loop: by whom, to what, after which executed actions [K, A]."""


def _unwatched(connection: Connection, observation: Observation, executed: np.ndarray | None, answer: Answer) -> None:
    """Nobody looks."""
