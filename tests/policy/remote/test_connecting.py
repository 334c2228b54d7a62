"""The way to a server: handshakes that are refused, keys, waiting, and what its inputs are called."""

import json
import socket as sockets
import time
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from tests.policy.remote.clients import policy_at, seen
from tests.policy.remote.fake_servers import METADATA, answering, asking_for, openpi, refusing, serving

from polymath import wire
from polymath.errors import ConfigError, DataError, PolymathError
from polymath.policy.remote.address import address, server_key
from polymath.policy.remote.keys import Keys
from polymath.policy.remote.policy import RemotePolicy


def closing(socket) -> None:
    socket.close()


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
    for change, hidden in (
        ({"images": {"top": "a"}}, "'a' and 'a'"),
        ({"images": {"top": "task.above"}}, "'task' and 'task.above'"),
        ({"images": {}, "prompt": "images"}, "'images' and 'images.CAMERA'"),
    ):
        file.write_text(json.dumps({**keys, **change}))
        with serving(handler) as url, pytest.raises(ConfigError, match=rf"keys.json: keys {hidden}: one hides"):
            RemotePolicy(address(f"{url}?robot={file}"))
    for change, problem in (
        ({"prompt": ""}, "is empty"),
        ({"state": {"a..b": None}}, "is empty"),
        ({"image_size": -1}, "image_size -1; give pixels"),
        ({"images": None}, "images: expected a map, got None"),
    ):
        file.write_text(json.dumps({**keys, **change}))
        with serving(handler) as url, pytest.raises(ConfigError, match=rf"keys.json.*{problem}"):
            RemotePolicy(address(f"{url}?robot={file}"))
    file.write_text('{"layuot": "CHW"}')
    with (
        serving(handler) as url,
        pytest.raises(ConfigError, match="layuot: no such field in Keys"),
    ):
        RemotePolicy(address(f"{url}?robot={file}"))
    file.write_text("[" * 100_000)
    with serving(handler) as url, pytest.raises(ConfigError, match=r"keys.json: not a JSON file of keys .*recursion"):
        RemotePolicy(address(f"{url}?robot={file}"))


@pytest.mark.parametrize("layout", ["HWC", "CHW"])
def test_observations_of_another_shape_are_named(layout: Literal["HWC", "CHW"]) -> None:
    fits = seen()
    with pytest.raises(DataError, match=r"images.top: shape \[4, 4\]"):
        Keys(layout=layout).message(replace(fits, images={"top": np.zeros((4, 4), np.uint8)}))
    for state, shape in ((None, r"\[\]"), (np.zeros((1, 2)), r"\[1, 2\]")):
        with pytest.raises(DataError, match=f"state: shape {shape}"):
            Keys(layout=layout).message(replace(fits, state=state))
