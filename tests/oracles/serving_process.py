"""A `polymath serve` of a tiny run in a process of its own, watched from outside: memory, health, exit status."""

import contextlib
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil

PATIENCE = 600.0  # seconds to compile, on a busy machine


class ServerProcess:
    """`url` once it is ready; `resident` are the samples that `look` has taken, in bytes."""

    def __init__(self, run: Path, folder: Path, *options: str) -> None:
        command = [Path(sys.executable).with_name("polymath"), "serve", f"tiny={run}", "--port", "0", *options]
        self.log = folder / "server.jsonl"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [*map(str, command), "--log-level", "error"], stdout=subprocess.PIPE, stderr=log, text=True
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line.startswith("serving at "):
            raise SystemExit(f"the server did not start: {self.log.read_text()[-2000:]}")
        self.url = line.split()[-1]
        self.http = self.url.replace("ws", "http", 1)
        self._process = psutil.Process(self.process.pid)
        self.resident: list[int] = []

    def look(self) -> None:
        """Take a sample of its memory and ask for its health. Raises SystemExit if it is not healthy."""
        with urllib.request.urlopen(f"{self.http}/healthz", timeout=60) as reply:
            if reply.read() != b"OK\n":
                raise SystemExit("/healthz does not say OK")
        self.resident.append(self._process.memory_info().rss)

    def metric(self, name: str) -> float:
        """The sum of a metric over its labels."""
        with urllib.request.urlopen(f"{self.http}/metrics", timeout=60) as reply:
            lines = reply.read().decode().splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.partition("{")[0].split(" ")[0] == name)

    def errors(self) -> list[str]:
        """What it logged as its own fault; that a request is no HTTP is a warning of the library's."""
        lines = self.log.read_text().splitlines()
        return [line for line in lines if '"level": "warning"' not in line][:20]

    def growth(self) -> tuple[float, float]:
        """MiB that the largest sample lies above the first, and that the last third lies above the middle third."""
        samples = [each / 2**20 for each in self.resident]
        third = max(len(samples) // 3, 1)
        middle, last = samples[third : 2 * third] or samples, samples[-third:]
        return max(samples) - samples[0], sum(last) / len(last) - sum(middle) / len(middle)

    def stop(self) -> int:
        """The exit status after SIGTERM."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(120)


@contextlib.contextmanager
def serving(run: Path, folder: Path, *options: str) -> Iterator[ServerProcess]:
    server = ServerProcess(run, folder, *options)
    try:
        yield server
    finally:
        server.process.kill()
        server.process.wait()


def clock(minutes: float) -> Iterator[float]:
    """Seconds gone, until the minutes are over."""
    begin = time.monotonic()
    while (gone := time.monotonic() - begin) < 60 * minutes:
        yield gone
