"""openpi's WebSocket protocol, as openpi-client 0.1.2 speaks it (Physical-Intelligence/openpi, Apache-2.0).

    client                              server
      |<── binary: metadata ──────────────|   once, unasked
      |─── binary: observation ──────────>|
      |<── binary: {"actions", …} ────────|   strictly one after the other
      |<── text: one line ────────────────|   instead of an answer: the request could not be answered
      |<── close 1011 ────────────────────|   after the text, where the fault is the server's own

All binary messages are maps in openpi's msgpack dialect (`polymath.serving.numpy_msgpack`). A request that does not
fit (a DataError, an unknown key, bytes that are no message) gets its text, and the connection lives on: nothing was
computed, and the session is as it was. openpi's server closes after every error. The keys that begin with "polymath/"
are ours; a client that knows none of them needs none.
"""

import logging
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float
from starlette.websockets import WebSocketDisconnect
from websockets.frames import CloseCode

from polymath.errors import DataError, PolymathError
from polymath.serving.numpy_msgpack import decode, encode
from polymath.serving.protocols.channel import Channel, one_line
from polymath.serving.service import Answer, Connection
from polymath.serving.sessions import Overloaded

RESET, EXECUTED, COMMITTED, CLAIMS = (f"polymath/{name}" for name in ("reset", "executed", "committed", "claims"))
RESERVED = (RESET, EXECUTED, COMMITTED, CLAIMS)
PREFIX = "polymath/"
TRY_AGAIN = "try again: "
"""How a text begins after which waiting helps."""
log = logging.getLogger("polymath.serving")


async def serve(channel: Channel, connection: Connection) -> None:
    """Answer a client until it ends. Raises WebSocketDisconnect when the client went in the middle."""
    await channel.send(encode(metadata(connection)))
    timing: dict[str, float] = {}
    while (data := await channel.receive()) is not None:
        begin = time.perf_counter()
        if not await _answer(channel, connection, data, timing):
            return
        took = time.perf_counter() - begin
        timing = {"prev_total_ms": took * 1e3}
        connection.service.metrics.total.labels(connection.served.name).observe(took)


def metadata(connection: Connection) -> dict[str, Any]:
    """The first frame: what is served, and everything that the client must agree with."""
    return {
        "policy": connection.served.name,
        "action_horizon": connection.contract.chunk,
        "polymath": connection.describe(),
    }


async def _answer(channel: Channel, connection: Connection, data: bytes | str, timing: Mapping[str, float]) -> bool:
    """Answer one message; False where the connection was closed."""
    requests = connection.service.metrics.requests
    try:
        channel.count()
        message = _message(data)
        answer, actions = await _act(connection, message)
        reply = encode(_reply(actions, answer, timing))
    except PolymathError as error:
        outcome = "overloaded" if isinstance(error, Overloaded) else "refused"
        requests.labels("openpi", outcome).inc()
        channel.log_refusal(connection.peer, one_line(error))
        await channel.send(f"{TRY_AGAIN}{one_line(error)}" if isinstance(error, Overloaded) else one_line(error))
        return True
    except WebSocketDisconnect:
        raise
    except Exception as error:  # the server's own fault; the others are not to suffer from it
        requests.labels("openpi", "failed").inc()
        log.exception("request failed", extra={"peer": connection.peer})
        await channel.send(f"internal error: {one_line(error)}; the server's log has more")
        await channel.close(CloseCode.INTERNAL_ERROR, "Internal server error. The previous frame says more.")
        return False
    await channel.send(reply)
    requests.labels("openpi", "answered").inc()
    return True


def _message(data: bytes | str) -> dict[str, Any]:
    if isinstance(data, str):
        raise DataError("message: a text frame; send the observation as a binary frame of msgpack")
    return decode(data)


async def _act(connection: Connection, message: dict[str, Any]) -> tuple[Answer, Float[np.ndarray, "W A"]]:
    """The answer to an observation, and its actions as the client executes them."""
    own = {key: message.pop(key) for key in list(message) if key.startswith(PREFIX)}
    if unknown := [key for key in own if key not in RESERVED]:
        raise DataError(
            f"{unknown[0]}: is no key of this protocol; those that begin with {PREFIX} are {', '.join(RESERVED)}"
        )
    if CLAIMS in own:
        connection.contract.check(own[CLAIMS])
    reset = own.get(RESET, False)
    if not isinstance(reset, bool | np.bool_):
        raise DataError(f"{RESET}: {reset!r}; send true or false")
    if reset and EXECUTED in own:
        raise DataError(
            f"{EXECUTED}: comes with {RESET}; a new episode has no actions behind it, leave one of them out"
        )
    bound = connection.adapter
    observation = bound.observation(message)
    before = connection.observed or observation
    executed = bound.own_actions(own[EXECUTED], before, EXECUTED) if EXECUTED in own else None
    committed = bound.own_actions(own[COMMITTED], observation, COMMITTED) if COMMITTED in own else None
    if reset:
        await connection.reset()
    answer = await connection.act(observation, executed, committed)
    return answer, bound.actions(answer.chunk.actions, observation)


def _reply(actions: Float[np.ndarray, "W A"], answer: Answer, timing: Mapping[str, float]) -> dict[str, Any]:
    """Arrays with the chunk's steps first alone: openpi's ActionChunkBroker slices every array by the step."""
    return {
        "actions": actions,
        "policy_timing": {"infer_ms": answer.infer_ms},
        "server_timing": {"infer_ms": answer.infer_ms + answer.queue_ms, "queue_ms": answer.queue_ms, **timing},
        "polymath": {"batch": answer.batch, "session": answer.session},
    }
