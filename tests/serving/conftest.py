"""Two tiny runs on disk, with drawn weights, and servers of them in threads of this process."""

import asyncio
import json
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from dataclasses import field as dataclass_field
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from websockets.sync.client import ClientConnection, connect

from polymath import config
from polymath import specs as weights
from polymath.data.robots.statistics import FieldStatistics, Statistics
from polymath.model import polymath_v
from polymath.policy import Policy
from polymath.policy.contract import Contract
from polymath.policy.session import Turn
from polymath.presets.demo import TINY
from polymath.serving.access import Keys
from polymath.serving.adapters import adapter_named, bind
from polymath.serving.endpoint import Tls, listen
from polymath.serving.limits import Limits
from polymath.serving.loading import warm_up
from polymath.serving.metrics import Metrics
from polymath.serving.numpy_msgpack import decode, encode
from polymath.serving.page.recordings import Recordings
from polymath.serving.server import Server, Settings
from polymath.serving.service import Served, Service
from polymath.tokenizer import ControlTokens, corpus
from polymath.tokenizer import train as train_tokenizer
from polymath.training.checkpoints import Checkpoints
from polymath.training.run import DataRecord
from polymath.training.step import init_state
from polymath.types import ActionChunk, Conventions, Embodiment, Observation

ROBOT = Embodiment(
    name="test-arm",
    slot=0,
    cameras=("front", "wrist"),
    state_names=("x", "y", "z", "gripper"),
    action_names=("dx", "dy", "dz", "gripper"),
    gripper_dims=(3,),
    control_hz=20.0,
    conventions=Conventions(
        roles=("primary", "wrist"),
        state_units=("m", "m", "m", "1"),
        action_units=("0.02 m", "0.02 m", "0.02 m", "1"),
        motion="pose delta",
        rotation="none",
        frame="base",
        gripper="-1 open 1 closed",
    ),
)
WINDOW, STRIDE = 4, 2


def field(width: int) -> FieldStatistics:
    low, zero, high = (-2.0,) * width, (0.0,) * width, (2.0,) * width
    return FieldStatistics(9, zero, (1.0,) * width, low, high, low, low, zero, high, high)


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """`plain` answers each observation by itself, `streaming` remembers the last WINDOW - 1 of them."""
    return write_runs(tmp_path_factory.mktemp("runs"))


def write_runs(folder: Path) -> dict[str, Path]:
    """The two runs as directories, by name."""
    tokenizer = train_tokenizer(corpus.shipped(), 2048, ControlTokens(512))
    drawn = jax.jit(lambda key: weights.init(polymath_v.specs(TINY.model), key))(jax.random.key(0))
    rng = np.random.default_rng(1)
    params = jax.tree.map(lambda w: jnp.asarray(w + 0.05 * rng.normal(size=w.shape).astype(np.float32)), drawn)
    layouts = {
        "plain": replace(TINY.layout, length=96, max_images=2, window=1),
        "streaming": replace(TINY.layout, length=192, max_images=2 * WINDOW, window=WINDOW, stride=STRIDE),
    }
    for name, layout in layouts.items():
        recipe, path = replace(TINY, layout=layout), folder / name
        path.mkdir()
        tokenizer.save(path / "tokenizer.json")
        config.save(ROBOT, path / "embodiment.json")
        config.save(Statistics(state=field(4), action=field(4)), path / "statistics.json")
        config.save(DataRecord((), ()), path / "data.json")
        config.save(recipe, path / "config.json")
        state = init_state(recipe.model, recipe.robot.optimizer, params)
        with Checkpoints(path / "checkpoints" / "robot", every=1) as checkpoints:
            checkpoints.save(state._replace(step=jnp.asarray(3, jnp.int32)), now=True)
        (path / "metrics.jsonl").write_text(json.dumps({"phase": "robot", "step": 3}) + "\n")
    return {name: folder / name for name in layouts}


@pytest.fixture(scope="session")
def policies(runs: dict[str, Path]) -> dict[str, Policy]:
    return {name: Policy.load(path) for name, path in runs.items()}


@pytest.fixture
def half_sure(tmp_path: Path) -> Path:
    """An adapter that converts pictures, and states a frame of which a run may say nothing."""
    path = tmp_path / "half_sure.toml"
    path.write_text(
        'name = "half-sure"\nunsaid = "pass"\n[action]\nframe = "base"\n[images]\ncolour = "BGR"\n'
        '[[cameras]]\nkeys = ["observation/images/{camera}"]\n[[state]]\nkeys = ["observation/state"]\n'
    )
    return path


