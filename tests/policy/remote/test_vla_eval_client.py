"""A policy behind vla-eval's protocol, on a server written after vla-eval's own."""

import msgpack
import numpy as np
import pytest
from tests.policy.remote.clients import seen
from tests.policy.remote.fake_servers import InProcess, serving, vla_eval

from polymath.errors import PolymathError
from polymath.policy.remote.address import address
from polymath.policy.remote.policy import RemotePolicy
from polymath.policy.session import SessionsLost, Turn


def policy_at(url: str) -> RemotePolicy:
    return RemotePolicy(address(f"vla-eval+{url}?robot=polymath&wait=5"))


def test_every_observation_is_answered_by_the_next_action_of_the_servers_chunk() -> None:
    with serving(vla_eval) as url:
        policy, ours = policy_at(url), InProcess()
        assert policy.name == "Seeing"
        sessions, expected = [policy.open(), policy.open()], ours.open()
        chunks = []
        for turn in range(6):
            [first, second] = policy.answer([Turn(session, seen(turn)) for session in sessions])
            assert np.array_equal(first.actions, second.actions)
            assert first.actions.shape == (1, 2)
            if turn % 2 == 0:
                chunks = expected.next(seen(turn))
            assert np.array_equal(first.actions[0], chunks[turn % 2])


def test_a_new_subtask_is_a_new_episode() -> None:
    with serving(vla_eval) as url:
        session = policy_at(url).open()
        fast = session.act(seen()).actions
        for _ in range(3):
            session.act(seen())
        slow = session.act(seen()).actions  # the third turn of the fake server's memory
        session.reset()
        assert np.array_equal(session.act(seen()).actions, fast)
        assert not np.array_equal(slow, fast)


def scripted(*replies):
    """A server that answers hello and each observation with the next of `replies`: type, payload, seq or None."""

    def handler(socket) -> None:
        remaining = iter(replies)
        for data in socket:
            message = msgpack.unpackb(data)
            if message["type"] in ("hello", "observation"):
                kind, payload, seq = next(remaining)
                reply = {
                    "type": kind,
                    "payload": payload,
                    "seq": message["seq"] if seq is None else seq,
                    "timestamp": 0,
                }
                socket.send(msgpack.packb(reply) if kind != "raw" else payload)

    return handler


HELLO = ("hello", {"model_server": "X", "protocol_version": 1}, None)


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (("error", {"error": "observation_failed: KeyError: 'wrist'"}, None), "an error: .*KeyError: 'wrist'"),
        (("action", {"actions": [1.0, 2.0]}, 99), "answered observation 3 with action 99"),
        (("hello", {}, None), "answered observation 3 with hello 3"),
        (("action", {}, None), "its answer has no actions, only nothing"),
        (("action", {"actions": "left"}, None), "answered with str instead of an array"),
        (("action", {"actions": [float("nan"), 0.0]}, None), "NaN or infinite"),
        (("action", {"actions": {"__ndarray__": True, "data": b"", "dtype": "O", "shape": [1]}}, None), "dtype 'O'"),
        (("shout", {}, None), "message.type: 'shout'; choose from hello"),
        (("raw", "no binary", None), "sent a text: no binary; is this a vla-eval server"),
        (("raw", b"\xc1", None), "are not msgpack"),
    ],
)
def test_answers_that_are_no_actions(reply, message: str) -> None:
    with serving(scripted(HELLO, reply)) as url:
        session = policy_at(url).open()
        with pytest.raises(PolymathError, match=message) as caught:
            session.act(seen())
    assert "\n" not in str(caught.value)
    assert not isinstance(caught.value, SessionsLost)


def test_a_late_answer_to_a_former_observation_is_passed_over() -> None:
    late = ("action", {"actions": [9.0, 9.0]}, 2)

    def handler(socket) -> None:
        scripted(HELLO, late)(Twice(socket))

    class Twice:
        """Sends the true answer after the late one."""

        def __init__(self, socket) -> None:
            self.socket = socket

        def __iter__(self):
            return iter(self.socket)

        def send(self, data: bytes) -> None:
            self.socket.send(data)
            if msgpack.unpackb(data)["type"] == "action":
                true = {"type": "action", "payload": {"action": [1.0, 2.0]}, "seq": 3, "timestamp": 0}
                self.socket.send(msgpack.packb(true))

    with serving(handler) as url:
        assert policy_at(url).open().act(seen()).actions.tolist() == [[1.0, 2.0]]


@pytest.mark.parametrize(
    ("hello", "message"),
    [
        (("hello", {"protocol_version": 2}, None), "speaks version 2 of vla-eval's protocol, this client 1"),
        (("action", {"actions": [0.0]}, None), "answers hello with action; is this a vla-eval server"),
    ],
)
def test_greetings_that_are_refused(hello, message: str) -> None:
    with serving(scripted(hello)) as url, pytest.raises(PolymathError, match=message):
        policy_at(url)
