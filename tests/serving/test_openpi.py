"""openpi's protocol over a real socket: what is served is what the policy answers in this process.

Frames and keys are those of openpi-client 0.1.2; what a bad message gets is this server's own rule.
"""

import threading
from dataclasses import replace
from typing import Any

import msgpack
import numpy as np
import pytest
from websockets.exceptions import ConnectionClosedError

from polymath.policy import Policy
from polymath.policy.session import Turn
from polymath.serving.limits import Limits
from polymath.serving.numpy_msgpack import encode
from polymath.serving.server import Server

from .conftest import ROBOT, STRIDE, WINDOW, Client, Gated, gated, message, observation, running, served


def test_served_answers_are_those_of_the_process_bit_for_bit(plain: Server, policies: dict[str, Policy]) -> None:
    session = policies["plain"].open()
    with Client(plain.url) as client:
        for seed in range(3):
            reply = client.infer(message(observation(seed)))
            np.testing.assert_array_equal(reply["actions"], session.act(observation(seed)).actions)


def test_the_first_frame_says_what_is_served(plain: Server) -> None:
    with Client(plain.url, "/plain") as client:
        assert client.metadata["policy"] == "plain"
        assert client.metadata["action_horizon"] == 4
        own = client.metadata["polymath"]
        assert (own["version"], own["models"], own["adapter"]) == (1, ["plain"], "polymath")
        assert own["contract"]["cameras"]["names"] == list(ROBOT.cameras)


def test_every_array_of_a_reply_can_be_sliced_by_the_step(plain: Server) -> None:
    """What openpi's ActionChunkBroker does to a reply, action_chunk_broker.py of openpi-client 0.1.2."""
    with Client(plain.url) as client:
        client.infer(message(observation(0)))
        reply = client.infer(message(observation(1)))
    assert set(reply) == {"actions", "policy_timing", "server_timing", "polymath"}
    assert reply["actions"].dtype == np.float32
    for step in range(4):
        assert sliced(reply, step)["actions"].shape == (4,)
    assert set(reply["server_timing"]) == {"infer_ms", "queue_ms", "prev_total_ms"}


def sliced(value: Any, step: int) -> Any:
    if isinstance(value, dict):
        return {key: sliced(each, step) for key, each in value.items()}
    return value[step, ...] if isinstance(value, np.ndarray) else value


def test_robots_that_ask_at_once_share_a_pass_and_get_the_bits_of_that_size(policies: dict[str, Policy]) -> None:
    policy = policies["plain"]
    with running([served(policy, rows=(4,))], max_latency=1.0) as server:
        clients = [Client(server.url) for _ in range(4)]
        replies: dict[int, Any] = {}

        def ask(number: int) -> None:
            for turn in range(3):
                replies[number, turn] = clients[number].infer(message(observation(10 * number + turn)))

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        for client in clients:
            client.__exit__()
    for (number, turn), reply in replies.items():
        expected = policy.answer([Turn(policy.open(), observation(10 * number + turn))], rows=4)[0]
        np.testing.assert_array_equal(reply["actions"], expected.actions)
    assert max(reply["polymath"]["batch"] for reply in replies.values()) > 1


def test_a_history_is_streamed_and_begins_anew_on_reset(policies: dict[str, Policy]) -> None:
    """Over a full window and a reset, the same bits as a session of this process; two robots do not mix."""
    policy = policies["streaming"]
    limits = Limits(sessions=2, send=1.0)
    with running([served(policy)], limits) as server, Client(server.url) as client, Client(server.url) as other:
        session, executed = policy.open(), None
        for step in range(WINDOW + 3):
            more: dict[str, Any] = {} if executed is None else {"polymath/executed": executed}
            if step == WINDOW + 1:
                session.reset()
                executed, more = None, {"polymath/reset": True}
            seen = observation(step)
            reply = client.infer(message(seen, **more))
            np.testing.assert_array_equal(reply["actions"], session.act(seen, executed).actions)
            assert reply["polymath"]["session"] == ("new" if step in (0, WINDOW + 1) else "continued")
            executed = reply["actions"][:STRIDE]
            other.infer(message(observation(100 + step), **{"polymath/reset": True}))


def test_a_client_that_knows_no_history(policies: dict[str, Policy]) -> None:
    """Told what to send; or, where the server was told so, taken to carry out the first STRIDE actions of a chunk."""
    policy = policies["streaming"]
    limits = Limits(sessions=1, send=1.0)
    with running([served(policy)], limits) as server, Client(server.url) as client:
        client.infer(message(observation(0)))
        with pytest.raises(RuntimeError, match=r"executed: missing"):
            client.infer(message(observation(1)))
    with running([served(policy, assume_executed=True)], limits) as server, Client(server.url) as client:
        session = policy.open()
        first = session.act(observation(0))
        client.infer(message(observation(0)))
        reply = client.infer(message(observation(1)))
        np.testing.assert_array_equal(reply["actions"], session.act(observation(1), first.actions[:STRIDE]).actions)


