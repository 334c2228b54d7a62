"""How smoothly a served policy moves an arm when its answers come late: Meta-World over a real WebSocket.

    python examples/real_time_chunking.py --run RUN --out runs/rtc          (`make rtc` trains the run first)

`polymath serve` answers in a process of its own; the client asks it as a robot does, and an answer is looked at only
LATENCY of simulated time after it was asked for, while the simulator goes on at 20 Hz. So a slow machine gives the same
numbers as a fast one. Three ways to execute the chunks:

    replay        the new chunk is taken from the action that is due (naive switching)
    ensembling    the mean of all chunks that cover the moment
    real time     the actions that are due meanwhile are committed, the chunk continues them

Measured on the executed translation (dx, dy, dz in [-1, 1], 1 is 10 mm a simulation step): the jump is the largest
component of |a[t] - a[t-1]|, at the first action after an answer (seam) and everywhere else (inside a chunk), jerk is
|a[t+1] - 2 a[t] + a[t-1]|. The table shows the 95th percentile and the largest.
"""

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from polymath.benchmarks.metaworld.seeds import EVALUATION
from polymath.benchmarks.metaworld.simulator import Simulator
from polymath.demo.settings import DemoSettings
from polymath_client import ChunkReplay, Connection, RealTimeChunking, Reply, Request, TemporalEnsembling, Watchdog

TICK_MS = 50
WAYS = ("replay", "ensembling", "real time")
COLOURS = {"replay": "#c0392b", "ensembling": "#d68910", "real time": "#1f6f8b"}


class Delayed:
    """An inference whose answers are seen `ticks` control ticks after they were asked for."""

    def __init__(self, connection: Connection, ticks: int) -> None:
        self._connection, self._ticks = connection, ticks
        self._reply: Reply | None = None
        self._due = self.now = self.arrived = 0

    @property
    def busy(self) -> bool:
        return self._reply is not None

    def submit(self, request: Request) -> None:
        self._reply, self._due = self._connection.infer(request), self.now + self._ticks

    def poll(self) -> Reply | None:
        if self._reply is None or self.now < self._due:
            return None
        reply, self._reply = self._reply, None
        self.arrived += 1
        return reply


class Episode(NamedTuple):
    """success; actions [n, 3] that moved the arm; seams [n]: whether an answer had arrived just before."""

    success: bool
    actions: np.ndarray
    seams: np.ndarray


