"""Checks of the places that a preparation reads from and writes to, before and between its runs."""

import errno
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from polymath.data.files.paths import is_local
from polymath.data.formats.opening import named_twice, parse
from polymath.errors import ConfigError
from polymath.files import atomic_write

NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)  # file systems without them


@contextmanager
def sole_use(out: Path) -> Iterator[None]:
    """Create `out` if it is missing and lock it against other preparations; a kill releases the lock.

    Raises ConfigError if it cannot be created or written, or if another preparation writes there.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(out, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise ConfigError(f"{out}: cannot be made or opened ({error.strerror}); choose another --out") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in NO_LOCKS:
            os.close(descriptor)
            raise ConfigError(
                f"{out}: another `polymath data prepare` is writing there; wait until it ends, or choose another --out"
            ) from None
    try:
        yield
    finally:
        os.close(descriptor)


def check_writable(out: Path) -> None:
    """Raise ConfigError unless files can be created in `out`."""
    if not os.access(out, os.W_OK | os.X_OK):
        raise ConfigError(f"{out}: is not writable; choose another --out, or change its permissions")


def check_apart(out: Path, names: Sequence[str]) -> None:
    """Raise ConfigError if `out` lies in a source: its files would become rows."""
    for name in names:
        path = parse(name).path
        if is_local(path) and out.resolve().is_relative_to(path.resolve()):
            raise ConfigError(f"--out {out}: lies in the source {name}; choose a directory outside of it")


def check_once(names: Sequence[str]) -> None:
    """Raise ConfigError if two names are of one set: its rows would count twice, and its duplicates go unseen."""
    doubled = named_twice(names)
    if doubled is not None:
        raise ConfigError(
            f"{doubled}: is named twice; name it once, and to count it more, train with ?weight=2 behind its folder"
        )


def remember(out: Path, names: Sequence[str]) -> None:
    """Note in OUT/.work what the sources look like."""
    with atomic_write(_memory(out)) as temporary:
        temporary.write_text(json.dumps([fingerprint(name) for name in names]))


def check_unchanged(out: Path, names: Sequence[str]) -> None:
    """Raise ConfigError if a source's files are not those that `remember` saw."""
    if not _memory(out).is_file():
        raise ConfigError(f"{_memory(out)}: no such file; remove {out} and prepare the data set from the beginning")
    for name, former in zip(names, json.loads(_memory(out).read_text()), strict=True):
        if fingerprint(name) != former:
            raise ConfigError(
                f"{name}: its files changed since this preparation began; remove {out} and prepare it from the "
                "beginning"
            )


def fingerprint(name: str) -> str:
    """A hash of the paths, sizes and times of the files of a local source; empty for a URL, which is not looked at."""
    path = parse(name).path
    if not is_local(path):
        return ""
    digest = hashlib.blake2b(digest_size=16)
    for file in sorted(_files(path)):
        facts = os.stat(file)
        digest.update(
            f"{os.path.relpath(file, path)}\0{facts.st_size}\0{facts.st_mtime_ns}\n".encode("utf-8", "replace")
        )
    return digest.hexdigest()


def _files(path: Path) -> Iterator[str]:
    """The file itself, or every file below a directory; links that lead nowhere are left out."""
    if path.is_file():
        yield str(path)
    for folder, _, names in os.walk(path, followlinks=True):
        yield from (file for name in names if os.path.exists(file := os.path.join(folder, name)))


def _memory(out: Path) -> Path:
    return out / ".work" / "sources.json"