def test_a_session_that_was_forgotten_says_so(policies: dict[str, Policy]) -> None:
    """One row and two robots: the second takes the row, the first begins anew with its next observation."""
    policy = policies["streaming"]
    limits = Limits(sessions=1, send=1.0)
    with running([served(policy)], limits) as server, Client(server.url) as first, Client(server.url) as second:
        executed = first.infer(message(observation(0)))["actions"][:STRIDE]
        second.infer(message(observation(1)))
        committed = np.zeros((1, 4), np.float32)  # which this run refuses, in the new session
        with pytest.raises(RuntimeError, match="committed"):
            first.infer(message(observation(2), **{"polymath/executed": executed, "polymath/committed": committed}))
        reply = first.infer(message(observation(2), **{"polymath/executed": executed}))
        assert reply["polymath"]["session"] == "evicted"
        evicted = {"model": "streaming"}
        assert server.service.metrics.registry.get_sample_value("polymath_evicted_total", evicted) == 2
        np.testing.assert_array_equal(reply["actions"], policy.open().act(observation(2)).actions)
        second.infer(message(observation(3), **{"polymath/reset": True}))
        reply = first.infer(message(observation(4), **{"polymath/reset": True}))
        assert reply["polymath"]["session"] == "new", "an episode that begins has lost nothing"


GOOD = message(observation(0))
ARRAY = {b"__ndarray__": True, b"data": b"\0" * 16, b"dtype": "<f4", b"shape": [4]}
NESTED = b"\x91" * 5_000


def changed(**more: Any) -> dict[str, Any]:
    return {**GOOD, **{key.replace("__", "/"): value for key, value in more.items()}}


def raw(state: Any) -> bytes:
    return msgpack.packb({"prompt": "go", "observation/state": state})


BAD: dict[str, tuple[bytes | str, str]] = {
    "text": ("hello", "text frame"),
    "garbage": (b"\xc1\xff\x00garbage", "msgpack"),
    "nothing": (b"", "msgpack"),
    "truncated": (encode(GOOD)[:-7], "msgpack"),
    "two messages": (encode(GOOD) + encode(GOOD), "msgpack"),
    "no map": (msgpack.packb([1, 2, 3]), "expected a map"),
    "deep nesting": (b"\x81\xa1a" + NESTED + b"\x01", "msgpack"),
    "nesting that msgpack allows": (b"\x81\xa1a" + NESTED[:300] + b"\x01", "nested too deeply"),
    "many empty maps": (b"\x81\xa1a\xdd\x00\x01\x00\x00" + b"\x80" * 2**16, "more than 10,000"),
    "a long list": (b"\x81\xa1a\xdd\x00\x10\x00\x00" + b"\0" * 2**20, "msgpack"),
    "a list that is announced": (b"\x81\xa1a\xdd\xff\xff\xff\xff", "msgpack"),
    "an extension type": (b"\x81\xa1a\xd4\x05\x00", "extension"),
    "an object array": (raw({**ARRAY, b"dtype": "|O"}), "dtype"),
    "a void array": (raw({**ARRAY, b"dtype": "|V4"}), "dtype"),
    "a complex array": (raw({**ARRAY, b"dtype": "<c8"}), "dtype"),
    "bytes that do not fill the shape": (raw({**ARRAY, b"shape": [5]}), "takes 20"),
    "a negative size": (raw({**ARRAY, b"shape": [-1, -4]}), "shape"),
    "a shape of a thousand axes": (raw({**ARRAY, b"shape": [1] * 2_000}), "shape"),
    "no camera": (encode({k: v for k, v in GOOD.items() if "wrist" not in k}), "wrist"),
    "a camera too many": (encode(changed(observation__images__top=np.zeros((64, 64, 3), np.uint8))), "top"),
    "another camera": (encode(changed(observation__image=np.zeros((64, 64, 3), np.uint8))), "observation/image"),
    "floats as a picture": (encode(changed(observation__images__front=np.zeros((64, 64, 3), np.float32))), "front"),
    "channels first": (encode(changed(observation__images__front=np.zeros((3, 64, 64), np.uint8))), "front"),
    "an empty picture": (encode(changed(observation__images__front=np.zeros((0, 64, 3), np.uint8))), "front"),
    "a state too short": (encode(changed(observation__state=np.zeros(3, np.float32))), "state"),
    "a state of text": (encode(changed(observation__state="zero")), "state"),
    "NaN": (encode(changed(observation__state=np.array([0, 0, np.nan, 0], np.float32))), "NaN"),
    "no prompt": (encode({k: v for k, v in GOOD.items() if k != "prompt"}), "prompt"),
    "an empty prompt": (encode(changed(prompt="  ")), "prompt"),
    "a prompt of 100 kB": (encode(changed(prompt="a" * 100_000)), "prompt"),
    "a prompt of too many tokens": (encode(changed(prompt="x1 " * 300)), "900 tokens, at most 64"),
    "a prompt of 2000 emoji": (encode(changed(prompt="\U0001f9be" * 1_999)), "tokens, at most 64"),
    "a prompt that is no UTF-8": (encode(changed(prompt="XXXX")).replace(b"XXXX", b"\xed\xa0\x80X"), "msgpack"),
    "numbers that float32 cannot hold": (encode(changed(observation__state=np.full(4, 1e300))), "infinite"),
    "a dtype of 4 GB": (raw({**ARRAY, b"dtype": "<U999999999", b"shape": [0]}), "dtype"),
    "sizes that overflow": (raw({**ARRAY, b"data": b"", b"shape": [0, 2**62, 2**62]}), "no array"),
    "a key of 1 MB": (encode(changed(**{"k" * 2**20: 1})), "unknown key"),
    "an unknown key": (encode(changed(joint=np.zeros(7, np.float32))), "joint"),
    "an unknown key of ours": (encode(changed(polymath__rest=True)), "polymath/rest"),
    "reset that is no truth value": (encode(changed(polymath__reset="yes")), "polymath/reset"),
    "executed at the first observation": (encode(changed(polymath__executed=np.zeros((2, 3), np.float32))), "executed"),
    "executed NaN": (encode(changed(polymath__executed=np.full((2, 4), np.nan, np.float32))), "executed"),
    "committed without the training": (encode(changed(polymath__committed=np.zeros((1, 4), np.float32))), "committed"),
    "a claim that is not so": (encode(changed(polymath__claims={"rate": 5.0})), "rate"),
    "claims that are no map": (encode(changed(polymath__claims=[1])), "claims"),
}