def main() -> None:
    parser = argparse.ArgumentParser(description="Latency study of three ways to execute chunks.")
    parser.add_argument("--run", type=Path, required=True, help="trained with robot.committed above 0")
    parser.add_argument("--out", type=Path, default=Path("runs/rtc"))
    parser.add_argument("--episodes", type=int, default=1, help="of each task, latency and way")
    parser.add_argument("--latencies", type=int, nargs="+", default=[0, 100, 200, 400], help="milliseconds")
    parser.add_argument("--execute", type=int, default=4, help="actions before the next chunk is asked for")
    options = parser.parse_args()
    most = json.loads((options.run / "config.json").read_text())["robot"]["committed"]
    rows: list[dict[str, Any]] = []
    options.out.mkdir(parents=True, exist_ok=True)
    with served(options.run) as url, Connection(url) as connection:
        simulator = Simulator()
        for latency in options.latencies:
            for way in WAYS:
                inference = Delayed(connection, latency // TICK_MS)
                chunks = {
                    "replay": lambda inference=inference: ChunkReplay(inference, options.execute),
                    "ensembling": lambda inference=inference: TemporalEnsembling(inference),
                    "real time": lambda inference=inference: RealTimeChunking(inference, options.execute, most),
                }[way]()
                watchdog = Watchdog("pose delta", width=4, gripper_dims=[3])  # Meta-World's dx, dy, dz, gripper
                episodes = [
                    play(simulator, chunks, watchdog, inference, task, seed)
                    for task in DemoSettings().tasks
                    for seed in EVALUATION[: options.episodes]
                ]
                rows.append({"latency_ms": latency, "way": way, **measured(episodes)})
                print(line(rows[-1]), flush=True)
                (options.out / "rtc.json").write_text(json.dumps(rows, indent=1) + "\n")
    (options.out / "rtc.svg").write_text(figure(rows))
    print(options.out / "rtc.json", options.out / "rtc.svg", sep="\n")


def play(simulator: Simulator, chunks: Any, watchdog: Watchdog, inference: Delayed, task: str, seed: int) -> Episode:
    """One episode at 20 Hz; where no action is there the watchdog holds the arm."""
    simulator.reset(task, "train", seed)
    chunks.reset()
    watchdog.reset()
    actions, seams, result, waiting = [], [], None, False
    while result is None or not result.done:
        before = inference.arrived
        action = chunks.step(Lazily(simulator))
        waiting = waiting or inference.arrived > before
        if action is not None:
            actions.append(np.clip(action[:3], -1, 1))
            seams.append(waiting)
            waiting = False
        result = simulator.step(watchdog.filter(action))  # type: ignore[arg-type]
        inference.now += 1
    return Episode(result.success, np.array(actions).reshape(-1, 3), np.array(seams, bool))


class Lazily(Mapping[str, Any]):
    """The observation as the server takes it; its picture is drawn only when it is sent."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

    @cached_property
    def _message(self) -> dict[str, Any]:
        seen = self._simulator.observe()
        return {"images": seen.images, "state": seen.state, "prompt": seen.instruction}

    def __getitem__(self, key: str) -> Any:
        return self._message[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._message)

    def __len__(self) -> int:
        return len(self._message)


def measured(episodes: list[Episode]) -> dict[str, float]:
    """Success, and jumps and jerk over all episodes."""
    inside, seam, jerk = [], [], []
    for episode in episodes:
        jumps = np.abs(np.diff(episode.actions, axis=0)).max(axis=1, initial=0.0)
        seam += jumps[episode.seams[1:]].tolist()
        inside += jumps[~episode.seams[1:]].tolist()
        jerk += np.abs(np.diff(episode.actions, 2, axis=0)).max(axis=1, initial=0.0).tolist()
    numbers = {"episodes": len(episodes), "success": float(np.mean([episode.success for episode in episodes]))}
    for name, values in (("inside", inside), ("seam", seam), ("jerk", jerk)):
        values = values or [0.0]  # ensembling without latency: every action follows an answer
        numbers |= {f"{name}_p95": float(np.percentile(values, 95)), f"{name}_max": float(np.max(values))}
    return numbers


def line(row: dict[str, Any]) -> str:
    """A row of the table in the documentation."""
    pairs = " | ".join(f"{row[f'{name}_p95']:.2f} / {row[f'{name}_max']:.2f}" for name in ("seam", "inside", "jerk"))
    return f"| {row['latency_ms']} ms | {row['way']} | {pairs} | {row['success']:.0%} |"


def figure(rows: list[dict[str, Any]]) -> str:
    """The 95th percentile of the jump at the seam over the latency, dashed the one inside a chunk."""
    latencies = sorted({row["latency_ms"] for row in rows})
    top = max(row["seam_p95"] for row in rows) * 1.1
    x = {latency: 60 + 480 * i / max(len(latencies) - 1, 1) for i, latency in enumerate(latencies)}
    parts = [f'<text x="{x[latency]}" y="290" text-anchor="middle">{latency} ms</text>' for latency in latencies]
    parts += [
        f'<text x="50" y="{264 - 220 * v / top:.0f}" text-anchor="end">{v:.1f}</text>' for v in np.arange(0, top, 0.2)
    ]
    for number, way in enumerate(WAYS):
        for name, dash in (("seam_p95", ""), ("inside_p95", ' stroke-dasharray="4 4"')):
            points = " ".join(
                f"{x[row['latency_ms']]:.0f},{260 - 220 * row[name] / top:.1f}" for row in rows if row["way"] == way
            )
            parts.append(f'<polyline points="{points}" fill="none" stroke="{COLOURS[way]}" stroke-width="2"{dash}/>')
        parts.append(f'<text x="{60 + 170 * number}" y="22" fill="{COLOURS[way]}">{way}</text>')
    parts.append('<text x="400" y="22" fill="#555">dashed: inside a chunk</text>')
    head = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 580 300" font-family="sans-serif" font-size="13">'
    return f'{head}<rect width="580" height="300" fill="#fff"/>{"".join(parts)}</svg>\n'


@contextmanager
def served(run: Path) -> Iterator[str]:
    """The address of `polymath serve RUN` in a process of its own."""
    program = Path(sys.executable).with_name("polymath")
    command = [str(program), "serve", str(run), "--port", "0", "--rows", "1", "--max-latency", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=dict(os.environ)) as server:
        assert server.stderr is not None
        try:
            for text in server.stderr:
                match = re.search(r"ws://127\.0\.0\.1:\d+", text)
                if match and '"ready"' in text:
                    break
            else:
                raise SystemExit(f"polymath serve {run} ended before it was ready")
            yield match[0]
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
