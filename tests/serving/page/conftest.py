"""A server with recorded episodes whose names and words are hostile, and a plain HTTP client."""

import http.client
import json
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest

from polymath.policy import Policy
from polymath.serving.page.recordings import Recordings
from polymath.serving.server import Server

from ..conftest import ROBOT, observation, running, served

STEPS = 12
HOSTILE = '<img src=x onerror=document.title=1>"& press'


class Episodes:
    """Two episodes of the robot of the runs; the pictures of a step are those of `observation(step)`."""

    name, embodiment = "hostile <b>set</b>", ROBOT

    def __len__(self) -> int:
        return 2

    def instruction(self, episode: int) -> str:
        return HOSTILE if episode == 0 else "press the button"

    def task(self, episode: int) -> str:
        return "<b>press</b>"

    def states(self, episode: int) -> np.ndarray:
        return np.stack([observation(step).state for step in range(STEPS)])

    def actions(self, episode: int) -> np.ndarray:
        actions = np.random.default_rng(episode).uniform(-1, 1, (STEPS, ROBOT.action_dim)).astype(np.float32)
        if episode == 1:
            actions[0, 0] = np.nan
        return actions

    def frames(self, episode: int, steps: Sequence[int]) -> np.ndarray:
        return np.stack([np.stack([observation(step).images[camera] for camera in ROBOT.cameras]) for step in steps])


@pytest.fixture(scope="session")
def recordings() -> Recordings:
    return Recordings(Episodes.name, Episodes())


@pytest.fixture(scope="module")
def site(policies: dict[str, Policy], recordings: Recordings) -> Iterator[Server]:
    """A server of the run `plain`."""
    with running([served(policies["plain"])], recordings=recordings) as server:
        yield server


def fetch(
    server: Server, path: str, body: Any = None, method: str | None = None, headers: dict[str, str] | None = None
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body; a `body` that is no bytes is sent as JSON."""
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=60)
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    sent = ({} if body is None else {"content-type": "application/json"}) | (headers or {})
    try:
        connection.request(method or ("GET" if body is None else "POST"), path, data, sent)
        reply = connection.getresponse()
        return reply.status, {key.lower(): value for key, value in reply.getheaders()}, reply.read()
    finally:
        connection.close()


def fetch_json(server: Server, path: str, body: Any = None, expect: int = 200) -> Any:
    status, _, content = fetch(server, path, body)
    assert status == expect, content
    return json.loads(content)
