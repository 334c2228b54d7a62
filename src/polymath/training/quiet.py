"""What the checkpoint library says on the side when a file is damaged or a disk is full, reduced to one error."""

import errno
import gc
import logging
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FULL = ("No space left on device", "Disk quota exceeded")
SETTLE_SECONDS = 0.2  # reads that are under way report to the loop that their sister's error has closed


@contextmanager
def no_library_log() -> Iterator[None]:
    """Orbax and asyncio log with a traceback what is then raised."""
    loggers = [logging.getLogger(name) for name in ("absl", "asyncio")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def quiet_threads() -> Iterator[None]:
    """Threads and abandoned coroutines of a failed read print no traceback; the error itself is raised as ever."""
    hooks = sys.excepthook, sys.unraisablehook, threading.excepthook
    sys.excepthook, sys.unraisablehook, threading.excepthook = _ignore, _ignore, _ignore
    try:
        yield
    except Exception as error:
        error.__traceback__ = None  # it holds the coroutines, whose end is otherwise logged when it is freed
        time.sleep(SETTLE_SECONDS)
        gc.collect()
        raise
    finally:
        sys.excepthook, sys.unraisablehook, threading.excepthook = hooks


@contextmanager
def full_disk_errors(path: Path) -> Iterator[None]:
    """Raise the library's errors about a full disk, which are ValueErrors with a text, as OSError with their number."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:  # tensorstore raises ValueError, orbax's threads hand on whatever they met
        if not any(text in str(error) for text in FULL):
            raise
        raise OSError(errno.ENOSPC, "no space left on device", str(path)) from error


def _ignore(*_: object) -> None:
    pass
