"""What `polymath serve` does, as two functions of one plan: check everything, or serve until a signal."""

import asyncio
import re
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from polymath.errors import ConfigError
from polymath.evaluation.run_candidate import of_run_policy
from polymath.policy import Decoding, Policy
from polymath.policy.cache_rows import MOST_ROWS
from polymath.policy.contract import Contract
from polymath.policy.decoding import Dtype
from polymath.policy.session import BATCH
from polymath.policy.several import SeveralRobots, load
from polymath.policy.weights import device_bytes, run_of
from polymath.serving.access import Keys
from polymath.serving.adapters import bind_named
from polymath.serving.endpoint import Tls, allow_files, listen, url_of
from polymath.serving.limits import Limits
from polymath.serving.loading import keep_programs, programs_folder, warm_up
from polymath.serving.logs import json_logs
from polymath.serving.memory import check_memory, device_limit, weight_bytes
from polymath.serving.metrics import Metrics
from polymath.serving.page.recordings import Recordings, fitting
from polymath.serving.server import Server, Settings
from polymath.serving.service import Served, Service
from polymath.serving.speeds import known_speeds, remember_speeds
from polymath.training.run import Run


@dataclass(frozen=True)
class Plan:
    """What to serve and how. `runs` by the name under which they are served; the first is the default.

    A run of several robots is served as one model for each of them, NAME-ROBOT, of which none is the default.

    `max_latency` in seconds; `rows` are the sizes of passes, `robot` the default adapter; see `polymath serve --help`.
    """

    runs: dict[str, Path]
    host: str = "127.0.0.1"
    port: int = 8000
    robot: str = "polymath"
    decoding: Decoding = field(default_factory=Decoding)
    dtype: Dtype | None = None
    checkpoint: str = "newest"
    rows: tuple[int, ...] = (1, BATCH)
    max_latency: float = 0.005
    assume_executed: bool = False
    keys: Path | None = None
    tls: Tls | None = None
    limits: Limits = field(default_factory=Limits)
    compiled: Path | None = None
    episodes: str | None = None
    log_level: str = "info"

    def __post_init__(self) -> None:
        if not self.rows or min(self.rows) < 1 or list(self.rows) != sorted(set(self.rows)):
            raise ConfigError(f"--rows {' '.join(map(str, self.rows))}: give one or more sizes, the smallest first")
        if max(self.rows) > MOST_ROWS:
            raise ConfigError(f"--rows {max(self.rows)}: a pass holds {MOST_ROWS} requests at most; choose fewer")
        if not 0 <= self.max_latency < 10:
            raise ConfigError(f"--max-latency {self.max_latency * 1e3:g}: choose 0 to 10000 milliseconds")


def parse_runs(texts: tuple[str, ...]) -> dict[str, Path]:
    """NAME=RUN, or RUN under its directory's name. Raises ConfigError for two of one name, or one that no URL holds."""
    runs: dict[str, Path] = {}
    for text in texts:
        name, separator, path = text.partition("=")
        if not (path if separator else text).strip():
            raise ConfigError(f"RUN {text!r}: names no directory; write it as RUN or NAME=RUN")
        if not separator or Path(text).is_dir():
            name, path = Path(text).resolve().name, text
        if (
            not name
            or set(name) == {"."}
            or not all(letter.isalnum() or letter in "-_." for letter in name)
            or name in RESERVED
        ):
            raise ConfigError(f"{text}: name {name!r} cannot stand in the server's address; write it as NAME=RUN")
        if name in runs:
            raise ConfigError(f"{text}: two runs are called {name!r}; write one of them as NAME=RUN")
        runs[name] = Path(path)
    return runs


RESERVED = ("api", "healthz", "metrics", "page", "readyz", "vla-eval")
"""Paths that cannot be names of models."""


def check(plan: Plan) -> dict[str, Any]:
    """All that can be wrong, the port and the programs included, without serving; what would be served.

    Raises ConfigError, DataError or CheckpointError.
    """
    settings, listener = _prepare(plan)
    with listener:
        address = url_of(listener, plan.tls is not None)
    models = list(_load(plan, lambda: False))
    return {
        "url": address,
        "keys": settings.keys is not None,
        "models": [
            {"name": model.name, "adapter": next(iter(model.adapters)), "rows": list(model.rows)}
            | {"robot": model.contract.robot, "window": model.contract.window, "chunk": model.contract.chunk}
            | {"weights_bytes": device_bytes(model.policy.params)}
            for model in models
        ],
        "adapters": [
            {"model": model.name, "conversions": list(bound.conversions), "unverified": list(bound.unverified)}
            for model in models
            for bound in model.adapters.values()
        ],
    }


