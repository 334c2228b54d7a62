"""What serving costs: one run, one machine, random weights, a policy of 30 M parameters with one 224-pixel camera.

    python benchmarks/serving.py [--requests 60] [--rounds 4] [--robots 8] [--json]

overhead    one robot: from the message to the reply, less the pass of the model that the reply names, pair by pair
robots      three and several at once against one at a time, in turns: answers a second, the server's CPU time of an
            answer, and how long the slowest wait
passes      CPU time of the bare `policy.answer` for each robot in passes of 1, 2, 4 and 8 rows, in turns
streaming   an answer after 8 earlier observations, from the cache against the whole window again, in turns
cold start  from the command to the first robot, with an empty folder of compiled programs and with a full one

Ratios are of neighbours in time, so that what else the machine does falls on both sides. CPU time counts all threads of
the server and is less disturbed by a busy machine.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parent / "contenders"))

import jax
import jax.numpy as jnp
import numpy as np
import polymath_policy as contender
import psutil
from sizes import POLICIES
from websockets.sync.client import connect

from polymath import config
from polymath import specs as weights
from polymath.data.robots.statistics import Statistics
from polymath.model import polymath_v
from polymath.policy import Policy
from polymath.policy.session import Turn
from polymath.serving.loading import CACHE_VARIABLE
from polymath.serving.numpy_msgpack import decode, encode
from polymath.tokenizer import ControlTokens, corpus, train
from polymath.training.checkpoints import Checkpoints
from polymath.training.run import DataRecord, Run, open_run
from polymath.training.step import init_state

SIZE = replace(POLICIES["vision-heavy"], vocabulary=2048)


def write_run(path: Path) -> int:
    """A run without a history, with drawn weights; the number of its parameters."""
    recipe = contender.recipe(SIZE)
    recipe = replace(recipe, layout=replace(recipe.layout, window=1, stride=1, max_images=1, max_control_steps=1))
    path.mkdir()
    train(corpus.shipped(), SIZE.vocabulary, ControlTokens(512)).save(path / "tokenizer.json")
    config.save(contender.robot(SIZE), path / "embodiment.json")
    fields = contender.field(SIZE.state_dim), contender.field(SIZE.action_dim)
    config.save(Statistics(*fields), path / "statistics.json")
    config.save(DataRecord((), ()), path / "data.json")
    config.save(recipe, path / "config.json")
    specs = polymath_v.specs(recipe.model)
    params = jax.jit(lambda key: weights.init(specs, key))(jax.random.key(0))
    state = init_state(recipe.model, recipe.robot.optimizer, params)
    with Checkpoints(path / "checkpoints" / "robot", every=1) as checkpoints:
        checkpoints.save(state._replace(step=jnp.asarray(1, jnp.int32)), now=True)
    (path / "metrics.jsonl").write_text(json.dumps({"phase": "robot", "step": 1}) + "\n")
    return weights.count(specs)


@contextmanager
def serving(run: Path, compiled: Path, rows: tuple[int, ...]) -> Iterator[tuple[str, float, psutil.Process]]:
    """A server: its address, the seconds from the command until it was ready, and its process."""
    command = [Path(sys.executable).with_name("polymath"), "serve", run, "--port", "0", "--compiled", compiled]
    command += ["--rows", *rows, "--log-level", "error", "--max-rate", "100000"]
    environment = {name: value for name, value in os.environ.items() if name != CACHE_VARIABLE}
    begin = time.perf_counter()
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line.startswith("serving at "), line
        yield line.split()[-1], time.perf_counter() - begin, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()


def message(seed: int) -> bytes:
    seen = contender.observation(SIZE, seed)
    pictures = {f"observation/images/{name}": image for name, image in seen.images.items()}
    return encode({**pictures, "observation/state": seen.state, "prompt": seen.instruction})


def ask(url: str, requests: int) -> list[tuple[float, float]]:
    """Milliseconds of each request: from the message to the reply, and of the pass of the model in it."""
    times = []
    with connect(url, compression=None, max_size=None) as socket:
        socket.recv()
        for seed in range(requests):
            data = message(seed)
            begin = time.perf_counter()
            socket.send(data)
            reply = decode(socket.recv())
            times.append(((time.perf_counter() - begin) * 1e3, float(reply["policy_timing"]["infer_ms"])))
    return times


def cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


class Together(NamedTuple):
    """Answers a second of several robots at once, the server's CPU ms of an answer, and the ms of each request."""

    rate: float
    cpu: float
    times: list[float]


def together(url: str, process: psutil.Process, robots: int, requests: int) -> Together:
    times: list[float] = []
    threads = [threading.Thread(target=lambda: times.extend(t for t, _ in ask(url, requests))) for _ in range(robots)]
    cpu, begin = cpu_seconds(process), time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds, answers = time.perf_counter() - begin, robots * requests
    return Together(answers / seconds, (cpu_seconds(process) - cpu) * 1e3 / answers, times)


def percentile(values: list[float], percent: float) -> float:
    return float(np.percentile(values, percent))


