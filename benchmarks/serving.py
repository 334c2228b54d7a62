"""What serving costs: one run, one machine, random weights, a policy of 30 M parameters with one 224-pixel camera.

    python benchmarks/serving.py [--requests 60] [--rounds 4] [--robots 8] [--json]

overhead    one robot: from the message to the reply, less the pass of the model that the reply names, pair by pair
robots      several at once against one at a time, in turns: answers a second, and how long the slowest wait
streaming   an answer after 8 earlier observations, from the cache against the whole window again, in turns
cold start  from the command to the first robot, with an empty folder of compiled programs and with a full one

Ratios are of neighbours in time, so that what else the machine does falls on both sides.
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
from typing import Any

sys.path.insert(0, str(Path(__file__).parent / "contenders"))

import jax
import jax.numpy as jnp
import numpy as np
import polymath_policy as contender
from sizes import POLICIES
from websockets.sync.client import connect

from polymath import config
from polymath import specs as weights
from polymath.data.robots.statistics import Statistics
from polymath.model import polymath_v
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
def serving(run: Path, compiled: Path, rows: tuple[int, ...]) -> Iterator[tuple[str, float]]:
    """A server process: its address, and the seconds from the command until it was ready."""
    command = [Path(sys.executable).with_name("polymath"), "serve", run, "--port", "0", "--compiled", compiled]
    command += ["--rows", *rows, "--max-tokens", "16", "--log-level", "error", "--max-rate", "100000"]
    environment = {name: value for name, value in os.environ.items() if name != CACHE_VARIABLE}
    begin = time.perf_counter()
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line.startswith("serving at "), line
        yield line.split()[-1], time.perf_counter() - begin
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


def together(url: str, robots: int, requests: int) -> tuple[float, list[float]]:
    """Answers a second of so many robots at once, and the milliseconds of each request."""
    times: list[float] = []
    threads = [threading.Thread(target=lambda: times.extend(t for t, _ in ask(url, requests))) for _ in range(robots)]
    begin = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return robots * requests / (time.perf_counter() - begin), times


def percentile(values: list[float], percent: float) -> float:
    return float(np.percentile(values, percent))


def served(run: Path, compiled: Path, requests: int, rounds: int, robots: int) -> dict[str, Any]:
    with serving(run, compiled, (1, robots)) as (url, _):
        ask(url, 3)
        one = ask(url, requests)
        ratios, slow = [], []
        for _ in range(rounds):
            alone, _ = together(url, 1, 2 * robots)
            several, times = together(url, robots, max(requests // robots, 4))
            ratios.append(several / alone)
            slow += times
    overhead = [total - infer for total, infer in one]
    totals = [total for total, _ in one]
    return {
        "overhead_ms": {"p50": percentile(overhead, 50), "p95": percentile(overhead, 95)},
        "one_robot_ms": {"p50": percentile(totals, 50), "p95": percentile(totals, 95)},
        "model_ms": {"p50": percentile([infer for _, infer in one], 50)},
        "throughput_ratio": statistics.median(ratios),
        "robots_ms": {"p50": percentile(slow, 50), "p99": percentile(slow, 99)},
        "p99_over_p50": percentile(slow, 99) / percentile(slow, 50),
    }


def cold_starts(run: Path, folder: Path, rounds: int, robots: int) -> dict[str, float]:
    cold, warm = [], []
    for number in range(rounds):
        for seconds in (cold, warm):
            with serving(run, folder / f"compiled-{number}", (1, robots)) as (_, ready):
                seconds.append(ready)
    ratios = [slow / fast for slow, fast in zip(cold, warm, strict=True)]
    medians = statistics.median(cold), statistics.median(warm), statistics.median(ratios)
    return dict(zip(("cold_s", "cached_s", "ratio"), medians, strict=True))


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
