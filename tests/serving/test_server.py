"""The port: probes, keys, TLS, limits, clients that misbehave on the wire, and the drain."""

import base64
import contextlib
import json
import os
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from polymath.errors import CheckpointError
from polymath.policy import Policy
from polymath.serving.access import Keys
from polymath.serving.endpoint import Tls
from polymath.serving.limits import Limits
from polymath.serving.numpy_msgpack import encode
from polymath.serving.server import Server

from .conftest import Client, certificate, gated, message, observation, running, served

GOOD = message(observation(0))
KEY = "correct-horse-battery"
UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: robot\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
SCRIPT = "import sys; from polymath.cli import main; sys.exit(main())"


def get(url: str, path: str, context: ssl.SSLContext | None = None, **headers: str) -> tuple[int, str]:
    address = url.replace("ws", "http", 1) + path
    try:
        with urllib.request.urlopen(urllib.request.Request(address, headers=headers), context=context) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def refused(url: str, path: str = "/", **headers: str) -> tuple[int, str]:
    """Status and text of a handshake that is refused."""
    with pytest.raises(InvalidStatus) as caught, connect(url + path, additional_headers=headers):
        pass
    response = caught.value.response
    return response.status_code, (response.body or b"").decode()


def until(condition, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def raw_socket(server: Server, receive_buffer: int | None = None) -> socket.socket:
    """A connection. A receive buffer is set before connecting: where it shrinks later, the kernel drops segments of the
    window that it has promised, with the acknowledgements in them, and what this side sends stalls, too.
    """
    plain = socket.socket()
    if receive_buffer is not None:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    plain.settimeout(20.0)
    plain.connect(server.listener.getsockname()[:2])
    return plain


def upgraded(server: Server, receive_buffer: int | None = None) -> socket.socket:
    """A WebSocket without a library behind it: it answers no ping and closes nothing."""
    plain = raw_socket(server, receive_buffer)
    plain.sendall(UPGRADE)
    assert b"101" in plain.recv(20)
    return plain


def framed(data: bytes) -> bytes:
    """A masked binary frame (RFC 6455, section 5.2) whose mask is zero."""
    return b"\x82\xfe" + struct.pack("!H", len(data)) + b"\0\0\0\0" + data


def ended(plain: socket.socket) -> bool:
    """Whether the server closes within the socket's timeout."""
    try:
        while plain.recv(65536):
            pass
    except ConnectionResetError:
        pass
    return True


def test_probes_answer_while_it_loads_and_robots_wait(policies: dict[str, Policy]) -> None:
    loading = threading.Event()
    with running([served(policies["plain"])], loaded=lambda: loading.wait(20), wait=False) as server:
        assert get(server.url, "/healthz") == (200, "OK\n")
        assert get(server.url, "/readyz") == (503, "loading\n")
        status, text = refused(server.url)
        assert (status, "loading" in text) == (503, True)
        loading.set()
        until(lambda: get(server.url, "/readyz") == (200, "ready\n"))
        with Client(server.url) as client:
            client.infer(GOOD)
        until(
            lambda: (
                'polymath_requests_total{outcome="answered",protocol="openpi"} 1.0' in get(server.url, "/metrics")[1]
            )
        )
        assert "polymath_ready 1.0" in get(server.url, "/metrics")[1]


def test_a_run_that_cannot_be_loaded_ends_the_server() -> None:
    def broken() -> None:
        raise CheckpointError("run/checkpoints: holds no checkpoint yet; train it first")

    with pytest.raises(CheckpointError, match="train it first"), running([], loaded=broken) as server:
        until(lambda: server.error is not None)


def test_names_in_the_handshake_are_checked(plain: Server) -> None:
    assert refused(plain.url, "/other") == (400, "model 'other': is not served here; choose from plain\n")
    status, text = refused(plain.url, "/?robot=polymat")
    assert (status, "did you mean polymath" in text) == (400, True)
    assert refused(plain.url, "/?robot=/etc/robot.toml")[0] == 400, "a client names no file"
    status, text = refused(plain.url, "/?robot=libero")
    assert status == 400
    assert "libero" in text
    assert get(plain.url, "/nothing")[0] == 404
    assert refused(plain.url, "/plain/more/..") == (
        400,
        "/plain/more/..: is no path of this server; ask at / or /MODEL\n",
    )


def test_keys_of_every_form_and_no_other(policies: dict[str, Policy]) -> None:
    basic = base64.b64encode(f"anyone:{KEY}".encode()).decode()
    with running([served(policies["plain"])], keys=Keys(["another-key-of-16", KEY])) as server:
        for value in (
            "",
            "Api-Key",
            f"Api-Key {KEY}x",
            f"Api-Key {KEY[:-1]}",
            "Basic ?",
            f"Digest {KEY}",
            "Bearer \xff",
        ):
            status, text = refused(server.url, **({"Authorization": value} if value else {}))
            assert (status, "Api-Key KEY" in text) == (401, True)
            assert get(server.url, "/metrics", **{"Authorization": value})[0] == 401
        for value in (f"Api-Key {KEY}", f"Bearer {KEY}", f"Basic {basic}"):
            assert get(server.url, "/metrics", Authorization=value)[0] == 200
        with Client(server.url, key=KEY) as client:
            client.infer(GOOD)
        assert get(server.url, "/healthz")[0] == get(server.url, "/readyz")[0] == 200


def test_a_page_of_another_site_is_kept_out(plain: Server) -> None:
    for origin in ("http://evil.example", "http://[", "null"):
        assert refused(plain.url, Origin=origin)[0] == 403
    own = plain.url.replace("ws", "http", 1)
    with connect(plain.url, additional_headers={"Origin": own}):
        pass


def test_tls(policies: dict[str, Policy], tmp_path: Path) -> None:
    chain, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    certificate(chain, key)
    context = ssl.create_default_context(cafile=str(chain))
    with running([served(policies["plain"])], tls=Tls(chain, key)) as server:
        assert server.url.startswith("wss://")
        assert get(server.url, "/healthz", context) == (200, "OK\n")
        with Client(server.url, ssl=context) as client:
            client.infer(GOOD)


def test_a_frame_of_2_gb_is_refused_before_it_is_read(policies: dict[str, Policy]) -> None:
    with running([served(policies["plain"])], Limits(message=2**20, send=1.0)) as server:
        with Client(server.url) as client:
            client.socket.socket.sendall(b"\x82\xff" + struct.pack("!Q", 2**31) + b"\0\0\0\0" + b"\0" * 1000)
            with pytest.raises(ConnectionClosed, match="1009"):
                client.received()
        with Client(server.url) as client:
            client.infer(GOOD)


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        (b"\x82\x03abc", 1002),  # not masked
        (b"\x83\x80\0\0\0\0", 1002),  # an opcode that is reserved
        (b"\x80\x80\0\0\0\0", 1002),  # goes on with what did not begin
        (b"\x81\x82\0\0\0\0\xff\xfe", 1007),  # text that is no UTF-8
        (b"\x02\x80\0\0\0\0" + b"\0\x80\0\0\0\0" * 20_000, 1009),  # empty fragments without an end
    ],
)
def test_frames_that_break_the_protocol_get_its_close(plain: Server, frames: bytes, code: int) -> None:
    """Codes of RFC 6455, section 7.4.1."""
    with contextlib.closing(upgraded(plain)) as broken:
        with contextlib.suppress(ConnectionError):
            broken.sendall(frames)
        received = b""
        with contextlib.suppress(ConnectionError):
            while data := broken.recv(65536):
                received += data
        assert struct.pack("!H", code) in received[-60:]
    with Client(plain.url) as client:
        client.infer(GOOD)


