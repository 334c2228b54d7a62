"""Eight robots at a server, one of them killed every ten seconds: `make soak-serving`. One verdict line, exit status.

    python tests/oracles/soak_serving.py [--minutes 30] [--robots 8] [--kill-every 10]

Each robot is a process that runs episode after episode, with a history, and checks every answer; a killed one is
replaced at once. The server must answer the others all the time, forget the dead, keep its memory bounded, and end
with status 0.
"""

import argparse
import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.oracles.serving_process import ServerProcess, clock, serving
from tests.serving.conftest import write_runs

MOST_GROWTH, MOST_DRIFT = 256.0, 32.0  # MiB above the first sample; from the middle third to the last one
ROBOT = Path(__file__).with_name("serving_robot.py")


class Robots:
    """The processes; `answers` and `faults` of all, the dead included."""

    def __init__(self, url: str, count: int) -> None:
        self._url, self._seeds = url, iter(range(10**9))
        self.answers, self.faults, self.killed = 0, [], 0  # type: tuple[int, list[str], int]
        self._alive = [self._start() for _ in range(count)]

    def _start(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-W", "ignore", str(ROBOT), self._url, str(next(self._seeds))]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def kill_one(self) -> None:
        """The oldest goes without a word, another one comes."""
        self._alive.append(self._start())
        self._end(self._alive.pop(0), signal.SIGKILL)
        self.killed += 1

    def end(self) -> None:
        for process in self._alive:
            self._end(process, signal.SIGKILL)
        self._alive.clear()

    def ended_early(self) -> Iterator[str]:
        """What each robot that stopped by itself wrote last."""
        for process in list(self._alive):
            if process.poll() is not None:
                yield process.communicate()[1][-500:]
                self._alive[self._alive.index(process)] = self._start()

    def _end(self, process: subprocess.Popen[str], number: signal.Signals) -> None:
        process.send_signal(number)
        for line in process.communicate()[0].splitlines(keepends=True):
            entry = json.loads(line) if line.endswith("\n") else {}
            self.answers += entry.get("answers", 0)
            self.faults += [entry["fault"]] if "fault" in entry else []


def soak(server: ServerProcess, minutes: float, count: int, kill_every: float) -> tuple[Robots, list[str]]:
    """The robots, ended, and what went wrong."""
    robots, faults, next_kill = Robots(server.url, count), [], kill_every
    for gone in clock(minutes):
        signal.sigtimedwait([], 1.0)
        faults += robots.ended_early()
        if gone > next_kill:
            next_kill += kill_every
            robots.kill_one()
            server.look()
    robots.end()
    return robots, faults + robots.faults


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--robots", type=int, default=8)
    parser.add_argument("--kill-every", type=float, default=10.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run = write_runs(folder)["streaming"]
        with serving(run, folder, "--rows", "1", "8", "--max-tokens", "16", "--ping", "20") as server:
            server.look()
            robots, faults = soak(server, options.minutes, options.robots, options.kill_every)
            for _ in clock(0.5):
                if not server.metric("polymath_connections"):
                    break
                signal.sigtimedwait([], 0.2)
            if left := server.metric("polymath_connections"):
                faults.append(f"{left:.0f} connections of dead robots are still open after half a minute")
            if left := server.metric("polymath_sessions"):
                faults.append(f"{left:.0f} sessions of dead robots are still kept")
            growth, drift = server.growth()
            if growth > MOST_GROWTH or drift > MOST_DRIFT:
                faults.append(f"memory: {growth:.0f} MiB above the first sample, {drift:.0f} MiB in the last third")
            if status := server.stop():
                faults.append(f"exit status {status} after SIGTERM")
            faults += server.errors()
    for fault in faults[:20]:
        print(fault)
    print(
        f"soak-serving: {'FAIL' if faults or not robots.answers else 'PASS'}: {options.minutes:g} minutes, "
        f"{options.robots} robots, {robots.killed} killed, {robots.answers:,} answers, memory "
        f"{growth:+.0f} MiB, in the last third {drift:+.1f} MiB, {len(faults)} faults"
    )
    return 1 if faults or not robots.answers else 0


if __name__ == "__main__":
    raise SystemExit(main())