@pytest.mark.parametrize(("data", "text"), BAD.values(), ids=BAD)
def test_what_does_not_fit_gets_one_line_and_the_connection_lives_on(
    plain: Server, data: bytes | str, text: str
) -> None:
    with Client(plain.url) as client:
        before = client.infer(GOOD)
        with pytest.raises(RuntimeError) as caught:
            client.send(data)
        assert text in str(caught.value)
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 1100
        np.testing.assert_array_equal(client.infer(GOOD)["actions"], before["actions"])


def test_a_fault_of_the_policy_is_a_text_and_a_close_with_1011(policies: dict[str, Policy]) -> None:
    """As openpi's server; the other robots are answered."""

    class Broken(Gated):
        def answer(self, turns: Any) -> Any:
            if any(turn.observation.instruction == "break" for turn in turns):
                raise ZeroDivisionError("of the policy")
            return super().answer(turns)

    model = gated(policies["plain"])
    model.gate.set()
    broken = Broken(model.name, model.policy, model.contract, model.adapters, gate=model.gate)
    with running([broken]) as server, Client(server.url) as client, Client(server.url) as other:
        with pytest.raises(RuntimeError, match="internal error: of the policy"):
            client.infer(message(observation(0, "break")))
        with pytest.raises(ConnectionClosedError, match="1011"):
            client.received()
        other.infer(GOOD)


def test_a_client_that_asks_too_fast_is_told(policies: dict[str, Policy]) -> None:
    with running([served(policies["plain"])], Limits(rate=2.0, send=1.0)) as server, Client(server.url) as client:
        client.infer(GOOD)
        with pytest.raises(RuntimeError, match="rate: more than 2 requests a second"):
            for _ in range(5):
                client.infer(GOOD)


def test_less_than_one_request_a_second_is_a_rate_too(policies: dict[str, Policy]) -> None:
    with running([served(policies["plain"])], Limits(rate=0.01, send=1.0)) as server, Client(server.url) as client:
        client.infer(GOOD)
        with pytest.raises(RuntimeError, match=r"rate: more than 0\.01 requests a second"):
            client.infer(GOOD)


def test_no_answer_in_time_is_an_error_and_the_session_begins_anew(policies: dict[str, Policy]) -> None:
    model = gated(policies["streaming"])
    with running([model], Limits(answer=0.2, sessions=1, send=1.0)) as server, Client(server.url) as client:
        with pytest.raises(RuntimeError, match=r"no answer within 0\.2 s"):
            client.infer(message(observation(0)))
        model.gate.set()
        server.service.limits = replace(server.service.limits, answer=60.0)
        reply = client.infer(message(observation(1)))
        assert reply["polymath"]["session"] == "evicted"
        np.testing.assert_array_equal(reply["actions"], policies["streaming"].open().act(observation(1)).actions)