def test_who_sends_nothing_or_never_ends_is_cut_off(policies: dict[str, Policy]) -> None:
    """A silent connection, a request line without an end, and a WebSocket that answers no ping."""
    with running([served(policies["plain"])], Limits(head=0.3, ping=0.3, send=0.3)) as server:
        silent, slow, deaf = raw_socket(server), raw_socket(server), upgraded(server)
        slow.sendall(b"GET / HTTP/1.1\r\nHost: ")
        assert ended(silent)
        assert ended(slow)
        assert ended(deaf)
        until(lambda: not server.service.connections)
        for each in (silent, slow, deaf):
            each.close()


@pytest.mark.parametrize(
    ("first", "later"),
    [
        (b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", b"G"),  # the next request, without an end
        (b"GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n", b"1"),  # answered before its body ends
    ],
)
def test_a_later_request_that_never_ends_is_cut_off(policies: dict[str, Policy], first: bytes, later: bytes) -> None:
    """As many of them as there are sockets would keep the probes out."""
    with running([served(policies["plain"])], Limits(head=0.3, send=0.3)) as server:
        with contextlib.closing(raw_socket(server)) as plain:
            plain.sendall(first)
            assert plain.recv(4096).startswith(b"HTTP/1.1 200")
            plain.sendall(later)
            assert ended(plain)
        assert get(server.url, "/healthz") == (200, "OK\n")


def test_a_websocket_after_another_request_lives_on(policies: dict[str, Policy]) -> None:
    limits = Limits(head=0.2)
    with running([served(policies["plain"])], limits) as server, contextlib.closing(raw_socket(server)) as plain:
        plain.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        assert plain.recv(4096).startswith(b"HTTP/1.1 200")
        plain.sendall(UPGRADE)
        until(lambda: server.service.connections)
        time.sleep(0.5)
        assert len(server.service.connections) == 1


def test_who_does_not_read_is_cut_off(policies: dict[str, Policy]) -> None:
    limits = Limits(send=0.3, rate=1e6, ping=30.0)
    with running([served(policies["plain"])], limits, send_buffer=4096) as server:
        plain = upgraded(server, receive_buffer=4096)
        with contextlib.suppress(OSError):  # cut off while it still sends
            for _ in range(20_000):
                plain.sendall(framed(b"garbage" * 20))
        until(lambda: not server.service.connections)
        with Client(server.url) as client:
            client.infer(GOOD)
        plain.close()


def test_a_flood_of_connections_leaves_room_for_probes(policies: dict[str, Policy]) -> None:
    limits = Limits(sockets=10, connections=2, send=1.0)
    with running([served(policies["plain"])], limits) as server:
        flood = [raw_socket(server) for _ in range(60)]
        assert get(server.url, "/healthz") == (200, "OK\n")
        with Client(server.url) as first, Client(server.url) as second:
            status, text = refused(server.url)
            assert (status, "2 robots are connected" in text) == (503, True)
            first.infer(GOOD)
            second.infer(GOOD)
        for each in flood:
            each.close()
        until(lambda: not server.service.connections)
        with Client(server.url) as client:
            client.infer(GOOD)


def test_a_client_that_vanishes_in_mid_inference_leaves_nothing_behind(policies: dict[str, Policy]) -> None:
    model = gated(policies["streaming"])
    with running([model], Limits(sessions=1, send=1.0)) as server:
        plain = upgraded(server)
        data = encode(GOOD)
        plain.sendall(b"\x82\xff" + struct.pack("!Q", len(data)) + b"\0\0\0\0" + data)
        assert model.entered.wait(20)
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        plain.close()  # with a reset, as of a process that was killed
        model.gate.set()
        until(lambda: not server.service.connections)
        with Client(server.url) as client:
            reply = client.infer(GOOD)
        np.testing.assert_array_equal(reply["actions"], policies["streaming"].open().act(observation(0)).actions)


def test_a_clock_that_goes_back_changes_nothing(plain: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [time.time()]

    def back() -> float:
        now[0] -= 3600
        return now[0]

    monkeypatch.setattr(time, "time", back)
    with Client(plain.url) as client:
        client.infer(GOOD)
        reply = client.infer(GOOD)
        assert reply["polymath"]["session"] == "continued"
        assert 0 <= reply["server_timing"]["queue_ms"] < 10_000
        assert get(plain.url, "/healthz") == (200, "OK\n")


def test_a_drain_answers_what_runs_and_refuses_what_is_new(policies: dict[str, Policy]) -> None:
    model = gated(policies["plain"])
    with running([model]) as server, Client(server.url) as client, Client(server.url) as idle:
        client.socket.send(encode(GOOD))
        assert model.entered.wait(20)
        server.stopping = True
        until(lambda: server.service.state == "draining")
        assert get(server.url, "/readyz") == (503, "draining\n")
        assert refused(server.url)[0] == 503
        model.gate.set()
        client.received()
        for each in (client, idle):
            with pytest.raises(ConnectionClosed, match="1012"):
                each.received()


def test_the_command_serves_until_sigterm_and_ends_with_0(runs: dict[str, Path], tmp_path: Path) -> None:
    arguments = ["serve", f"tiny={runs['plain']}", "--port", "0", "--max-tokens", "8", "--rows", "1"]
    environment = {**os.environ, "POLYMATH_HOME": str(tmp_path)}
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    url = process.stdout.readline().split()[-1]
    with Client(url, "/tiny") as client:
        client.infer(GOOD)
        process.send_signal(signal.SIGTERM)
        with pytest.raises(ConnectionClosed, match="1012"):
            client.received()
    _, logged = process.communicate(timeout=60)
    assert process.returncode == 0, logged
    assert list((tmp_path / "compiled").iterdir()), "compiled programs are kept for the next start"
    events = [json.loads(line)["event"] for line in logged.splitlines()]
    assert [each for each in events if each in ("loading", "ready", "signal", "drained")] == [
        "loading", "ready", "signal", "drained",
    ]  # fmt: skip
