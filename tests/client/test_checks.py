"""What cannot be meant is refused where it is handed in, in one line that names it, and never reaches the arm."""

import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import numpy as np
import pytest
from websockets.sync.server import ServerConnection, serve

from polymath_client import (
    ChunkReplay,
    ClientError,
    Connection,
    ContractError,
    Deltas,
    Immediate,
    RealTimeChunking,
    Reconnecting,
    Request,
    ServerError,
    Targets,
    TemporalEnsembling,
    Watchdog,
)

from .robot import W, Wanderer
from .test_connection import CONTRACT, echo, server

INFERENCE = Immediate(Wanderer())


@pytest.mark.parametrize("value", [0, -1, 1.5, "a", None, True, float("nan")])
def test_actions_of_a_chunk_are_a_whole_number(value: Any) -> None:
    for make in (
        lambda: ChunkReplay(INFERENCE, value),
        lambda: RealTimeChunking(INFERENCE, value, 2),
    ):
        with pytest.raises(ClientError, match=r"^execute: "):
            make()


@pytest.mark.parametrize("value", [-1, 1.5, "a", None, float("nan")])
def test_other_settings_that_are_no_numbers(value: Any) -> None:
    for name, make in (
        ("most_committed", lambda: RealTimeChunking(INFERENCE, 1, value)),
        ("patience", lambda: Watchdog("joints", 2, patience=-1 if value == 1.5 else value)),
        ("width", lambda: Watchdog("joints", value)),
        ("rate", lambda: Targets(-1 if value == 1.5 else value)),
        ("rate", lambda: Deltas(-1 if value == 1.5 else value)),
        ("decay", lambda: TemporalEnsembling(INFERENCE, -1 if value == 1.5 else value)),
        ("patience", lambda: Reconnecting(lambda: None, -1 if value == 1.5 else value)),  # type: ignore[arg-type]
        ("timeout", lambda: Connection("ws://localhost:1", timeout=-1 if value == 1.5 else value)),
    ):
        with pytest.raises(ClientError, match=f"^{name}: "):
            make()


@pytest.mark.parametrize("value", [["1", "2"], "12", np.array([1j, 2]), [b"1", b"2"], [[1], [1, 2]], [None, 1]])
def test_what_only_looks_like_numbers_is_no_action(value: Any) -> None:
    """numpy would read the texts as numbers and leave out the imaginary part."""
    with pytest.raises(ClientError, match=r"^action: .*other things than numbers"):
        Watchdog("joints", 2).filter(value)
    with pytest.raises(ClientError, match=r"^action: .*other things than numbers"):
        Targets(10.0).add(0.0, value)


def test_weights_that_would_be_nan_never_reach_the_arm() -> None:
    """exp(-inf * 0) is NaN: the mean of good chunks was NaN, and was handed out."""
    with pytest.raises(ClientError, match="decay: inf"):
        TemporalEnsembling(INFERENCE, float("inf"))


def test_dimensions_that_an_action_does_not_have() -> None:
    with pytest.raises(ClientError, match=r"gripper_dims: 7, but an action has 2 numbers, 0 to 1"):
        Watchdog("pose delta", 2, [7])
    for name, commands in (
        ("held", Targets(20.0, [2])),
        ("held", Deltas(20.0, [-1])),
        ("angles", Targets(20.0, [], [2])),
    ):
        with pytest.raises(ClientError, match=f"^{name}: "):
            commands.add(0.0, np.zeros(2))
    targets = Targets(20.0)
    targets.add(0.0, np.zeros(2))
    with pytest.raises(ClientError, match=r"action: shape \[3\]"):
        targets.add(1.0, np.zeros(3))


@pytest.mark.parametrize("contract", [None, {}, "x", {"action": 5}, {"action": {"motion": "joints", "names": 5}}])
def test_a_watchdog_needs_a_contract(contract: Any) -> None:
    with pytest.raises(ContractError, match=r"^contract"):
        Watchdog.of(contract)


