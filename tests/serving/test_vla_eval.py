"""vla-eval's protocol on a running server, spoken as vla-eval 0.8.0's `connection.py` does, with its PNG pictures."""

import io
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgpack
import numpy as np
import pytest
from PIL import Image
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from polymath.policy import Policy
from polymath.policy.contract import Contract
from polymath.policy.session import Turn
from polymath.serving.protocols.vla_eval_specs import action_spec
from polymath.serving.server import Server
from polymath.types import Observation

from .conftest import STRIDE, observation, running, served


def packed(value: Any) -> Any:
    """vla-eval's `encode_ndarray` with its usual image format."""
    if isinstance(value, np.ndarray) and value.ndim == 3 and value.dtype == np.uint8:
        buffer = io.BytesIO()
        Image.fromarray(value).save(buffer, format="PNG")
        return {"__image__": True, "format": "png", "data": buffer.getvalue(), "shape": list(value.shape)}
    assert isinstance(value, np.ndarray)
    return {"__ndarray__": True, "data": value.tobytes(), "dtype": value.dtype.str, "shape": list(value.shape)}


def unpacked(value: dict) -> Any:
    return np.frombuffer(value["data"], value["dtype"]).reshape(value["shape"]) if "__ndarray__" in value else value


class Harness:
    """The messages of vla-eval's Connection."""

    def __init__(self, socket) -> None:
        self.socket, self.seq = socket, 0

    def send(self, kind: str, payload: Any) -> None:
        self.seq += 1
        message = {"type": kind, "payload": payload, "seq": self.seq, "timestamp": 1.7e9}
        self.socket.send(msgpack.packb(message, default=packed, use_bin_type=True))

    def receive(self) -> dict:
        return msgpack.unpackb(self.socket.recv(timeout=60), object_hook=unpacked, raw=False)

    def ask(self, kind: str, payload: Any) -> dict:
        self.send(kind, payload)
        reply = self.receive()
        assert reply["seq"] == self.seq
        return reply

    def act(self, payload: dict) -> np.ndarray:
        reply = self.ask("observation", payload)
        assert reply["type"] == "action", reply
        return reply["payload"]["actions"]


@contextmanager
def harness(server: Server, path: str = "/vla-eval") -> Iterator[Harness]:
    with connect(server.url + path, compression=None, max_size=None, ping_interval=None) as socket:
        yield Harness(socket)


def payload(seen: Observation, **more: Any) -> dict:
    return {"images": seen.images, "states": seen.state, "task_description": seen.instruction, **more}


def test_hello_says_what_the_run_needs(plain: Server) -> None:
    with harness(plain) as client:
        reply = client.ask("hello", {"harness_version": "0.8.0", "protocol_version": 1, "benchmark": "x:Y"})
    assert reply["type"] == "hello"
    hello = reply["payload"]
    assert hello["model_server"] == "plain"
    assert hello["observation_params"] == {"send_state": True, "send_wrist_image": True}
    assert hello["action_spec"]["position"] == {"name": "position", "dims": 3, "format": "delta_xyz"}
    assert hello["action_spec"]["gripper"]["format"] == "binary_close_positive"
    assert Contract.from_dict(hello["polymath"]["contract"]).robot == "test-arm"


def test_a_chunk_is_sent_action_by_action(plain: Server, policies: dict[str, Policy]) -> None:
    policy = policies["plain"]
    chunks = [policy.answer([Turn(policy.open(), observation(seed))])[0].actions for seed in (0, 2)]
    with harness(plain) as client:
        client.send("episode_start", {"task": {"name": "press"}})
        actions = [client.act(payload(observation(seed))) for seed in range(4)]
        np.testing.assert_array_equal(actions, [*chunks[0][:2], *chunks[1][:2]])
        client.send("episode_end", {"metrics": {"success": True}})
        client.send("episode_start", {})
        np.testing.assert_array_equal(client.act(payload(observation(2))), chunks[1][0])
        client.send("episode_start", {})  # what is left of the chunk is not the new episode's
        np.testing.assert_array_equal(client.act(payload(observation(0))), chunks[0][0])


def test_a_run_with_a_history_is_told_what_was_carried_out(policies: dict[str, Policy]) -> None:
    policy = policies["streaming"]
    session, executed, expected = policy.open(), None, []
    for turn in range(6):
        chunk = policy.answer([Turn(session, observation(turn * STRIDE), executed)])[0].actions
        executed = chunk[:STRIDE]
        expected += list(executed)
    with running([served(policy)]) as server, harness(server, "/streaming/vla-eval") as client:
        client.send("episode_start", {})
        actions = [client.act(payload(observation(step))) for step in range(6 * STRIDE)]
    np.testing.assert_array_equal(actions, expected)


def test_errors_of_a_client_are_logged_with_a_limit(plain: Server, caplog: pytest.LogCaptureFixture) -> None:
    """Ten of them and then one in a hundred, the beginning of each text on one line."""
    with caplog.at_level(logging.WARNING, "polymath.serving"), harness(plain) as client:
        for number in range(205):
            client.send("error", {"error": f"the gripper is\nstuck {number} " + "x" * 5000})
        client.ask("hello", {})
    reports = [each for each in caplog.records if each.getMessage() == "client reports an error"]
    assert [each.reported for each in reports] == [*range(1, 11), 100, 200]
    assert reports[1].reason.startswith("the gripper is stuck 1 xxx")
    assert max(len(each.reason) for each in reports) <= 1000


