"""The connection against a small server of openpi's protocol, in a thread: what is sent, refused, lost, found again."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from websockets.sync.server import ServerConnection, serve

from polymath_client import (
    Background,
    ChunkError,
    ChunkReplay,
    ClientError,
    Connection,
    ConnectionLost,
    ContractError,
    Reconnecting,
    Request,
    ServerError,
    wire,
)
from polymath_worker import wire as ours

from .robot import Clock

CONTRACT = {
    "rate": 20.0,
    "chunk": 4,
    "cameras": {"names": ["front"], "roles": None},
    "action": {"names": ["dx", "dy"], "motion": "pose delta", "gripper_dims": []},
}
ANSWER = np.arange(8, dtype=np.float32).reshape(4, 2)
Answer = Callable[[ServerConnection, dict[str, Any]], Any]


@contextmanager
def server(answer: Answer, contract: Any = CONTRACT) -> Iterator[str]:
    """Its address. `answer` gives what is sent for a message: a map, a text or bytes; None for nothing."""

    def handle(socket: ServerConnection) -> None:
        metadata = {"policy": "test"} if contract is None else {"policy": "test", "polymath": {"contract": contract}}
        socket.send(wire.encode(metadata))
        for data in socket:
            reply = answer(socket, wire.decode(data))
            if reply is not None:
                socket.send(reply if isinstance(reply, str | bytes) else wire.encode(reply))

    with serve(handle, "127.0.0.1", 0, max_size=None) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield f"ws://127.0.0.1:{running.socket.getsockname()[1]}"
        running.shutdown()


def echo(socket: ServerConnection, message: dict[str, Any]) -> dict[str, Any]:
    return {"actions": ANSWER, "heard": sorted(message)}


def test_the_bytes_are_openpis() -> None:
    """Golden bytes of openpi-client 0.1.2 (numpy float32 arrays and numbers), and those of our own other side."""
    golden = {
        "81a16184c40b5f5f6e6461727261795f5fc3c40464617461c408000000000000803fc4056474797065a33c6634c40573686170"
        "659102": {"a": np.arange(2, dtype=np.float32)},
        "81a17383c40d5f5f6e7067656e657269635f5fc3c40464617461cb3ff8000000000000c4056474797065a33c6634": {
            "s": np.float32(1.5)
        },
        "81a173cb3ff8000000000000": {"s": np.float64(1.5)},
    }
    for text, message in golden.items():
        assert wire.encode(message).hex() == text
    observation = {"images": {"front": np.zeros((4, 4, 3), np.uint8)}, "state": np.ones(3), "prompt": "go", "n": None}
    assert wire.encode(observation) == ours.encode(observation)
    back = wire.decode(wire.encode(observation))
    np.testing.assert_array_equal(back["images"]["front"], observation["images"]["front"])
    for wrong in (np.array([object()]), np.zeros(2, "c16"), object(), 2**80):
        with pytest.raises(ClientError, match="message"):
            wire.encode({"x": wrong})
    for data in (b"\xc1", b"", wire.encode({"a": ANSWER})[:-3]):
        with pytest.raises(ClientError, match="no message"):
            wire.decode(data)


def test_what_is_sent() -> None:
    with server(echo) as url, Connection(url, claims={"rate": 20, "action": {"motion": "pose delta"}}) as connection:
        assert connection.contract == CONTRACT
        first = connection.infer(Request({"state": np.zeros(2)}, executed=ANSWER[:1], reset=True))
        np.testing.assert_array_equal(first.actions, ANSWER)
        assert first.info["heard"] == ["polymath/claims", "polymath/reset", "state"]
        then = connection.infer(Request({"state": np.zeros(2)}, executed=ANSWER[:1], committed=ANSWER[:2]))
        assert then.info["heard"] == ["polymath/committed", "polymath/executed", "state"]
    with server(echo, contract=None) as url, Connection(url) as connection:  # openpi's own server
        assert connection.infer(Request({"state": np.zeros(2)}, reset=True)).info["heard"] == ["state"]


@pytest.mark.parametrize(
    ("claims", "problem"),
    [
        ({"rate": 10.0}, "rate: robot 10.0, checkpoint 20.0"),
        ({"action": {"motion": "joints"}, "rate": 5}, "action.motion: robot 'joints', checkpoint 'pose delta'; rate"),
        ({"cameras": {"names": ("wrist",)}}, r"cameras.names: robot \['wrist'\]"),
        ({"speed": 1}, "claims.speed: a contract has no such field"),
        ({"cameras": "front"}, "cameras: robot 'front'"),
        ({"rate": 10**400}, "rate: robot 1000"),  # no float is as large
        ({"rate": True}, "rate: robot True"),
    ],
)
def test_a_robot_that_is_another_is_refused_before_it_moves(claims: dict[str, Any], problem: str) -> None:
    with server(echo) as url, pytest.raises(ContractError, match=problem):
        Connection(url, claims=claims)
    with server(echo, contract=None) as url, pytest.raises(ContractError, match="sends no contract"):
        Connection(url, claims=claims)


@pytest.mark.parametrize(
    ("actions", "problem"),
    [
        (np.full((4, 2), np.nan, np.float32), "NaN or infinity"),
        (np.zeros((4, 3), np.float32), "3 numbers each, but the robot has 2"),
        (np.zeros(4, np.float32), r"float32 \[4\]; an answer is numbers of \[W, A\]"),
        (np.zeros((0, 2), np.float32), r"\[0, 2\]"),
        (np.zeros((2, 2), np.float32), "2 of them, but 2 were committed"),
        (None, "object"),
        ("go left", "<U7"),
        ([[0.0, 1.0], [2.0]], "object"),
        (np.full((4, 2), 1e300), "NaN or infinity"),  # beyond float32
    ],
)
def test_a_chunk_that_no_robot_should_carry_out(actions: Any, problem: str) -> None:
    with server(lambda socket, message: {"actions": actions}) as url, Connection(url) as connection:
        for _ in range(2):  # and the connection lives on
            with pytest.raises(ChunkError, match=problem):
                connection.infer(Request({}, committed=ANSWER[:2]))


@pytest.mark.parametrize("contract", ["v1", [1], {"action": None}, {"action": {"names": 2}}])
def test_a_contract_of_another_kind_is_no_traceback(contract: Any) -> None:
    with server(echo, contract) as url:
        if isinstance(contract, dict):
            with Connection(url) as connection:
                np.testing.assert_array_equal(connection.infer(Request({})).actions, ANSWER)
        else:
            with pytest.raises(ContractError, match=f"sends a {type(contract).__name__} as its contract"):
                Connection(url)


def test_no_actions_say_nothing_about_the_width() -> None:
    with server(echo, contract=None) as url, Connection(url) as connection:
        np.testing.assert_array_equal(connection.infer(Request({}, executed=[], committed=[])).actions, ANSWER)  # type: ignore[arg-type]


def test_the_users_own_headers_and_options_reach_the_handshake() -> None:
    heard = []

    def note(socket: ServerConnection, request: Any) -> None:
        heard.append((request.headers.get("X-Robot"), request.headers.get("Authorization")))

    def greet(socket: ServerConnection) -> None:
        socket.send(wire.encode({"text": "long" * 100}))

    with serve(greet, "127.0.0.1", 0, process_request=note) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        url = f"ws://127.0.0.1:{running.socket.getsockname()[1]}"
        Connection(url, api_key="a", additional_headers={"X-Robot": "arm 3"}).close()
        with pytest.raises(ConnectionLost):
            Connection(url, max_size=100)
        running.shutdown()
    assert heard[0] == ("arm 3", "Api-Key a")


def test_a_refusal_is_told_in_the_servers_words() -> None:
    def refuse(socket: ServerConnection, message: dict[str, Any]) -> str:
        return "state: NaN\nsend numbers"

    with server(refuse) as url, Connection(url) as connection, pytest.raises(ServerError) as error:
        connection.infer(Request({}))
    assert str(error.value) == "state: NaN send numbers"


def test_no_server_no_answer_no_openpi() -> None:
    with pytest.raises(ConnectionLost, match="is the server running there"):
        Connection("ws://127.0.0.1:9")
    with server(lambda socket, message: None) as url:
        connection = Connection(url, timeout=1.5)
        with pytest.raises(ConnectionLost, match=r"no answer within 1\.5 s"):
            connection.infer(Request({}))
        with pytest.raises(ConnectionLost):
            connection.infer(Request({}))
    listing = server(lambda socket, message: wire.encode([1]))
    with listing as url, Connection(url) as connection, pytest.raises(ClientError, match="answers with a list"):
        connection.infer(Request({}))


def test_two_threads_need_two_connections() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(socket: ServerConnection, message: dict[str, Any]) -> dict[str, Any]:
        begun.set()
        assert go_on.wait(10)
        return {"actions": ANSWER}

    with server(slow) as url, Connection(url) as connection:
        background = Background(connection.infer)
        background.submit(Request({}))
        assert begun.wait(10)
        with pytest.raises(ClientError, match="another thread waits"):
            connection.infer(Request({}))
        with pytest.raises(ClientError, match="under way"):
            background.submit(Request({}))
        go_on.set()
        while (reply := background.poll()) is None:
            time.sleep(0)
        np.testing.assert_array_equal(reply.actions, ANSWER)
        background.close()


def test_a_server_that_goes_in_the_middle_of_a_chunk_and_comes_back() -> None:
    """The rest of the chunk is played, then the arm has no action, then a new session goes on."""
    count, heard = 0, []

    def once(socket: ServerConnection, message: dict[str, Any]) -> dict[str, Any] | None:
        nonlocal count
        count += 1
        heard.append(sorted(message))
        if count == 2:
            socket.close()
            return None
        return {"actions": ANSWER}

    with server(once) as url:
        link = Reconnecting(lambda: Connection(url))
        chunks = ChunkReplay(Background(link.infer), execute=2)
        sent: list[np.ndarray] = []
        while len(sent) < 8:
            action = chunks.step({"state": np.zeros(2)})
            if action is not None:
                sent.append(action)
        np.testing.assert_array_equal(np.stack(sent[:4]), ANSWER)
        assert chunks.requests.reconnections == 1
        assert heard[1] == ["polymath/executed", "state"]
        assert heard[2] == ["polymath/reset", "state"]
        link.close()


def test_waiting_for_a_server_ends() -> None:
    clock, tries = Clock(), []

    def nobody() -> Connection:
        tries.append(clock.now())
        raise ConnectionLost("ws://nowhere: refused")

    with pytest.raises(ConnectionLost, match="nowhere"):
        Reconnecting(nobody, patience=10.0, clock=clock)  # type: ignore[arg-type]
    assert clock.slept[:4] == [0.1, 0.2, 0.4, 0.8]
    assert tries[-1] - tries[0] == pytest.approx(10.0)
    with server(echo) as url:
        links = iter([Connection(url)])
        link = Reconnecting(lambda: next(links, None) or nobody(), patience=0.5, clock=clock)  # type: ignore[arg-type]
        link.connection.close()
        with pytest.raises(ConnectionLost, match="nowhere"):
            link.infer(Request({}))


def test_another_checkpoint_behind_the_same_address_is_refused() -> None:
    other = {**CONTRACT, "action": {**CONTRACT["action"], "motion": "joints"}}  # type: ignore[dict-item]
    with server(echo) as first, server(echo, other) as second:
        places = iter([first, second, second])
        link = Reconnecting(lambda: Connection(next(places)))
        link.connection.close()
        for _ in range(2):  # nor by a loop that goes on after the error
            with pytest.raises(ContractError, match=r"action\.motion: robot 'pose delta', checkpoint 'joints'"):
                link.infer(Request({}))


def test_who_is_turned_away_does_not_wait() -> None:
    def refuse(socket: ServerConnection, request: Any) -> Any:
        return socket.respond(401, "wrong key\n") if request.headers.get("Authorization") != "Api-Key a" else None

    with serve(lambda socket: socket.send(wire.encode({})), "127.0.0.1", 0, process_request=refuse) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        url = f"ws://127.0.0.1:{running.socket.getsockname()[1]}"
        with pytest.raises(ServerError, match="401; check the API key"):
            Reconnecting(lambda: Connection(url, api_key="b"))
        Connection(url, api_key="a").close()
        running.shutdown()
    with pytest.raises(ClientError, match="write it as ws://HOST:PORT"):
        Reconnecting(lambda: Connection("localhost:8000"))
