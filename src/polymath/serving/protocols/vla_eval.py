"""vla-eval's protocol, so that its harness (`vla-eval run`, 0.8) evaluates a served run unchanged.

    harness                             server
      |─── hello ───────────────────────>|
      |<── hello: what it needs ─────────|   pictures of the wrist, state; what its actions are
      |─── episode_start ───────────────>|   no answer
      |─── observation ─────────────────>|
      |<── action, the same seq ─────────|   one control step: the next of the chunk that is under way
      |<── error, the same seq ──────────|   instead of it; the connection lives on
      |─── episode_end ─────────────────>|   no answer

A harness shows an observation at every control step. Every K-th is answered by the model, the others by the following
actions of its chunk, as vla-eval's own servers do; K is layout.stride of a run with a history, else 2 as in
`polymath eval`, or `?execute=K`. Source: vla-eval 0.8.0, `model_servers/serve.py`, `connection.py` (Apache-2.0).
"""

import asyncio
import logging
import time
from collections import deque
from typing import Any

import numpy as np
from jaxtyping import Float
from starlette.websockets import WebSocketDisconnect
from websockets.frames import CloseCode

from polymath.errors import ConfigError, DataError, PolymathError
from polymath.policy.remote import vla_eval_wire as wire
from polymath.policy.remote.vla_eval_wire import Message
from polymath.serving.protocols.channel import Channel, one_line
from polymath.serving.protocols.vla_eval_specs import hello, observation_message
from polymath.serving.service import Connection
from polymath.serving.sessions import Overloaded

USUAL_EXECUTE = 2
log = logging.getLogger("polymath.serving")


async def serve(channel: Channel, connection: Connection) -> None:
    """Answer a client until it ends. Raises WebSocketDisconnect when the client went in the middle."""
    try:
        execute = _execute(connection, channel.websocket.query_params.get("execute"))
    except ConfigError as error:
        await channel.close(CloseCode.POLICY_VIOLATION, one_line(error))
        return
    episode = Episode(connection, execute)
    while (data := await channel.receive()) is not None:
        await _answer(channel, episode, data)


class Episode:
    """A connection, and what is left of the chunk that is under way."""

    def __init__(self, connection: Connection, execute: int) -> None:
        self.connection, self.execute = connection, execute
        self._left: deque[Float[np.ndarray, " A"]] = deque()
        self._executed: Float[np.ndarray, "K A"] | None = None  # in the checkpoint's own convention

    async def begin(self) -> None:
        """Forget the episode before. Raises DataError while a request is being answered."""
        self._left.clear()
        self._executed = None
        await self.connection.reset()

    async def action(self, payload: Any) -> Float[np.ndarray, " A"]:
        """The next control step. Raises DataError for an observation that does not fit, Overloaded as `act`."""
        if not self._left:
            bound = self.connection.adapter
            observation = bound.observation(observation_message(payload, bound))
            answer = await self.connection.act(observation, self._executed)
            chunk = answer.chunk.actions[: self.execute]
            self._left.extend(bound.actions(answer.chunk.actions, observation)[: self.execute])
            self._executed = chunk if self.connection.served.policy.window > 1 else None
        return self._left.popleft()


def _execute(connection: Connection, text: str | None) -> int:
    """Actions that are sent of a chunk. Raises ConfigError for `?execute=` that the run has not."""
    contract = connection.contract
    usual = contract.execute or min(USUAL_EXECUTE, contract.chunk)
    if text is None:
        return usual
    if not text.isascii() or not text.isdigit() or len(text) > 9 or not 1 <= int(text) <= contract.chunk:
        raise ConfigError(f"execute {text[:20]!r}: choose 1 to {contract.chunk}, the actions of a chunk")
    if contract.execute not in (None, int(text)):
        raise ConfigError(f"execute {text}: the run was trained with layout.stride {contract.execute}")
    return int(text)


async def _answer(channel: Channel, episode: Episode, data: bytes | str) -> None:
    """Handle one message; whatever is wrong with it is told to the client."""
    requests, connection = episode.connection.service.metrics.requests, episode.connection
    begin, seq, kind = time.perf_counter(), 0, "message"
    try:
        if isinstance(data, str):
            raise DataError("message: a text frame; send binary frames of msgpack")
        message = await asyncio.to_thread(wire.decode, data)  # pictures are compressed
        seq, kind = message.seq, message.type
        reply = await _reply(channel, episode, message)
    except PolymathError as error:
        outcome = "overloaded" if isinstance(error, Overloaded) else "refused"
        requests.labels("vla-eval", outcome).inc()
        channel.log_refusal(connection.peer, one_line(error))
        reply = _error(kind, one_line(error), seq)
    except WebSocketDisconnect:
        raise
    except Exception as error:  # the server's own fault; the others are not to suffer from it
        requests.labels("vla-eval", "failed").inc()
        log.exception("request failed", extra={"peer": connection.peer})
        reply = _error(kind, f"internal error: {one_line(error)}; the server's log has more", seq)
    if reply is None:
        return
    await channel.send(wire.encode(reply))
    if reply.type == wire.ACTION:
        requests.labels("vla-eval", "answered").inc()
        connection.service.metrics.total.labels(connection.served.name).observe(time.perf_counter() - begin)


async def _reply(channel: Channel, episode: Episode, message: Message) -> Message | None:
    if message.type == wire.HELLO:
        _check_version(message.payload.get("protocol_version", wire.VERSION))
        return Message(wire.HELLO, hello(episode.connection), message.seq)
    if message.type in (wire.EPISODE_START, wire.EPISODE_END):
        await episode.begin()
        return None
    if message.type == wire.OBSERVATION:
        channel.count()
        return Message(wire.ACTION, {"actions": await episode.action(message.payload)}, message.seq)
    if message.type == wire.ERROR:
        channel.log_report(episode.connection.peer, str(message.payload.get("error", "")))
        return None
    raise DataError(
        f"message.type: {message.type!r} is for servers to send; a client sends hello, episodes, observations"
    )


def _check_version(version: Any) -> None:
    if version != wire.VERSION:
        raise DataError(f"hello.protocol_version: {str(version)[:20]}; this server speaks version {wire.VERSION}")


def _error(kind: str, text: str, seq: int) -> Message:
    return Message(wire.ERROR, {"error": f"{kind}_failed: {text}"}, seq)
