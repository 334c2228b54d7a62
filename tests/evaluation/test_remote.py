"""An evaluation against servers: the same table as in-process, whatever happens to the server meanwhile."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.policy.remote import fake_servers
from tests.policy.remote.fake_servers import METADATA, InProcess, openpi, serving, vla_eval

import polymath
from polymath import cli, wire
from polymath.errors import ConfigError, PolymathError
from polymath.evaluation.benchmark import Benchmark
from polymath.evaluation.remote_candidate import of_address
from polymath.evaluation.rollout import MOST_LOSSES, EpisodeKey, run_episodes
from polymath.policy.remote.address import address
from polymath.policy.remote.policy import RemotePolicy
from polymath.policy.session import Policy
from polymath.workers.pool import WorkerPool
from polymath.workers.process import WorkerCommand

KEYS = [EpisodeKey("a", "seen", seed) for seed in range(24)]
POINT = polymath.Embodiment("point", 20, ("top",), ("x", "y"), ("dx", "dy"), (), 20.0)


def episodes(policy: Policy, command: WorkerCommand, execute: int = 2, after: Callable = lambda count: None) -> list:
    """(key, success, steps, score) of each episode; `after` is called with the number of those that have ended."""
    rows: list[tuple] = []

    def keep(result, frames) -> None:
        rows.append((result.key, result.success, result.steps, result.score))
        after(len(rows))

    with WorkerPool(command, 2) as pool:
        run_episodes(policy, pool, KEYS, execute, keep)
    return sorted(rows)


class Restartable:
    """A server process that is killed and started again at the same port."""

    def __init__(self, protocol: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.protocol = protocol
        self.start()

    def start(self) -> None:
        command = [sys.executable, fake_servers.__file__, str(self.port), self.protocol]
        self.process = subprocess.Popen(command)
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise AssertionError("the server does not start")

    def kill(self) -> None:
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def restartable() -> Iterator[Callable[[str], Restartable]]:
    started = []

    def start(protocol: str) -> Restartable:
        started.append(Restartable(protocol))
        return started[-1]

    yield start
    for server in started:
        server.kill()


def remote(prefix: str, port: int) -> RemotePolicy:
    return RemotePolicy(address(f"{prefix}://127.0.0.1:{port}?robot=polymath&wait=30"))


@pytest.mark.parametrize(("prefix", "protocol", "execute"), [("ws", "openpi", 2), ("vla-eval+ws", "vla-eval", 1)])
def test_a_server_that_is_killed_twice_changes_nothing(restartable, point_worker, caplog, prefix, protocol, execute):
    server = restartable(protocol)

    def kill(count: int) -> None:
        if count in (3, 11):
            server.kill()
            server.start()

    undisturbed = episodes(InProcess(), point_worker(3))
    assert len(undisturbed) == len(KEYS)
    assert sum(success for _, success, *_ in undisturbed) > 0
    assert episodes(remote(prefix, server.port), point_worker(3), execute) == undisturbed
    assert episodes(remote(prefix, server.port), point_worker(3), execute, after=kill) == undisturbed
    assert "episodes under way begin again" in caplog.text


def test_an_episode_that_is_lost_every_time_ends_the_evaluation(point_worker) -> None:
    def leaving(connection) -> None:
        connection.send(wire.encode(METADATA))
        connection.recv()

    with serving(leaving) as url:
        policy = RemotePolicy(address(f"{url}?robot=polymath"))
        with pytest.raises(PolymathError, match=rf"has left .*for the {MOST_LOSSES + 1}th time in the episode a, seen"):
            episodes(policy, point_worker(3))


@pytest.fixture
def evaluate(point_worker, tmp_path: Path):
    def evaluate(policy, out: str = "out", **choices):
        benchmark = Benchmark(
            name="point",
            embodiment=POINT,
            tasks=("a",),
            splits={"seen": ("Seen", "")},
            image_size=16,
            seeds=range(1000, 3000),
            worker=lambda plan: WorkerCommand("point_worker", (str(plan.slots),), plan.python),
        )
        choices = {"episodes": 6, "workers": 1, "slots": 3} | choices
        return polymath.evaluate(benchmark, policy, tmp_path / out, **choices)["seen"]

    return evaluate


def test_a_served_policy_stands_beside_others(evaluate, tmp_path: Path) -> None:
    ours = evaluate(InProcess())
    with serving(openpi) as url:
        theirs = evaluate(f"{url}?robot=polymath", name="served")
        assert (theirs.successes, theirs.per_task) == (ours.successes, ours.per_task)
        assert theirs.identity.protocol_hash == ours.identity.protocol_hash
        assert theirs.identity.checkpoint.startswith(f"{url}?robot=polymath (")
        assert theirs.identity.decode == "openpi"
        assert evaluate(f"{url}?robot=polymath", name="served") == theirs  # nothing is run again
    with serving(vla_eval) as url:
        theirs = evaluate(f"vla-eval+{url}?robot=polymath")
        assert theirs.identity.policy == "Seeing"
        assert theirs.successes == ours.successes
        with pytest.raises(
            ConfigError, match=r"is asked at every control step, .*but execute is 2; choose --execute 1"
        ):
            evaluate(f"vla-eval+{url}?robot=polymath", execute=2)


@pytest.mark.parametrize(
    ("name", "expected"), [("../../etc/x", "etc-x"), ("a b\n", "a-b-"), ("n" * 500, "n" * 80), (".", ""), (3, "")]
)
def test_names_of_servers_can_name_files(name, expected: str) -> None:
    with serving(lambda connection: openpi(connection, {**METADATA, "policy": name})) as url:
        assert of_address(f"{url}?robot=polymath").name == (expected or url.removeprefix("ws://").replace(":", "-"))


def test_probes_of_a_served_policy(evaluate) -> None:
    pixels = []

    def handler(connection) -> None:
        connection.send(wire.encode(METADATA))
        for data in connection:
            pixels.append(wire.decode(data)["images"]["top"].max())
            connection.send(wire.encode({"actions": np.zeros((4, 2), np.float32)}))

    with serving(handler) as url:
        evaluate(f"{url}?robot=polymath", probe=["blind"], episodes=2)
    assert set(pixels) == {0, 255}


def test_what_the_command_line_says_before_it_asks_anybody(tmp_path: Path, capsys) -> None:
    def refusal(*words: str) -> str:
        assert cli.main(["eval", "metaworld", *words]) != 0
        return capsys.readouterr().err

    assert "ws://127.0.0.1:9: is served; a policy without a directory needs --out" in refusal(
        "--policy", "ws://127.0.0.1:9"
    )
    out = ("--out", str(tmp_path))
    assert "no protocol of a policy server" in refusal("--policy", "http://127.0.0.1:9", *out)
    assert "nothing listens there" in refusal("--policy", "ws://127.0.0.1:9", *out)
    assert "is no run directory" in refusal("--policy", "ws://127.0.0.1:9", "--dtype", "int8", *out)
    assert "is not served, so it asks for no key" in refusal("--policy", "random", "--key-file", "k", *out)


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"execute": 5}, r"chunk of shape \[4, 2\], but 5 actions are to be executed"),
        ({"decode": "tokens"}, "is no run directory; it answers in its own way"),
    ],
)
def test_choices_that_do_not_fit(evaluate, choices, message: str) -> None:
    with serving(openpi) as url, pytest.raises(PolymathError, match=message):
        evaluate(f"{url}?robot=polymath", **choices)
