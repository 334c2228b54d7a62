"""A policy behind openpi's protocol: sessions, and what each misbehaviour of a server is called."""

import json
import socket as sockets
import time
from http import HTTPStatus
from pathlib import Path

import numpy as np
import pytest
from tests.policy.remote.fake_servers import METADATA, InProcess, answering, asking_for, openpi, refusing, serving

from polymath import Observation, wire
from polymath.errors import ConfigError, DataError, PolymathError
from polymath.policy.remote import link
from polymath.policy.remote.address import address, server_key
from polymath.policy.remote.policy import RemotePolicy
from polymath.policy.session import SessionsLost, Turn


def seen(x: int = 3, camera: str = "top") -> Observation:
    image = np.zeros((16, 16, 3), np.uint8)
    image[5, x] = 255
    return Observation({camera: image}, np.array([0.5, 0.5], np.float32), "go", "point")


def policy_at(url: str, key: str | None = None, wait: float = 5) -> RemotePolicy:
    return RemotePolicy(address(f"{url}?robot=polymath&wait={wait}"), key)


def test_sessions_are_answered_as_in_process() -> None:
    ours = InProcess()
    with serving(openpi) as url:
        policy = policy_at(url)
        assert policy.name == "seeing"
        theirs_open, ours_open = [policy.open() for _ in range(3)], [ours.open() for _ in range(3)]
        for turn in range(4):
            theirs, expected = (
                each.answer([Turn(session, seen(turn + i)) for i, session in enumerate(opened)])
                for each, opened in ((policy, theirs_open), (ours, ours_open))
            )
            for a, b in zip(theirs, expected, strict=True):
                assert np.array_equal(a.actions, b.actions)
                assert a.actions.dtype == np.float32
        for session in theirs_open:
            session.close()
            session.close()
        with pytest.raises(DataError, match="is closed; open another"):
            policy.answer([Turn(theirs_open[0], seen())])


def test_a_subtask_of_a_server_without_resets_goes_on() -> None:
    with serving(openpi) as url:
        session = policy_at(url).open()
        session.act(seen())
        session.reset()
        assert session.act(seen()).actions.shape == (4, 2)


OURS = {
    **METADATA,
    "polymath": {
        "version": 1,
        "contract": {
            "robot": "point",
            "slot": 20,
            "cameras": {"names": ["top"], "roles": None},
            "image": {"size": 16},
            "state": {"names": ["x", "y"]},
            "action": {"names": ["dx", "dy"]},
            "rate": 20.0,
            "chunk": 4,
            "window": 2,
            "execute": 2,
            "statistics": "0" * 16,
            "normalization": "quantile",
            "version": 1,
        },
    },
}
"""What our own server says of itself (docs/serving.md)."""


def test_our_own_server_is_told_of_episodes_and_executed_actions() -> None:
    messages = []

    def handler(socket) -> None:
        socket.send(wire.encode(OURS))
        for data in socket:
            messages.append(wire.decode(data))
            socket.send(wire.encode({"actions": np.zeros((4, 2), np.float32), "polymath": {"session": "new"}}))

    with serving(handler) as url:
        policy = RemotePolicy(address(url))  # no robot named: the server says what it is
        assert policy.contract is not None
        assert (policy.contract.robot, policy.contract.execute) == ("point", 2)
        session = policy.open()
        session.act(seen())
        session.act(seen(), np.ones((2, 2), np.float32), np.zeros((1, 2), np.float32))
        session.reset()
        session.act(seen(), None)
    own = [{key: value for key, value in message.items() if key.startswith("polymath/")} for message in messages]
    assert own[0] == own[2] == {"polymath/reset": True}
    assert sorted(own[1]) == ["polymath/committed", "polymath/executed"]
    assert own[1]["polymath/executed"].tolist() == [[1, 1], [1, 1]]


def test_an_episode_that_our_server_has_forgotten_is_lost() -> None:
    reply = {"actions": np.zeros((4, 2), np.float32), "polymath": {"session": "evicted"}}
    with serving(answering(lambda: reply, OURS)) as url:
        session = RemotePolicy(address(url)).open()
        with pytest.raises(SessionsLost, match="has forgotten the episode"):
            session.act(seen())


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("try again: all 32 are being answered", SessionsLost, "cannot answer now .*all 32"),
        ("state: 3 numbers, expected 2", PolymathError, "answered with an error: state: 3 numbers"),
    ],
)
def test_the_texts_of_our_server(text: str, error: type, message: str) -> None:
    with serving(answering(lambda: text, OURS)) as url, pytest.raises(error, match=message):
        RemotePolicy(address(url)).open().act(seen())


