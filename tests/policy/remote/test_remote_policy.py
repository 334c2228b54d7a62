"""A policy behind openpi's protocol: sessions, and what each misbehaviour of a server is called."""

import socket as sockets
import time

import numpy as np
import pytest
from tests.policy.remote.clients import policy_at, seen
from tests.policy.remote.fake_servers import METADATA, InProcess, answering, openpi, serving

from polymath import wire
from polymath.errors import DataError, PolymathError
from polymath.policy.remote import link
from polymath.policy.remote.address import address
from polymath.policy.remote.policy import RemotePolicy
from polymath.policy.session import SessionsLost, Turn


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
        with pytest.raises(PolymathError, match="sent more frames than it was asked for"):
            for _ in range(20):  # until a frame has arrived before it is waited for
                time.sleep(0.2)
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
