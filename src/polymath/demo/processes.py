"""One `polymath` command as a process on cores of its own, with the time and memory that it took."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from polymath.errors import PolymathError

KEEP_MEMORY = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(8 * 2**30),
    "MALLOC_TOP_PAD_": str(2**28),
}
"""glibc keeps freed memory: XLA's CPU backend allocates its working memory again in every step, and without this the
kernel clears the same pages again each time, a quarter of a small model's step.
"""


@dataclass(frozen=True)
class Usage:
    """Wall and CPU seconds of a process with all its descendants, and the largest sum of their memory, in bytes."""

    wall_seconds: float
    cpu_seconds: float
    peak_memory: int


class Running:
    """A `polymath` command under way; compiled programs are kept in `cache` for the commands after it."""

    def __init__(self, command: Sequence[str], cores: frozenset[int], cache: Path) -> None:
        self.cores = cores
        self._command, self._started, self._peak = command, time.monotonic(), 0
        environment = KEEP_MEMORY | {"JAX_COMPILATION_CACHE_DIR": str(cache)} | os.environ
        own = os.sched_getaffinity(0)
        os.sched_setaffinity(0, cores)  # the child inherits it
        try:
            self._process = subprocess.Popen([sys.executable, "-m", "polymath.cli", *command], env=environment)
        finally:
            os.sched_setaffinity(0, own)

    def usage(self) -> Usage | None:
        """None until the command has ended. Raises PolymathError naming the command if it failed."""
        pid, status, used = os.wait4(self._process.pid, os.WNOHANG)
        if not pid:
            return None
        self._process.returncode = os.waitstatus_to_exitcode(status)
        if code := self._process.returncode:
            raise PolymathError(
                f"`polymath {' '.join(self._command)}` ended with status {code}; its message stands above. "
                "Correct the cause and run the demo again: finished stages are kept"
            )
        return Usage(time.monotonic() - self._started, used.ru_utime + used.ru_stime, self._peak)

    def sample_memory(self) -> int:
        """Resident bytes of the process and its descendants now; shared pages count once for each of them."""
        try:
            process = psutil.Process(self._process.pid)
            resident = sum(map(_resident, [process, *process.children(recursive=True)]))
        except psutil.NoSuchProcess:  # it has ended meanwhile
            resident = 0
        self._peak = max(self._peak, resident)
        return resident

    def ask_to_stop(self) -> None:
        """Let it save; a Ctrl-C at the terminal has reached it already."""
        if self._process.returncode is None:
            self._process.terminate()

    def stop(self, seconds: float = 30) -> None:
        """End it if it does not end by itself within `seconds`."""
        try:
            self._process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()


def _resident(process: psutil.Process) -> int:
    try:
        return process.memory_info().rss
    except psutil.Error:
        return 0
