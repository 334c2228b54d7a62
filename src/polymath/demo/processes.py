"""Running `polymath` commands as processes, side by side, with the time and memory that they took."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

from polymath.errors import PolymathError

SAMPLE_SECONDS = 0.5

KEEP_MEMORY = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(8 * 2**30),
    "MALLOC_TOP_PAD_": str(2**28),
}
"""glibc keeps freed memory: XLA's CPU backend asks for its working memory anew in every step, and without this the
kernel clears the same pages again each time, a quarter of a small model's step.
"""


@dataclass(frozen=True)
class Usage:
    """Wall and CPU seconds of a group of processes, and the largest sum of their resident memory, in bytes."""

    wall_seconds: float
    cpu_seconds: float
    peak_memory: int


def run_together(commands: Sequence[Sequence[str]]) -> Usage:
    """Run `polymath` commands at the same time; several of them get one core each, a single one gets all.

    Raises PolymathError naming the command that failed; the others are stopped. Ctrl-C reaches all of them.
    """
    started, cpu = time.monotonic(), _children_cpu()
    with _peak_memory() as peak:
        processes = [_start(command, core) for command, core in zip(commands, _cores(len(commands)), strict=True)]
        try:
            _wait(processes, commands)
        except BaseException:
            _stop(processes)
            raise
    return Usage(time.monotonic() - started, _children_cpu() - cpu, max(peak))


def _start(command: Sequence[str], cores: set[int]) -> subprocess.Popen:
    argv = [sys.executable, "-m", "polymath.cli", *command]
    own = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)  # the child inherits it
    try:
        return subprocess.Popen(argv, env=KEEP_MEMORY | os.environ)
    finally:
        os.sched_setaffinity(0, own)


def _cores(commands: int) -> list[set[int]]:
    available = sorted(os.sched_getaffinity(0))
    if commands == 1:
        return [set(available)]
    return [{available[i % len(available)]} for i in range(commands)]


def _wait(processes: list[subprocess.Popen], commands: Sequence[Sequence[str]]) -> None:
    waiting = list(range(len(processes)))
    while waiting:
        for index in list(waiting):
            status = processes[index].poll()
            if status is None:
                continue
            waiting.remove(index)
            if status:
                raise PolymathError(
                    f"`polymath {' '.join(commands[index])}` ended with status {status}; its message stands above. "
                    "After mending the cause run the demo again: finished stages are kept"
                )
        time.sleep(0.05)


def _stop(processes: list[subprocess.Popen]) -> None:
    """Give every process the time to save (a Ctrl-C at the terminal has reached them already), then end it."""
    for process in processes:
        if process.poll() is None:
            process.terminate()
    for process in processes:
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()


def _children_cpu() -> float:
    times = os.times()
    return times.children_user + times.children_system


@contextmanager
def _peak_memory() -> Iterator[list[int]]:
    """Samples of the summed resident memory of all descendants; shared pages count once for each process."""
    samples, done = [0], threading.Event()

    def sample() -> None:
        while not done.wait(SAMPLE_SECONDS):
            samples.append(sum(_resident(process) for process in psutil.Process().children(recursive=True)))

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield samples
    finally:
        done.set()
        thread.join()


def _resident(process: psutil.Process) -> int:
    try:
        return process.memory_info().rss
    except psutil.Error:  # it has ended meanwhile
        return 0
