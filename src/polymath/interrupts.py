"""Ctrl-C and SIGTERM, which schedulers send, as one KeyboardInterrupt that cannot be lost.

Python raises it wherever the main thread stands. Where that is inside a callback of a C library, the library prints the
exception and continues; so the signal is remembered too, and long work checks for it between its steps.
"""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)
_arrived: list[int] = []


@contextmanager
def remembered_interrupts() -> Iterator[None]:
    """In this block both signals raise KeyboardInterrupt and are remembered; one that was ignored stays ignored.

    One whose exception is lost in a callback is not reported there: `check_interrupted` answers it.
    """
    _arrived.clear()
    report = sys.unraisablehook
    sys.unraisablehook = lambda lost: None if isinstance(lost.exc_value, KeyboardInterrupt) else report(lost)
    former = {number: signal.getsignal(number) for number in SIGNALS}
    for number, handler in former.items():
        if handler != signal.SIG_IGN:
            signal.signal(number, _interrupt)
    try:
        yield
    finally:
        sys.unraisablehook = report
        for number, handler in former.items():
            signal.signal(number, handler)


@contextmanager
def delayed_interrupts() -> Iterator[None]:
    """A signal that arrives in this block is answered at its end, by the handler that it has outside.

    A training step takes over the buffers of the state before it: interrupted in between, neither state could be
    saved. In another thread than the main one, where Python delivers no signals, nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    delayed: list[tuple[int, FrameType | None]] = []
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    for number, handler in handlers.items():
        if callable(handler):
            signal.signal(number, lambda number, frame: delayed.append((number, frame)))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for received, frame in delayed:
            answer: Any = handlers[signal.Signals(received)]
            answer(received, frame)


def check_interrupted() -> None:
    """Raise KeyboardInterrupt if a signal has arrived, even if its exception was lost in a callback."""
    if _arrived:
        raise KeyboardInterrupt


def _interrupt(number: int, frame: FrameType | None) -> None:
    _arrived.append(number)
    raise KeyboardInterrupt