def test_execute_is_chosen_in_the_address(plain: Server, policies: dict[str, Policy]) -> None:
    policy = policies["plain"]
    first, second = (policy.answer([Turn(policy.open(), observation(seed))])[0].actions for seed in (0, 1))
    with harness(plain, "/vla-eval?execute=1") as client:
        np.testing.assert_array_equal(client.act(payload(observation(0))), first[0])
        np.testing.assert_array_equal(client.act(payload(observation(1))), second[0])
    for text in ("0", "99", "two", "%C2%B2", "00000000299", "1" + "0" * 5000):
        with (
            harness(plain, f"/vla-eval?execute={text}") as client,
            pytest.raises(ConnectionClosed, match="choose 1 to"),
        ):
            client.receive()


def test_pictures_are_found_by_name_or_role(plain: Server) -> None:
    seen = observation(0)
    with harness(plain) as client:
        named = client.act(payload(seen))
        client.send("episode_start", {})
        roles = {
            "agentview": seen.images["front"],
            "wrist": seen.images["wrist"],
            "depth": np.zeros((4, 4), np.float32),
        }
        np.testing.assert_array_equal(client.act(payload(seen, images=roles, task_name="x")), named)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": {"left": np.zeros((8, 8, 3), np.uint8)}}, "none for camera 'front' .*the benchmark sends left"),
        ({"images": {}}, "images: a dict; send a map"),
        ({"images": None}, "images: a NoneType"),
        ({"states": np.zeros(3, np.float32)}, "state"),
        ({"states": np.full(4, np.nan, np.float32)}, "state"),
        ({"states": "left"}, "state"),
        ({"task_description": 3}, "prompt"),
        (
            {"images": {"front": np.zeros((8, 8), np.uint8), "wrist": np.zeros((8, 8, 3), np.uint8)}},
            "observation/images",
        ),
    ],
)
def test_an_observation_that_does_not_fit_gets_an_error_and_the_connection_lives_on(plain, change, message) -> None:
    with harness(plain) as client:
        reply = client.ask("observation", payload(observation(0), **change))
        assert reply["type"] == "error"
        assert "\n" not in reply["payload"]["error"]
        assert reply["payload"]["error"].startswith("observation_failed: ")
        assert re.search(message, reply["payload"]["error"]), reply["payload"]["error"]
        assert client.act(payload(observation(0))).shape == (4,)


def bomb(side: int) -> dict:
    """A PNG of a few kilobytes that unfolds to `side` x `side` pixels."""
    buffer = io.BytesIO()
    Image.new("1", (side, side)).save(buffer, format="PNG")
    return {"__image__": True, "format": "png", "data": buffer.getvalue(), "shape": [side, side, 3]}


@pytest.mark.parametrize(
    "data",
    [
        msgpack.packb({"type": "observation", "payload": {"images": {"front": bomb(6000)}}, "seq": 1}),
        msgpack.packb({"type": "observation", "payload": {"images": {str(i): bomb(2000) for i in range(5)}}, "seq": 1}),
        b"\xc1",
        b"",
        b"\x90",
        b"\x91" * 5000,
        "text",
        msgpack.packb({"type": "observation", "payload": 1, "seq": 1, "timestamp": 0}),
        msgpack.packb({"type": "shout", "payload": {}, "seq": 1, "timestamp": 0}),
        msgpack.packb({"type": "observation", "payload": {}, "seq": -1, "timestamp": 0}),
        msgpack.packb({"type": "observation", "payload": {"a": msgpack.ExtType(1, b"x")}, "seq": 1}),
        msgpack.packb({"type": "observation", "payload": {"a": [{}] * 20000}, "seq": 1}),
        msgpack.packb({"type": "action", "payload": {}, "seq": 1, "timestamp": 0}),
        msgpack.packb({"type": "hello", "payload": {"protocol_version": 7}, "seq": 1, "timestamp": 0}),
        *(
            msgpack.packb({"type": "observation", "payload": {"images": {"front": image}}, "seq": 1})
            for image in (
                {"__image__": True, "format": "png", "data": b"no picture"},
                {"__image__": True, "format": "gif", "data": b""},
                {"__image__": True, "format": "raw", "data": b"abc", "dtype": "|u1", "shape": [2**40, 2, 3]},
                {"__image__": True, "format": "raw", "data": b"abc", "dtype": "O", "shape": [3]},
                {"__ndarray__": True, "data": "text", "dtype": "<f4", "shape": [1]},
                {"__ndarray__": True, "data": b"", "dtype": "<f4", "shape": [0] * 40},
            )
        ),
    ],
)
def test_what_is_no_message_gets_an_error_and_the_connection_lives_on(plain: Server, data: bytes | str) -> None:
    with harness(plain) as client:
        client.socket.send(data)
        assert client.receive()["type"] == "error"
        assert client.act(payload(observation(0))).shape == (4,)


def test_formats_in_vla_evals_words(policies: dict[str, Policy]) -> None:
    spec = action_spec(Contract.of(policies["plain"].run))
    assert {name: each["format"] for name, each in spec.items()} == {
        "position": "delta_xyz",
        "gripper": "binary_close_positive",
    }
