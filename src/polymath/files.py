"""Writing to disk so that a crash, a full disk or Ctrl-C never leaves a half-written result behind."""

import errno
import fcntl
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from polymath.errors import ConfigError, PolymathError


def check_local(option: str, path: Path | str) -> None:
    """Raise ConfigError naming the option for the URL of an object store; a Path has lost one of its slashes."""
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", str(path)):
        raise ConfigError(
            f"{option} {path}: an object store; everything is written to local directories, so name one and copy it "
            "there when it is finished (data sets can be read from an object store)"
        )


@contextmanager
def atomic_directory(path: Path) -> Iterator[Path]:
    """Yield a temporary sibling of `path` to fill; on success it takes `path`'s name, on any exception it is removed.

    Raises PolymathError if `path` exists already or the disk is full.
    """
    path = Path(path)
    if path.exists():
        raise PolymathError(f"{path} exists already: choose another directory or remove it first")
    _make_parent(path)
    try:
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.partial")
        temporary.mkdir()  # with the mode of the umask, where tempfile.mkdtemp gives 0700
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise PolymathError(f"{path}: cannot be written ({reason}); choose a place where you may write") from None
    try:
        with disk_errors(path):
            yield temporary
            os.replace(temporary, path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary sibling file name to write; on success it replaces `path`, on any exception it is removed.

    Raises PolymathError if `path` is a directory, its parent none, or the disk is full.
    """
    path = Path(path)
    if path.is_dir():
        raise PolymathError(f"{path}: is a directory; name a file in it")
    _make_parent(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with disk_errors(path):
            yield temporary
            os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def one_at_a_time(directory: Path) -> Iterator[None]:
    """Wait until no other process is in this block for `directory`, which is created if missing; nothing is written."""
    Path(directory).mkdir(parents=True, exist_ok=True)
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn 'no space left' and 'quota exceeded' under `path` into a PolymathError with the remedy."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        free = shutil.disk_usage(_existing_parent(Path(path))).free
        raise PolymathError(
            f"{path}: the disk is full ({free / 1e6:.1f} MB free). Nothing half-written was kept; "
            "free some space or point --out at another disk, then run the same command again"
        ) from error


def _make_parent(path: Path) -> None:
    """The directory that `path` will stand in. Raises PolymathError where a file stands in its place, or for a URL."""
    check_local("writing to", path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise PolymathError(f"{path}: a parent of it is a file; choose another place") from None
    except PermissionError as error:
        raise PolymathError(f"{path}: cannot be written ({error.strerror}); choose another directory") from None


def one_line(error: BaseException, longest: int = 200) -> str:
    """The first line of a library's error message, or the name of its type if the message is empty."""
    lines = str(error).strip().splitlines()
    return lines[0][:longest] if lines else type(error).__name__


def _existing_parent(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path
