"""A server against messages that no robot should send: `make fuzz-serving`. One verdict line, and its exit status.

    python tests/oracles/fuzz_serving.py [--messages 100000] [--minutes 10] [--schemathesis PROGRAM] [--seed 0]

1. mutated messages of openpi's protocol, and of vla-eval's a quarter; each must be answered or refused in one line
2. structures drawn by hypothesis, for so many minutes
3. bytes that are no HTTP, handshakes that end half-way
4. the HTTP paths by schemathesis, for a fifth of the minutes, from the server's own /api/openapi.json
The server must be alive, its memory bounded, its answer to a good message the same bits as before, its exit status 0.
"""

import argparse
import contextlib
import random
import socket
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
from hypothesis import HealthCheck, given, settings
from tests.oracles.serving_process import ServerProcess, clock, serving
from tests.serving.conftest import ROBOT, Client, message, observation, write_runs
from tests.serving.mutations import mutated, mutated_harness, structures
from tests.serving.talking import HarnessTalk, Talk

from polymath.data.formats.lerobot.writer import LeRobotWriter
from polymath.serving.numpy_msgpack import encode
from polymath.types import Episode

MOST_GROWTH, MOST_DRIFT = 256.0, 32.0  # MiB above the first sample; from the middle third to the last one
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


def small(seed: int) -> dict[str, object]:
    """A message whose bytes are mostly structure: pictures of 8 pixels a side."""
    good = message(observation(seed))
    return {key: value[:8, :8] if "images" in key else value for key, value in good.items()}


def write_episodes(place: Path) -> Path:
    """Two short episodes of the robot."""
    with LeRobotWriter(place, ROBOT, 20, 32) as writer:
        for seed in range(2):
            rng = np.random.default_rng(seed)
            images = {name: rng.integers(0, 256, (6, 32, 32, 3), dtype=np.uint8) for name in ROBOT.cameras}
            states, actions = (rng.uniform(-1, 1, (6, 4)).astype(np.float32) for _ in range(2))
            writer.add(Episode(images, states, actions, "press the button", "press", ROBOT.name))
    return place


def send_mutations(server: ServerProcess, talk: Talk, count: int, seed: int) -> None:
    generator, good = random.Random(seed), small(0)
    others = [encode(good), encode({"prompt": "go"}), b"\xc1" * 40, encode(small(1))]
    for number in range(count):
        talk.send(mutated(generator, good, others))
        if number % 97 == 0:
            talk.close()  # a client that vanishes, and comes again
        if number % 1000 == 0:
            server.look()


def send_harness(server: ServerProcess, talk: HarnessTalk, count: int, seed: int) -> None:
    generator, seen = random.Random(seed), small(0)
    images = {name: seen[f"observation/images/{name}"] for name in ROBOT.cameras}
    good = {"images": images, "states": seen["observation/state"], "task_description": seen["prompt"]}
    for number in range(count):
        talk.send(mutated_harness(generator, good, [b"\xc1" * 40, encode({"prompt": "go"})]))
        if number % 1000 == 0:
            server.look()


def send_structures(server: ServerProcess, talk: Talk, minutes: float, seed: int) -> int:
    """The number of examples."""
    examples = 0

    @settings(max_examples=500, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(drawn=structures())
    def send(drawn: dict[str, object]) -> None:
        nonlocal examples
        examples += 1
        talk.send(encode(small(0) | drawn))
        talk.send(encode(drawn))

    for _ in clock(minutes):
        send()
        server.look()
    return examples


def send_garbage(server: ServerProcess, count: int, seed: int) -> None:
    """Bytes to the port itself; every other connection is left half-open until the end."""
    generator = random.Random(seed)
    address = urlsplit(server.url).hostname, urlsplit(server.url).port
    upgrade = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    key = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    heads = [
        b"",
        b"GET / HTTP/1.1\r\n",
        upgrade,
        upgrade + key,
        b"POST /api/status HTTP/1.1\r\nContent-Length: 99\r\n\r\n",
    ]
    left_open = []
    for number in range(count):
        connection = socket.create_connection(address, timeout=60)
        with contextlib.suppress(OSError):  # refused in the middle, which is an answer
            connection.sendall(generator.choice(heads) + generator.randbytes(generator.randrange(300)))
        if number % 2 and len(left_open) < 50:
            left_open.append(connection)
        else:
            connection.close()
    server.look()
    for connection in left_open:
        connection.close()


def schemathesis(program: Path, server: ServerProcess, seconds: float, seed: int) -> str | None:
    """Its complaint, None where it has none."""
    command = [program.absolute(), "run", f"{server.http}/api/openapi.json", "--checks", CHECKS]
    command += ["--max-time", f"{seconds:.0f}"]
    command += ["--max-examples", "100", "--exclude-path", "/api/events", "--seed", str(seed), "--warnings", "off"]
    command += ["--suppress-health-check", "all", "--request-timeout", "60", "--continue-on-failure"]
    with tempfile.TemporaryDirectory() as cache:  # it keeps a folder of its own where it runs
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, cwd=cache)
    return None if done.returncode == 0 else done.stdout[-3000:]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--schemathesis", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    faults: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        episodes = write_episodes(folder / "episodes")
        arguments = ("--max-rate", "1000000", "--rows", "1", "--max-tokens", "16", "--episodes", str(episodes))
        with serving(write_runs(folder)["plain"], folder, *arguments) as server:
            talk = Talk(server.url)
            with Client(server.url) as client:
                before = client.infer(small(0))["actions"]
            for _ in range(200):
                talk.send(encode(small(0)))  # memory that is taken once, before the first sample
            server.look()
            harness = HarnessTalk(f"{server.url}/vla-eval")
            send_mutations(server, talk, options.messages - options.messages // 4, options.seed)
            send_harness(server, harness, options.messages // 4, options.seed)
            harness.close()
            examples = send_structures(server, talk, options.minutes, options.seed)
            send_garbage(server, 500, options.seed)
            if options.schemathesis:
                complaint = schemathesis(options.schemathesis, server, max(12 * options.minutes, 20), options.seed)
                faults += [complaint] if complaint else []
            server.look()
            talk.close()
            with Client(server.url) as client:
                if not np.array_equal(client.infer(small(0))["actions"], before):
                    faults.append("the answer to a good message has changed")
            growth, drift = server.growth()
            if growth > MOST_GROWTH or drift > MOST_DRIFT:
                faults.append(f"memory: {growth:.0f} MiB above the first sample, {drift:.0f} MiB in the last third")
            if status := server.stop():
                faults.append(f"exit status {status} after SIGTERM")
            faults += talk.faults + harness.faults + server.errors()
    for fault in faults[:20]:
        print(fault)
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted((talk.kinds + harness.kinds).items()))
    print(
        f"fuzz-serving: {'FAIL' if faults else 'PASS'}: {options.messages:,} mutated messages, {examples:,} drawn "
        f"({kinds}), memory {growth:+.0f} MiB, in the last third {drift:+.1f} MiB, {len(faults)} faults"
    )
    return 1 if faults else 0


if __name__ == "__main__":
    raise SystemExit(main())