def serve(plan: Plan, ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM or Ctrl-C, then drain; `ready` is called with the URL once requests are answered.

    Raises ConfigError, DataError or CheckpointError for what does not fit, before or while it loads.
    """
    settings, listener = _prepare(plan)
    with listener, json_logs(plan.log_level):
        asyncio.run(_serve(plan, settings, listener, ready))


async def _serve(plan: Plan, settings: Settings, listener: socket.socket, ready: Callable[[str], None]) -> None:
    service = Service(plan.limits, Metrics(), plan.max_latency)
    server = Server(service, listener, settings)
    await server.run_until_stopped(lambda stop: _load(plan, stop), ready)


def _prepare(plan: Plan) -> tuple[Settings, socket.socket]:
    """What fails at once, before anything slow: runs, adapter, episodes, keys, certificate, port."""
    allow_files(plan.limits.sockets)
    runs = {name: run_of(path) for name, path in plan.runs.items()}
    robots = {model: view for name, run in runs.items() for model, view in by_robot(name, run).items()}
    contracts = [Contract.of(view) for view in robots.values()]
    for contract in contracts:
        bind_named(plan.robot, contract)
    check_memory({name: weight_bytes(run, plan.dtype) for name, run in runs.items()}, device_limit())
    if plan.assume_executed and all(contract.window == 1 for contract in contracts):
        raise ConfigError("--assume-executed: no run here has a history (layout.window is 1); leave it out")
    recordings = None if plan.episodes is None else Recordings.open(plan.episodes)
    if recordings is not None:
        fitting(recordings, {name: view.embodiment for name, view in robots.items()})
    keys = None if plan.keys is None else Keys.load(plan.keys)
    if plan.tls is not None:
        plan.tls.check()
    keep_programs(programs_folder(plan.compiled))
    return Settings(keys, plan.tls, recordings, (plan.host,)), listen(plan.host, plan.port)


def _load(plan: Plan, stop: Callable[[], bool]) -> Iterator[Served]:
    """Each model with its weights and its compiled programs; those of one run's robots share the weights."""
    folder = programs_folder(plan.compiled)
    for name, path in plan.runs.items():
        if stop():
            return
        loaded = load(path, name, plan.decoding, dtype=plan.dtype, checkpoint=plan.checkpoint)
        for model, view in by_robot(name, loaded.run).items():
            policy = loaded.of(view.embodiment.name) if isinstance(loaded, SeveralRobots) else loaded
            contract = Contract.of(view)
            seconds = warm_up(policy, plan.rows, plan.limits, stop, known_speeds(folder, policy))
            remember_speeds(folder, policy, seconds)
            bound = bind_named(plan.robot, contract)
            adapters = {bound.adapter.name: bound}
            weights, run = weights_of(policy), name if isinstance(loaded, SeveralRobots) else ""
            yield Served(model, policy, contract, adapters, plan.rows, plan.assume_executed, weights, seconds, run)


def by_robot(name: str, run: Run) -> dict[str, Run]:
    """A run by the name of its model; one of several robots as a model NAME-ROBOT for each.

    What no URL holds in a robot's name becomes a dash. Raises ConfigError for two robots that are then called the same.
    """
    if not run.several:
        return {name: run}
    models: dict[str, Run] = {}
    for robot in run.robots:
        model = f"{name}-{re.sub(r'[^A-Za-z0-9_.-]', '-', robot.name)}"
        if model in models:
            raise ConfigError(
                f"{run.path}: two of its robots would be served as {model!r}; export one with --embodiment"
            )
        models[model] = run.of(robot.name)
    return models


def weights_of(policy: Policy) -> dict[str, str]:
    """Which weights are served, in the words of the identity of an evaluation's result."""
    candidate = of_run_policy(policy, None)
    return {"checkpoint": candidate.checkpoint, "weights": candidate.weights, "decode": candidate.decode}
