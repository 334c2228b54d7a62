"""Small servers of openpi's and vla-eval's protocols, and all the ways in which they can misbehave.

`python fake_servers.py PORT openpi|vla-eval` serves until it is killed; `serving(handler)` serves in a thread. They are
written after openpi's `websocket_policy_server.py` and vla-eval's `model_servers/serve.py`, not after our client.
"""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus

import msgpack
import numpy as np
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import Server, ServerConnection, serve

from polymath import ActionChunk, wire

METADATA = {"policy": "seeing", "action_horizon": 4}
Handler = Callable[[ServerConnection], None]


def chunk(image: np.ndarray, state: np.ndarray, turn: int) -> np.ndarray:
    """float32 [4, 2]: towards the white pixel, half as fast at every third turn of an episode: it remembers."""
    y, x = np.argwhere(image[..., 0])[0]
    step = ((np.array([x, y]) + 0.5) / 16 - state) / 0.1
    step = step / max(1, abs(step).max()) * (0.5 if turn % 3 == 2 else 1)
    return np.stack([step, step, *[np.zeros(2)] * 2]).astype(np.float32)


class InProcess:
    """The same policy without a server, in the form of `polymath.policy.session`."""

    name = "seeing"

    def open(self, episode=None):
        return InProcessSession(self)

    def answer(self, turns):
        return [ActionChunk(turn.session.next(turn.observation)) for turn in turns]


class InProcessSession:
    def __init__(self, policy):
        self.policy, self.closed, self.turn = policy, False, -1

    def next(self, observation):
        self.turn += 1
        return chunk(observation.images["top"], observation.state, self.turn)

    def reset(self):
        self.turn = -1

    def close(self):
        self.closed = True


def openpi(socket: ServerConnection, metadata: dict = METADATA) -> None:
    """An honest server."""
    socket.send(wire.encode(metadata))
    for turn, data in enumerate(socket):
        message = wire.decode(data)
        actions = chunk(message["images"]["top"], message["state"], turn)
        socket.send(wire.encode({"actions": actions, "server_timing": {"infer_ms": 0.1}}))


def answering(answer: Callable[[], dict | bytes | str], metadata: dict = METADATA) -> Handler:
    """A server that answers every observation with `answer()`."""

    def handler(socket: ServerConnection) -> None:
        socket.send(wire.encode(metadata))
        for _ in socket:
            reply = answer()
            socket.send(wire.encode(reply) if isinstance(reply, dict) else reply)

    return handler


def vla_eval(socket: ServerConnection) -> None:
    """An honest server, which plays its chunks of two back, one action an observation."""
    turn, buffer = -1, []
    for data in socket:
        message = msgpack.unpackb(data, object_hook=_unpacked)
        kind, payload, reply = message["type"], message["payload"], None
        if kind == "hello":
            reply = ("hello", {"model_server": "Seeing", "protocol_version": 1, "harness_version": "0.8.0"})
        elif kind == "episode_start":
            turn, buffer = -1, []
        elif kind == "observation":
            if not buffer:
                turn += 1
                buffer = list(chunk(payload["images"]["top"], payload["state"], turn)[:2])
            reply = ("action", {"actions": buffer.pop(0)})
        if reply is not None:
            packed = {"type": reply[0], "payload": reply[1], "seq": message["seq"], "timestamp": 0.0}
            socket.send(msgpack.packb(packed, default=_packed))


def _packed(array: np.ndarray) -> dict:
    return {"__ndarray__": True, "data": array.tobytes(), "dtype": array.dtype.str, "shape": list(array.shape)}


def _unpacked(value: dict):
    return np.frombuffer(value["data"], value["dtype"]).reshape(value["shape"]) if "__ndarray__" in value else value


def refusing(status: HTTPStatus, body: str) -> Callable:
    """What takes the place of the handshake, as `serving(…, process_request=refusing(…))`."""
    return lambda socket, request: socket.respond(status, body)


def asking_for(key: str) -> Callable:
    """Lets in whoever sends the key as openpi's client does."""

    def check(socket: ServerConnection, request):
        if request.headers.get("Authorization") != f"Api-Key {key}":
            return socket.respond(HTTPStatus.UNAUTHORIZED, "send a valid key\n")
        return None

    return check


def start(handler: Handler, port: int = 0, **options) -> Server:
    def quietly(socket: ServerConnection) -> None:
        with suppress(ConnectionClosed):
            handler(socket)

    return serve(quietly, "127.0.0.1", port, compression=None, max_size=None, **options)


@contextmanager
def serving(handler: Handler, **options) -> Iterator[str]:
    """The URL of a server in a thread."""
    with start(handler, **options) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"ws{'s' if 'ssl' in options else ''}://127.0.0.1:{server.socket.getsockname()[1]}"
        finally:
            server.shutdown()
            thread.join()


if __name__ == "__main__":
    with start({"openpi": openpi, "vla-eval": vla_eval}[sys.argv[2]], int(sys.argv[1])) as only:
        only.serve_forever()