TRACEBACK = "Traceback (most recent call last):\n  File x\nValueError: no such camera\n"


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda: TRACEBACK, r"answered with an error: ValueError: no such camera$"),
        (lambda: "", "answered with an error: an empty message"),
        (lambda: {"action": np.zeros((4, 2))}, "its answer has no actions, only action; is this a policy server"),
        (lambda: {}, "no actions, only nothing"),
        (lambda: {"actions": np.zeros((4, 2, 1))}, r"actions of shape \[4, 2, 1\], not \[steps, numbers\]"),
        (lambda: {"actions": np.zeros((0, 2))}, r"actions of shape \[0, 2\]"),
        (lambda: {"actions": np.float32(1)}, r"actions of shape \[\]"),
        (lambda: {"actions": np.zeros((3, 2))}, r"answered with 3 actions, but promised 4 \(action_horizon\)"),
        (lambda: {"actions": np.full((4, 2), np.nan)}, "answered with NaN or infinite actions"),
        (lambda: {"actions": np.full((4, 2), 1e300)}, "answered with NaN or infinite actions"),
        (lambda: {"actions": "left"}, "answered with str instead of an array of actions"),
        (lambda: {"actions": np.array([["a", "b"]] * 4)}, r"answered with an array of <U1 instead of an array"),
        (lambda: {"actions": [[1.0, 2.0], [1.0]]}, "answered with list instead of an array of actions"),
        (lambda: {"actions": None}, "answered with NoneType instead"),
        (lambda: b"\xc1", r"its answer cannot be read \(message: 1 bytes are not msgpack"),
        (lambda: msgpack_list(), r"its answer cannot be read \(message: expected a map, got list"),
    ],
)
def test_answers_that_are_no_chunks(answer, message: str) -> None:
    with serving(answering(answer)) as url:
        session = policy_at(url).open()
        with pytest.raises(PolymathError, match=message) as caught:
            session.act(seen())
        assert "\n" not in str(caught.value)
        assert not isinstance(caught.value, SessionsLost)
        assert session.closed


def msgpack_list() -> bytes:
    return b"\x91\x01"


def test_numbers_of_other_types_are_read() -> None:
    with serving(answering(lambda: {"actions": [[1, 2]] * 4})) as url:
        assert policy_at(url).open().act(seen()).actions.dtype == np.float32


def closing(socket) -> None:
    socket.close()


def leaving_after_metadata(socket) -> None:
    socket.send(wire.encode(METADATA))
    socket.recv()


def dying_in_mid_frame(socket) -> None:
    socket.send(wire.encode(METADATA))
    socket.recv()
    socket.socket.sendall(b"\x82\x7e\x10\x00abc")  # a binary frame of 4,096 bytes, of which three come
    socket.socket.shutdown(sockets.SHUT_RDWR)


@pytest.mark.parametrize("handler", [leaving_after_metadata, dying_in_mid_frame])
def test_a_server_that_leaves_in_the_middle_loses_the_session(handler) -> None:
    with serving(handler) as url:
        policy = policy_at(url)
        session, other = policy.open(), policy.open()
        with pytest.raises(SessionsLost, match="has left"):
            policy.answer([Turn(session, seen()), Turn(other, seen())])
        assert session.closed
        assert other.closed
        assert policy.open().connection  # another attempt begins with another connection


def test_a_silent_server_is_gone(monkeypatch, caplog) -> None:
    def silent(socket) -> None:
        socket.send(wire.encode(METADATA))
        time.sleep(2)

    monkeypatch.setattr(link, "ANSWER_TIMEOUT", 0.2)
    monkeypatch.setattr(link, "SLOW", 0.1)
    with serving(silent) as url, pytest.raises(SessionsLost, match="has been silent for too long"):
        policy_at(url).open().act(seen())
    assert "no answer for 0.1 s; waiting up to 0.2 s" in caplog.text