def test_a_target_that_is_none_is_never_sent() -> None:
    watchdog = Watchdog("joints", 2)
    assert watchdog.filter(None, np.array([np.nan, 0.0])) is None
    with pytest.raises(ClientError, match=r"target: shape \[3\]"):
        watchdog.filter(None, np.zeros(3))
    for action in ("x", np.array([None, "a"])):
        with pytest.raises(ClientError, match=r"^action: "):
            watchdog.filter(action)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "url",
    [
        None,
        5,
        "",
        "ws://",
        "localhost:8000",
        "http://localhost:8000",
        "ws://localhost:99999",
        "ws://[::1",
        "ws://localhost:1/vla-eval",
        "ws://localhost:1/model/vla-eval/?robot=libero",
    ],
)
def test_addresses_that_are_none(url: Any) -> None:
    with pytest.raises(ClientError, match=r"^url: "):
        Connection(url)


@pytest.mark.parametrize("key", ["", "two words", "a\r\nX: y", "ü", 5])
def test_keys_that_are_none_are_not_printed(key: Any) -> None:
    with pytest.raises(ClientError, match=r"^api_key: ") as caught:
        Connection("ws://localhost:1", api_key=key)
    assert not key or str(key) not in str(caught.value)


def test_what_is_asked_is_checked_before_it_is_sent() -> None:
    with server(echo) as url, Connection(url) as connection:
        for request, name in (
            (Request(None), "observation"),  # type: ignore[arg-type]
            (Request([1]), "observation"),  # type: ignore[arg-type]
            (Request({}, executed="abc"), "executed"),  # type: ignore[arg-type]
            (Request({}, executed=[[1.0], [1.0, 2.0]]), "executed"),  # type: ignore[arg-type]
            (Request({}, committed=np.zeros(2)), "committed"),
            (Request({}, committed=3), "committed"),  # type: ignore[arg-type]
        ):
            with pytest.raises(ClientError, match=f"^{name}: "):
                connection.infer(request)
        assert connection.infer(Request({})).actions.shape == (4, 2), "the connection lives on"
    for claims in ("x", ["rate"], 5):
        with pytest.raises(ClientError, match=r"^claims: "):
            Connection("ws://localhost:1", claims)  # type: ignore[arg-type]


def test_a_wrong_tls_is_told_and_not_waited_for() -> None:
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as plain:  # answers HTTP 400 to TLS's first bytes
        threading.Thread(target=plain.serve_forever, daemon=True).start()
        with pytest.raises(ClientError, match=r"TLS fails .*write ws://") as caught:
            Reconnecting(lambda: Connection(f"wss://127.0.0.1:{plain.server_port}"), patience=30.0)
        plain.shutdown()
    assert caught.type is ClientError


@pytest.mark.parametrize(
    ("committed", "problem"), [(None, "does not say"), (0, "trained without .* --set robot.committed=D")]
)
def test_real_time_chunking_takes_what_the_training_gave_from_the_contract(committed: int | None, problem: str) -> None:
    contract = {**CONTRACT} if committed is None else {**CONTRACT, "committed": committed}
    with pytest.raises(ContractError, match=problem):
        RealTimeChunking.of(contract, INFERENCE, 2)
    policy = Wanderer()
    chunks = RealTimeChunking.of({**CONTRACT, "committed": 2}, Immediate(policy), W // 2)
    assert list(chunks.delays) == [2]
    assert all(chunks.step({}) is not None for _ in range(2 * W))


def test_the_servers_own_words_are_in_a_refusal() -> None:
    def refuse(socket: ServerConnection, request: Any) -> Any:
        return socket.respond(HTTPStatus.BAD_REQUEST, "no such model\n")

    with serve(lambda socket: None, "127.0.0.1", 0, process_request=refuse) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        with pytest.raises(ServerError, match=r"HTTP 400; .*the server says: no such model"):
            Connection(f"ws://127.0.0.1:{running.socket.getsockname()[1]}")
        running.shutdown()