def served(run: Path, compiled: Path, requests: int, rounds: int, robots: int) -> dict[str, Any]:
    with serving(run, compiled, (1, robots)) as (url, _, process):
        ask(url, 3)
        one = ask(url, requests)
        counts = (1, 3, robots)
        measured = [
            {count: together(url, process, count, max(requests // count, 4)) for count in counts} for _ in range(rounds)
        ]
    slow = [each for by_count in measured for each in by_count[robots].times]
    overhead = [total - infer for total, infer in one]
    totals = [total for total, _ in one]
    return {
        "overhead_ms": {"p50": percentile(overhead, 50), "p95": percentile(overhead, 95)},
        "one_robot_ms": {"p50": percentile(totals, 50), "p95": percentile(totals, 95)},
        "model_ms": {"p50": percentile([infer for _, infer in one], 50)},
        "throughput_ratio": {
            count: statistics.median(each[count].rate / each[1].rate for each in measured) for count in counts[1:]
        },
        "server_cpu_ms": {count: statistics.median(each[count].cpu for each in measured) for count in counts},
        "robots_ms": {"p50": percentile(slow, 50), "p99": percentile(slow, 99)},
        "p99_over_p50": percentile(slow, 99) / percentile(slow, 50),
    }


def cold_starts(run: Path, folder: Path, rounds: int, robots: int) -> dict[str, float]:
    cold: list[tuple[float, float]] = []  # seconds, CPU seconds
    cached: list[tuple[float, float]] = []
    for number in range(rounds):
        for starts in (cold, cached):
            with serving(run, folder / f"compiled-{number}", (1, robots)) as (_, seconds, process):
                starts.append((seconds, cpu_seconds(process)))
    figures = {}
    for column, unit in enumerate(("s", "cpu_s")):
        pairs = [(slow[column], fast[column]) for slow, fast in zip(cold, cached, strict=True)]
        figures[f"cold_{unit}"] = statistics.median(slow for slow, _ in pairs)
        figures[f"cached_{unit}"] = statistics.median(fast for _, fast in pairs)
        figures[f"ratio_{unit}"] = statistics.median(slow / fast for slow, fast in pairs)
    return figures


def passes(run: Path, rounds: int) -> dict[str, dict[int, float]]:
    """CPU milliseconds for each robot by the rows of a pass, and one row's over them."""
    policy, process = Policy.load(run), psutil.Process()
    turns = [Turn(policy.open(), contender.observation(SIZE, seed)) for seed in range(8)]
    sizes = (1, 2, 4, 8)
    times: dict[int, list[float]] = {rows: [] for rows in sizes}
    for number in range(3 * rounds + 1):
        for rows in sizes:
            begin = cpu_seconds(process)
            for start in range(0, len(turns), rows):
                policy.answer(turns[start : start + rows], rows)
            if number:  # the first round compiles
                times[rows].append((cpu_seconds(process) - begin) * 1e3 / len(turns))
    ratios = {
        rows: statistics.median(one / each for one, each in zip(times[1], times[rows], strict=True)) for rows in sizes
    }
    return {"cpu_ms": {rows: statistics.median(each) for rows, each in times.items()}, "ratio": ratios}


def history(plain: Run, params: polymath_v.Params, rounds: int) -> dict[str, float]:
    run = replace(plain, recipe=contender.recipe(SIZE))
    kinds = {"stream": contender.stream(SIZE, run, params), "recompute": contender.recompute(SIZE, run, params)}
    ratios, times = [], {name: [] for name in kinds}  # type: list[float], dict[str, list[float]]
    for number in range(4 * rounds + 1):
        pair = {name: timed(step) for name, step in kinds.items()}
        if number:  # the first round compiles
            ratios.append(pair["stream"] / pair["recompute"])
            for name, milliseconds in pair.items():
                times[name].append(milliseconds)
    return {f"{name}_ms": statistics.median(each) for name, each in times.items()} | {
        "ratio": statistics.median(ratios)
    }


def timed(step: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    step()
    return (time.perf_counter() - begin) * 1e3


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--robots", type=int, default=8)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        parameters = write_run(folder / "run")
        starts = cold_starts(folder / "run", folder, max(options.rounds // 2, 1), options.robots)
        figures = served(folder / "run", folder / "compiled-0", options.requests, options.rounds, options.robots)
        run = open_run(folder / "run")
        params = weights.init(polymath_v.specs(run.recipe.model), jax.random.key(0))
        figures |= {"passes": passes(folder / "run", options.rounds)}
        figures |= {"start": starts, "history": history(run, params, options.rounds)}
    versions = {package: metadata.version(package) for package in ("jax", "uvicorn", "websockets")}
    figures |= {"parameters": parameters, "processor": processor(), "cores": os.cpu_count(), "versions": versions}
    if options.json:
        print(json.dumps(figures))
        return
    for key, value in figures.items():
        print(f"{key:18s} {json.dumps(value)}")


if __name__ == "__main__":
    main()
