"""One training at a time in a run directory, and nothing left behind of one that failed before its first checkpoint.

RUN/.training holds process id and host while a training has the directory; the lock is the kernel's (flock), so it ends
with the process, however that ends.
"""

import fcntl
import os
import shutil
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from polymath.errors import ConfigError
from polymath.files import check_local
from polymath.interrupts import cleaned_up
from polymath.training.checkpoints import has_checkpoint
from polymath.training.processes import is_first
from polymath.training.recipe import PHASES

LOCK = ".training"
OWN = (
    "changes.jsonl",
    "checkpoints",
    "config.json",
    "control_tokens.json",
    "data.json",
    "embodiment.json",
    "episodes.json",
    "example_batch.safetensors",
    "loader",
    "metrics.jsonl",
    "quarantine",
    "robots.json",
    "start.json",
    "statistics.json",
    "tensorboard",
    "tokenizer.json",
)
"""What a training writes before its first checkpoint, see `training.run`."""


@contextmanager
def claimed(out: Path, sets: Sequence[Path] = ()) -> Iterator[None]:
    """Hold the run directory `out`, which is made if it is missing.

    What a training wrote into it is removed again on an exception, and on a signal that ends the process at once,
    before its first checkpoint. `sets`: folders of the data. Raises ConfigError for a directory that is no run's, that
    lies in a data set, or that another training holds.
    """
    out = Path(out)
    check_place(out, sets)
    if not is_first():
        yield
        return
    made = not out.exists()
    lock = _lock(out)

    def release() -> None:
        if not has_trained(out):
            clear(out)
        (out / LOCK).unlink(missing_ok=True)
        if made and not any(out.iterdir()):
            out.rmdir()

    try:
        with cleaned_up(release):
            yield
    finally:
        release()
        os.close(lock)


def check_place(out: Path, sets: Sequence[Path]) -> None:
    """Raise ConfigError unless `out` is missing, empty or a run directory, and outside the folders of the data."""
    check_local("--out", out)
    if not out.is_dir():
        if out.exists() or out.is_symlink():
            raise ConfigError(f"--out {out}: is a file, not a directory; name a directory of its own for the run")
    elif not (out / "config.json").is_file():
        others = sorted(path.name for path in out.iterdir() if path.name not in (*OWN, LOCK) and not _is_partial(path))
        if others:
            raise ConfigError(
                f"--out {out}: holds other files ({', '.join(others[:4])}{', …' if others[4:] else ''}) and no run; "
                "name a new or an empty directory"
            )
    for place in sets:
        if place.is_dir() and out.resolve().is_relative_to(place.resolve()):
            raise ConfigError(f"--out {out}: lies in the data set {place}; name a directory outside of it")


def has_trained(out: Path) -> bool:
    """Whether the directory has a finished checkpoint of any phase."""
    return any(has_checkpoint(Path(out) / "checkpoints" / phase) for phase in PHASES)


def clear(out: Path) -> None:
    """Remove what a training that has not come to its first checkpoint left in `out`."""
    for name in OWN:
        path = Path(out) / name
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _is_partial(path: Path) -> bool:
    """A temporary sibling of `polymath.files`, left by a process that was killed."""
    return path.name.startswith(".") and path.name.endswith(".partial")


def _lock(out: Path) -> int:
    """The descriptor of the locked file. Raises ConfigError naming the process that holds it."""
    while True:
        try:
            out.mkdir(parents=True, exist_ok=True)
            lock = os.open(out / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise ConfigError(f"--out {out}: cannot be written ({error.strerror}); choose another directory") from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(lock, 200).decode(errors="replace").strip() or "another process"
            os.close(lock)
            raise ConfigError(
                f"--out {out}: {holder} trains there; wait for its end, stop it, or name another directory"
            ) from None
        if (out / LOCK).exists() and os.fstat(lock).st_ino == (out / LOCK).stat().st_ino:
            os.ftruncate(lock, 0)
            os.write(lock, f"process {os.getpid()} on {socket.gethostname()}\n".encode())
            return lock
        os.close(lock)  # its former holder removed the file between the two calls