def test_an_answer_that_nobody_asked_for_is_an_error() -> None:
    def twice(socket) -> None:
        socket.send(wire.encode(METADATA))
        for _ in socket:
            for _ in range(2):
                socket.send(wire.encode({"actions": np.zeros((4, 2))}))

    with serving(twice) as url:
        session = policy_at(url).open()
        session.act(seen())
        time.sleep(0.2)
        with pytest.raises(PolymathError, match="sent more frames than it was asked for"):
            session.act(seen())


def test_metadata_that_is_no_number_stays_the_same() -> None:
    with serving(lambda socket: openpi(socket, {"rest": np.array([np.nan, 1.0]), "x": float("nan")})) as url:
        policy = policy_at(url)
        assert policy.name.startswith("127.0.0.1-")
        policy.open().act(seen())
        policy.open().act(seen())


def test_garbage_and_floods_are_no_policy_server(monkeypatch) -> None:
    def garbage(socket) -> None:
        socket.send(wire.encode(METADATA))
        socket.recv()
        socket.socket.sendall(b"\xff" * 64)
        time.sleep(0.5)

    with serving(garbage) as url, pytest.raises(PolymathError, match="sent no WebSocket frames") as caught:
        policy_at(url).open().act(seen())
    assert not isinstance(caught.value, SessionsLost)
    monkeypatch.setattr(link, "LARGEST", 1000)
    flood = answering(lambda: {"actions": np.zeros((4, 2000))})
    with serving(flood) as url, pytest.raises(PolymathError, match="sent a message that is too long"):
        policy_at(url).open().act(seen())


@pytest.mark.parametrize(
    ("code", "reason", "message"),
    [
        (1008, "execute '9':\nchoose 1 to 4", r"ends the connection: execute '9': choose 1 to 4 \(close 1008\)"),
        (1009, "", r"ends the connection: the observation is too large; .*--max-message"),
        (1003, "", "it does not take such messages"),
    ],
)
def test_closes_after_which_asking_again_does_not_help(code: int, reason: str, message: str) -> None:
    def handler(socket) -> None:
        socket.send(wire.encode(METADATA))
        socket.recv()
        socket.close(code, reason)

    with serving(handler) as url, pytest.raises(PolymathError, match=message) as caught:
        policy_at(url).open().act(seen())
    assert not isinstance(caught.value, SessionsLost)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("handler", "door", "error", "message"),
    [
        (closing, None, PolymathError, "has left .*start the server, or correct the address"),
        (lambda socket: socket.send("no room"), None, PolymathError, "refuses the session: no room"),
        (lambda socket: socket.send(b"hello"), None, PolymathError, "its metadata cannot be read"),
        (lambda socket: socket.send(b"\x90"), None, PolymathError, "metadata cannot be read .*expected a map"),
        (openpi, asking_for("secret"), ConfigError, r"asks for a key \(HTTP 401: send a valid key"),
        (openpi, refusing(HTTPStatus.NOT_FOUND, "no model b"), ConfigError, "HTTP 404: no model b"),
        (openpi, refusing(HTTPStatus.OK, "OK\n"), ConfigError, "answers with HTTP 200: OK instead"),
        (openpi, refusing(HTTPStatus.SERVICE_UNAVAILABLE, "full"), PolymathError, "HTTP 503: full"),
        (answering(dict, {**METADATA, "polymath": {}}), None, DataError, "contract: a NoneType, not the fields"),
    ],
)
def test_servers_that_take_no_session(handler, door, error, message: str) -> None:
    with serving(handler, process_request=door) as url, pytest.raises(error, match=message) as caught:
        policy_at(url, wait=0.1)
    assert "\n" not in str(caught.value)


def test_a_server_that_loads_is_waited_for(caplog) -> None:
    began = time.monotonic()

    def loading(socket, request):
        ready = time.monotonic() > began + 0.5
        return None if ready else socket.respond(HTTPStatus.SERVICE_UNAVAILABLE, "loading")

    with serving(openpi, process_request=loading) as url:
        policy_at(url).open().act(seen())
    assert "HTTP 503: loading); waiting up to 5 s" in caplog.text
    assert "is back after" in caplog.text


def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(monkeypatch) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    with serving(openpi) as url:
        assert policy_at(url).open().act(seen())
        assert policy_at(url.replace("127.0.0.1", "localhost")).open().act(seen())
    with pytest.raises(PolymathError, match="or at the proxy that the environment names"):
        policy_at("ws://192.0.2.1:8000")  # an address of documentation (RFC 5737): nobody is there


