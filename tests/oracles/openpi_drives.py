"""The real openpi-client drives a served run through Meta-World, episode by episode as an evaluation in process did.

    python tests/oracles/openpi_drives.py ws://HOST:PORT LOG.jsonl POLYMATH_PYTHON

Runs in an environment that has openpi-client 0.1.2, typing_extensions (which it imports without asking for it), and
packages/polymath-worker on PYTHONPATH; the simulator is a worker of POLYMATH_PYTHON, an interpreter that has polymath
and Meta-World. Each episode of LOG, which `polymath eval metaworld` wrote, is run again with openpi's
ActionChunkBroker: one call a control step. Prints both outcomes; exits with 1 if an episode ended otherwise.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from openpi_client.action_chunk_broker import ActionChunkBroker
from openpi_client.websocket_client_policy import WebsocketClientPolicy

from polymath_worker.protocol import (
    VERSION,
    VERSION_VARIABLE,
    Act,
    Close,
    Hello,
    Reset,
    State,
    read_message,
    write_message,
)


class MetaWorld:
    """One simulator in a worker process."""

    def __init__(self, python: str) -> None:
        command = [python, "-m", "polymath.benchmarks.metaworld.worker", "--cameras", "front", "--image-size", "64"]
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        environment[VERSION_VARIABLE] = str(VERSION)
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
        assert isinstance(read_message(self.process.stdout), Hello)  # type: ignore[arg-type]

    def ask(self, request: Any) -> State:
        write_message(self.process.stdin, request)  # type: ignore[arg-type]
        reply = read_message(self.process.stdout)  # type: ignore[arg-type]
        assert isinstance(reply, State), reply
        return reply

    def close(self) -> None:
        write_message(self.process.stdin, Close())  # type: ignore[arg-type]
        self.process.wait(60)


def message(state: State) -> dict[str, Any]:
    """The observation in the keys of the adapter `polymath`."""
    seen = state.observation
    pictures = {f"observation/images/{name}": image for name, image in seen.images.items()}
    return {**pictures, "observation/state": seen.state, "prompt": seen.instruction}


def run(world: MetaWorld, broker: ActionChunkBroker, episode: dict[str, Any]) -> State:
    """One whole episode, one action at a time."""
    broker.reset()
    state = world.ask(Reset(0, episode["task"], episode["split"], episode["seed"]))
    while not state.done:
        action = broker.infer(message(state))["actions"]
        state = world.ask(Act(0, np.asarray(action, np.float32)[None]))
    return state


def check_errors(client: WebsocketClientPolicy, state: State) -> None:
    """A bad observation raises in the client and the connection lives on."""
    wrong = {**message(state), "observation/state": np.full(4, np.nan, np.float32)}
    try:
        client.infer(wrong)
    except RuntimeError as error:
        print(f"a state of NaN: {str(error).splitlines()[-1]}")
    else:
        raise AssertionError("a state of NaN was answered")
    client.infer(message(state))


def main(url: str, log: Path, python: str) -> int:
    """The number of episodes that ended otherwise than in the log."""
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    execute = next(line["identity"]["execute"] for line in lines if "identity" in line)
    address = urlsplit(url)
    client = WebsocketClientPolicy(address.hostname, address.port)
    metadata = client.get_server_metadata()
    print(f"{metadata['policy']}: {metadata['action_horizon']} actions a chunk, {execute} carried out")
    broker, world, different = ActionChunkBroker(client, action_horizon=execute), MetaWorld(python), 0
    episodes = [line for line in lines if "seed" in line]
    for episode in episodes:
        state = run(world, broker, episode)
        ours, theirs = (episode["success"], episode["steps"]), (state.success, state.steps)
        different += ours != theirs
        verdict = "the same" if ours == theirs else "NOT the same"
        name = f"{episode['task']} {episode['split']} {episode['seed']}"
        print(f"{name}: in process {ours}, openpi-client {theirs}, {verdict}")
    check_errors(client, state)
    world.close()
    wins = sum(episode["success"] for episode in episodes)
    print(f"{len(episodes)} episodes, {wins} succeeded in process, {different} ended otherwise through openpi-client")
    return different


if __name__ == "__main__":
    sys.exit(1 if main(sys.argv[1], Path(sys.argv[2]), sys.argv[3]) else 0)
