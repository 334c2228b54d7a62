"""One simulator worker as a child process: started, spoken to, described when it fails, ended."""

import contextlib
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass

from polymath.errors import PolymathError
from polymath_worker.protocol import (
    VERSION,
    VERSION_VARIABLE,
    Close,
    Reply,
    Request,
    read_message,
    write_message,
)

_TAIL_BYTES = 2000

Inbox = queue.Queue[tuple["WorkerProcess", Reply | Exception | None]]


class WorkerError(PolymathError):
    """A worker died, hung, failed at a request or speaks another protocol."""


@dataclass(frozen=True)
class WorkerCommand:
    """How a worker is started: `python -m module arguments`, with the interpreter of the simulator's environment.

    `path` are folders that are added to the front of its PYTHONPATH, where `module` is found if it is not installed.
    """

    module: str
    arguments: tuple[str, ...] = ()
    python: str = sys.executable
    path: tuple[str, ...] = ()

    @property
    def argv(self) -> list[str]:
        return [self.python, "-m", self.module, *self.arguments]


def _environment(path: tuple[str, ...]) -> dict[str, str]:
    """Ours, the protocol's version, `path` in front of PYTHONPATH, and a setting of glibc.

    Freed blocks of a megabyte and more (old scenes) go back to the system.
    """
    environment = {"MALLOC_MMAP_THRESHOLD_": str(2**20)} | os.environ | {VERSION_VARIABLE: str(VERSION)}
    folders = [*path, *filter(None, [os.environ.get("PYTHONPATH")])]
    return environment | ({"PYTHONPATH": os.pathsep.join(folders)} if folders else {})


class WorkerProcess:
    """The child process; a thread puts (this object, message) into `inbox`, and (this object, None) at its end.

    Its stderr goes to a file, whose tail is shown if it fails. `pending` holds, per slot, when the request that has not
    been answered was sent, and its purpose; `heard` is when the worker was started or last spoke, `greeted` whether it
    has said hello.
    """

    def __init__(self, index: int, command: WorkerCommand, inbox: Inbox) -> None:
        self.index, self.name = index, f"worker {index} ({command.module})"
        self.pending: dict[int, tuple[float, str]] = {}
        self.heard, self.greeted = time.monotonic(), False
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `end`
        try:
            self._process = subprocess.Popen(
                command.argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._stderr,
                env=_environment(command.path),
                start_new_session=True,  # Ctrl-C reaches the evaluator alone, which then ends its workers
            )
        except OSError as error:
            self._stderr.close()
            raise WorkerError(f"{self.name}: cannot start {command.python!r}: {error.strerror}") from error
        self._reader = threading.Thread(target=self._read, args=(inbox,), name=self.name, daemon=True)
        self._reader.start()

    def send(self, request: Request, slot: int, purpose: str) -> None:
        """Send a request about `slot`. That the worker is gone is told by its end in the inbox."""
        self.pending[slot] = time.monotonic(), purpose
        with contextlib.suppress(BrokenPipeError, ValueError):
            write_message(self._process.stdin, request)  # type: ignore[arg-type]

    def ended(self, otherwise: str = "closed its output but still runs") -> WorkerError:
        """The error for a worker whose output has ended or makes no sense; `otherwise` if the process lives on."""
        try:
            status = self._process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            return self.error(otherwise)
        how = f"killed by {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
        during = next((f" during {purpose}" for _, purpose in sorted(self.pending.values())), "")
        return self.error(f"died ({how}){during}")

    def error(self, problem: str) -> WorkerError:
        """WorkerError with the worker's name and the end of what it wrote to stderr."""
        self._stderr.seek(max(0, self._stderr.seek(0, 2) - _TAIL_BYTES))
        tail = self._stderr.read().decode(errors="replace").strip()
        return WorkerError(f"{self.name} {problem}\n{tail or '(it wrote nothing to stderr)'}")

    def kill(self) -> None:
        """End it and all that it has started at once; `end` still releases everything."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)  # it leads its own session

    def ask_to_exit(self) -> None:
        """Tell the worker to exit, which it may have done already."""
        with contextlib.suppress(BrokenPipeError, ValueError):
            write_message(self._process.stdin, Close())  # type: ignore[arg-type]
            self._process.stdin.close()  # type: ignore[union-attr]

    def end(self, deadline: float) -> None:
        """Wait for the exit until `time.monotonic()` is `deadline`, then kill; release everything."""
        try:
            self._process.wait(timeout=max(0.01, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.kill()
            self._process.wait()
        self._reader.join(timeout=5)
        self._process.stdout.close()  # type: ignore[union-attr]
        self._stderr.close()

    def _read(self, inbox: Inbox) -> None:
        message: Reply | Exception | None
        try:
            while (message := read_message(self._process.stdout)) is not None:  # type: ignore[arg-type,assignment]
                inbox.put((self, message))
        except Exception as error:  # the pool raises it
            inbox.put((self, error))
        inbox.put((self, None))