def served(policy: Policy, rows: tuple[int, ...] = (1,), **more: Any) -> Served:
    contract = Contract.of(policy.run)
    return Served(policy.name, policy, contract, {"polymath": bind(adapter_named("polymath"), contract)}, rows, **more)


@dataclass(frozen=True, eq=False)
class Gated(Served):
    """A model whose passes wait until `gate` is open; `entered` is set when one begins."""

    gate: threading.Event = dataclass_field(default_factory=threading.Event)
    entered: threading.Event = dataclass_field(default_factory=threading.Event)

    def answer(self, turns: Sequence[Turn]) -> Sequence[ActionChunk]:
        self.entered.set()
        assert self.gate.wait(60)
        return super().answer(turns)


def gated(policy: Policy) -> Gated:
    model = served(policy)
    return Gated(model.name, model.policy, model.contract, model.adapters)


def observation(seed: int, instruction: str = "press the button") -> Observation:
    rng = np.random.default_rng(seed)
    images = {name: rng.integers(0, 256, (64, 64, 3), dtype=np.uint8) for name in ROBOT.cameras}
    return Observation(images, rng.normal(size=4).astype(np.float32), instruction, ROBOT.name)


def message(seen: Observation, **more: Any) -> dict[str, Any]:
    """What a client sends for an observation, in the keys of the adapter `polymath`."""
    pictures = {f"observation/images/{name}": image for name, image in seen.images.items()}
    return {**pictures, "observation/state": seen.state, "prompt": seen.instruction, **more}


def certificate(chain: Path, key: Path, *extensions: str) -> None:
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1"
    )
    more = [word for extension in extensions for word in ("-addext", extension)]
    subprocess.run([*command.split(), *more, "-keyout", key, "-out", chain], check=True, capture_output=True)


@contextmanager
def running(
    models: list[Served],
    limits: Limits | None = None,
    keys: Keys | None = None,
    tls: Tls | None = None,
    max_latency: float = 0.005,
    loaded: Callable[[], object] = lambda: None,
    wait: bool = True,
    recordings: Recordings | None = None,
    send_buffer: int | None = None,
    port: int = 0,
) -> Iterator[Server]:
    """A server in a thread; at the end it drains, as after SIGTERM. `loaded` is called on its thread while it loads."""
    limits = limits or Limits(send=1.0, drain=5.0)
    listener = listen("127.0.0.1", port)
    if send_buffer is not None:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
    ready = threading.Event()
    failures: list[BaseException] = []
    made: list[Server] = []

    async def serve() -> None:
        service = Service(limits, Metrics(), max_latency)
        made.append(Server(service, listener, Settings(keys, tls, recordings)))

        def load(stop: Callable[[], bool]) -> list[Served]:
            loaded()
            for model in models:
                warm_up(model.policy, model.rows, replace(limits, tokens=4), stop)
            return models

        await made[0].run_until_stopped(load, lambda url: ready.set())

    def run() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:
            failures.append(error)
        ready.set()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        while not (made and made[0].started) and thread.is_alive():
            time.sleep(0.01)
        if wait:
            assert ready.wait(120)
        yield made[0]
    finally:
        made[0].stopping = True
        thread.join(60)
        assert not thread.is_alive()
    if failures:
        raise failures[0]


class Client:
    """openpi's client in a few lines: `infer` raises RuntimeError with the text of an error frame."""

    def __init__(self, url: str, path: str = "/", key: str | None = None, **more: Any) -> None:
        headers = {"Authorization": f"Api-Key {key}"} if key else None
        self._context = connect(url + path, compression=None, max_size=None, additional_headers=headers, **more)
        self.socket: ClientConnection = self._context.__enter__()
        self.metadata = decode(self.received())

    def received(self) -> bytes:
        data = self.socket.recv(timeout=60)
        if isinstance(data, str):
            raise RuntimeError(data)
        return data

    def infer(self, observation: dict[str, Any]) -> dict[str, Any]:
        self.socket.send(encode(observation))
        return decode(self.received())

    def send(self, data: bytes | str) -> dict[str, Any]:
        """The reply to raw bytes."""
        self.socket.send(data)
        return decode(self.received())

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *error: object) -> None:
        self._context.__exit__(None, None, None)


@pytest.fixture(scope="module")
def plain(policies: dict[str, Policy]) -> Iterator[Server]:
    """A server of the run `plain`."""
    with running([served(policies["plain"])]) as server:
        yield server
