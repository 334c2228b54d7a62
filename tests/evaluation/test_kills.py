"""Workers and evaluators that are killed or hang: the results are those of an undisturbed run, each episode once."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

from polymath.evaluation.baselines import RandomPolicy
from polymath.evaluation.rollout import EpisodeKey, run_episodes
from polymath.workers.pool import WorkerCommand, WorkerPool

KEYS = [EpisodeKey("a", "seen", seed) for seed in range(24)]


def episodes(command: WorkerCommand, workers: int, after=lambda count: None, timeout: float = 120) -> list[tuple]:
    """(key, success, steps, frames) of each episode; `after` is called with the number of those that have ended."""
    rows: list[tuple] = []

    def keep(result, frames: np.ndarray) -> None:
        rows.append((result.key, result.success, result.steps, result.score, frames.tobytes()))
        after(len(rows))

    with WorkerPool(command, workers, timeout=timeout) as pool:
        run_episodes(RandomPolicy(2, 4), pool, KEYS, 2, keep, record=lambda key: key.seed % 5 == 0)
    return sorted(rows)


def point_workers() -> list[psutil.Process]:
    """Those that run; of a killed one, which its parent has not waited for yet, no command line can be read."""
    return [child for child in psutil.Process().children() if _is_point_worker(child)]


def _is_point_worker(child: psutil.Process) -> bool:
    try:
        return "point_worker" in " ".join(child.cmdline())
    except psutil.NoSuchProcess:  # or a zombie
        return False


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_that_are_killed_change_nothing(point_worker, workers) -> None:
    killed = []

    def kill(count: int) -> None:
        if count in (3, 11):
            killed.append(point_workers()[0].pid)
            os.kill(killed[-1], signal.SIGKILL)

    undisturbed = episodes(point_worker(3), workers)
    assert len(undisturbed) == len(KEYS)
    assert episodes(point_worker(3), workers, after=kill) == undisturbed
    assert len(set(killed)) == 2


@pytest.mark.parametrize("fault", ["hang", "die", "print"])
def test_a_worker_that_hangs_or_dies_once_changes_nothing(point_worker, tmp_path, fault) -> None:
    marker = tmp_path / "happened"
    command = point_worker(3)
    faulty = replace(command, arguments=("3", fault, str(marker)))
    assert episodes(faulty, 2, timeout=5) == episodes(command, 2)
    assert marker.exists()


def test_a_stopped_process_is_replaced(point_worker, caplog) -> None:
    """SIGSTOP: the process exists, but does nothing, as behind a dead network file system."""

    def stop(count: int) -> None:
        if count == 2:
            os.kill(point_workers()[0].pid, signal.SIGSTOP)

    assert episodes(point_worker(3), 2, after=stop, timeout=5) == episodes(point_worker(3), 1)
    assert "for 5 s; it is started anew" in caplog.text


def test_an_evaluator_that_is_killed_goes_on_where_it_was(example_plugin: Path, tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(example_plugin)}

    def command(out: Path) -> list[str]:
        options = ("--episodes", "300", "--workers", "2", "--policy", "sees_the_mark", "--out", str(out), "--json")
        return [sys.executable, "-m", "polymath.cli", "eval", "cart", *options]

    def run(out: Path) -> dict:
        done = subprocess.run(command(out), env=environment, capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    undisturbed = run(tmp_path / "undisturbed")
    out = tmp_path / "killed"
    log = out / "episodes" / "sees_the_mark.jsonl"
    process = subprocess.Popen(command(out), env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while process.poll() is None and (not log.exists() or log.read_text().count("\n") < 20):
        time.sleep(0.01)
    process.kill()
    process.communicate()
    lines = log.read_text().count("\n")
    assert 20 <= lines < 300
    with log.open("a") as file:
        file.write('{"task": "mark", "spl')  # a line that was cut short
    assert run(out) == undisturbed
    rows = [json.loads(line) for line in log.read_text().splitlines()[1:]]
    assert len(rows) == len({row["seed"] for row in rows}) == 300
    assert (out / "results.json").read_text() == (tmp_path / "undisturbed" / "results.json").read_text()