def test_nobody_listens() -> None:
    with sockets.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound, but not listening
        url = f"ws://127.0.0.1:{held.getsockname()[1]}"
        with pytest.raises(PolymathError, match="refuses the connection: nothing listens there; start the server"):
            policy_at(url)
    with pytest.raises(PolymathError, match=r"ws://no-such-host.invalid:1: cannot be reached"):
        policy_at("ws://no-such-host.invalid:1")


def test_a_key_opens_the_door_and_is_never_printed(tmp_path: Path, monkeypatch) -> None:
    file = tmp_path / "key"
    file.write_text("secret\n")
    with serving(openpi, process_request=asking_for("secret")) as url:
        assert policy_at(url, server_key(file)).open().act(seen())
        monkeypatch.setenv("POLYMATH_SERVER_KEY", "wrong-one")
        with pytest.raises(ConfigError, match="does not accept the key") as caught:
            policy_at(url, server_key(None))
        assert "wrong-one" not in str(caught.value)
    monkeypatch.delenv("POLYMATH_SERVER_KEY")
    assert server_key(None) is None


@pytest.mark.parametrize("content", [b"", b"two words", b"gr\xc3\xbcn", b"\xff\xfe"])
def test_files_that_hold_no_key(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "key"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=r"--key-file .*key"):
        server_key(file)
    with pytest.raises(ConfigError, match="cannot be read"):
        server_key(tmp_path / "absent")


def test_tls_that_is_none() -> None:
    with serving(openpi) as url, pytest.raises(ConfigError, match=r"TLS fails .*write ws:// where it speaks no TLS"):
        policy_at(url.replace("ws://", "wss://"))


def test_another_policy_after_a_restart_is_an_error() -> None:
    names = iter(["first", "first", "second"])

    def handler(socket) -> None:
        openpi(socket, {**METADATA, "policy": next(names)})

    with serving(handler) as url:
        policy = policy_at(url)
        policy.open().act(seen())
        policy.open().act(seen())
        with pytest.raises(ConfigError, match="serves another policy than before: policy was 'first', now 'second'"):
            policy.open()


def test_a_server_that_says_nothing_of_its_inputs_wants_them_named() -> None:
    with serving(openpi) as url:
        with pytest.raises(ConfigError, match=r"\?robot=polymath or \?robot=libero .*KEYS.json"):
            RemotePolicy(address(url))
        with pytest.raises(ConfigError, match="did you mean libero"):
            RemotePolicy(address(f"{url}?robot=libro"))
        session = policy_at(f"{url}").open()
        with pytest.raises(PolymathError, match=r"answered with|has left"):
            session.act(seen(camera="front"))


def test_waiting_is_bounded_and_announced(caplog) -> None:
    with serving(openpi) as url:
        policy = policy_at(url, wait=0.3)
        policy.open().close()
    with pytest.raises(PolymathError, match=r"refuses the connection.*run the same command again"):
        policy.open()
    assert "waiting up to 0.3 s for it to come back" in caplog.text


def test_keys_of_a_file(tmp_path: Path) -> None:
    messages = []

    def handler(socket) -> None:
        socket.send(wire.encode(METADATA))
        for data in socket:
            messages.append(wire.decode(data))
            socket.send(wire.encode({"actions": np.zeros((4, 2))}))

    file = tmp_path / "keys.json"
    keys = {"images": {"top": "views.above"}, "state": {"a": [0, 1], "b": [1, 2]}, "prompt": "task", "layout": "CHW"}
    file.write_text(json.dumps(keys))
    with serving(handler) as url:
        RemotePolicy(address(f"{url}?robot={file}")).open().act(seen())
    [message] = messages
    assert message["views"]["above"].shape == (3, 16, 16)
    assert (message["a"].tolist(), message["b"].tolist(), message["task"]) == ([0.5], [0.5], "go")
    file.write_text(json.dumps({**keys, "images": {"side": "x"}}))
    with serving(handler) as url, pytest.raises(DataError, match="wants camera 'side' as 'x', but the robot shows top"):
        RemotePolicy(address(f"{url}?robot={file}")).open().act(seen())
    file.write_text('{"layuot": "CHW"}')
    with (
        serving(handler) as url,
        pytest.raises(ConfigError, match="layuot: no such field in Keys"),
    ):
        RemotePolicy(address(f"{url}?robot={file}"))
