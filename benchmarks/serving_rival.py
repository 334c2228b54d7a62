"""One robot at our server and at LeRobot's own with its SmolVLA, equal sizes, random weights, in turns.

    make serving-rival                                                    the environment, and this
    python benchmarks/serving_rival.py .venv-smolvla/bin/python [--size vision-heavy] [--rounds 6] [--requests 6]

An answer is timed at the client: from the observation to the chunk of 8 actions. CPU time counts all threads of a
server.
Both take as many threads as the process may use cores: `taskset -c 0` gives each server the same one.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent / "contenders"))

import psutil
from sizes import POLICIES

import serving

CONTENDER = Path(__file__).parent / "contenders" / "lerobot_server.py"


class Rival:
    """The contender's process, which starts LeRobot's server; both run in `folder`, where they keep their logs."""

    def __init__(self, python: Path, size: str, folder: Path) -> None:
        words = [python.absolute(), "-W", "ignore", CONTENDER.absolute(), size, serving.SIZE.vocabulary]
        command = list(map(str, words))
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
        self._process = subprocess.Popen(command, cwd=folder, **pipes)  # type: ignore[call-overload]
        self.facts: dict[str, Any] = json.loads(self._process.stdout.readline())
        (self.server,) = psutil.Process(self._process.pid).children()

    def ask(self, requests: int) -> list[float]:
        """Milliseconds of each request."""
        self._process.stdin.write(f"{requests}\n")
        self._process.stdin.flush()
        times: list[float] = json.loads(self._process.stdout.readline())
        return times

    def end(self) -> None:
        self._process.stdin.close()
        self._process.wait(60)


def figures(times: list[float], cpu_ms: list[float]) -> dict[str, float]:
    return {f"p{percent}_ms": round(serving.percentile(times, percent), 1) for percent in (50, 95)} | {
        "server_cpu_ms": round(statistics.median(cpu_ms), 1)
    }


def compare(url: str, ours: psutil.Process, rival: Rival, rounds: int, requests: int) -> dict[str, Any]:
    asks = {
        "polymath": (ours, lambda: [total for total, _ in serving.ask(url, requests)]),
        "lerobot": (rival.server, lambda: rival.ask(requests)),
    }
    times: dict[str, list[float]] = {name: [] for name in asks}
    cpu: dict[str, list[float]] = {name: [] for name in asks}
    for number in range(rounds + 1):
        for name, (process, ask) in asks.items():
            begin = serving.cpu_seconds(process)
            answers = ask()
            if number:  # the first round warms up
                times[name] += answers
                cpu[name].append((serving.cpu_seconds(process) - begin) * 1e3 / requests)
    table = {name: figures(times[name], cpu[name]) for name in asks}
    ratios = {key: round(table["polymath"][key] / table["lerobot"][key], 2) for key in table["polymath"]}
    return table | {"polymath over lerobot": ratios}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("python", type=Path, help="of an environment with lerobot[dataset,smolvla,grpcio-dep]==0.6.1")
    parser.add_argument("--size", default="vision-heavy", choices=POLICIES)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--requests", type=int, default=6)
    options = parser.parse_args()
    serving.SIZE = replace(POLICIES[options.size], vocabulary=serving.SIZE.vocabulary)
    with tempfile.TemporaryDirectory() as name:
        parameters = serving.write_run(Path(name) / "run")
        rival = Rival(options.python, options.size, Path(name))
        try:
            with serving.serving(Path(name) / "run", Path(name) / "compiled", (1,)) as (url, _, process):
                table = compare(url, process, rival, options.rounds, options.requests)
        finally:
            rival.end()
    table |= {"parameters": {"polymath": parameters, "lerobot": rival.facts["parameters"]}}
    table |= {"versions": rival.facts["versions"], "processor": serving.processor()}
    table |= {"cores": len(os.sched_getaffinity(0))}
    for key, value in table.items():
        print(f"{key:24s} {json.dumps(value)}")


if __name__ == "__main__":
    main()
