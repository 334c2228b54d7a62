"""Ctrl-C and SIGTERM, which schedulers send, answered at every moment and never lost.

    work that can be saved        KeyboardInterrupt in the main thread, which saves on its way out
    between two steps of it       delayed to the end of the block (`delayed_interrupts`)
    nothing to save yet           the process ends at once with status 130 (`exits_at_once`)

Python runs its signal handlers in the main thread, between two bytecodes. While that thread is inside a library (XLA
compiles for minutes) the handler waits, and an exception that it raises inside a callback of a library is printed and
dropped. So a signal's number is also written to a pipe by the interpreter's own C handler; a thread reads it there, and
it is remembered for `check_interrupted`.
"""

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)
STATUS = 130
STOPPED = (
    "\npolymath: stopped. Nothing half-written was kept. Run the same command again: demo, train, eval and data "
    "prepare continue where they were, the other verbs start from the beginning."
)
_arrived: list[int] = []
_waiting: list[int] = []  # for the end of a block of `delayed_interrupts`
_cleanups: list[Callable[[], None]] = []
_at_once = 0  # nested blocks of `exits_at_once`
_gate = threading.Lock()  # held to enter or leave such a block, and for good by the thread that ends the process


@contextmanager
def remembered_interrupts() -> Iterator[None]:
    """In this block both signals raise KeyboardInterrupt and are remembered; one that was ignored stays ignored.

    One whose exception is lost in a callback is not reported there: `check_interrupted` answers it.
    """
    _arrived.clear()
    _waiting.clear()
    report = sys.unraisablehook
    sys.unraisablehook = lambda lost: None if isinstance(lost.exc_value, KeyboardInterrupt) else report(lost)
    former = {number: signal.getsignal(number) for number in SIGNALS}
    for number, handler in former.items():
        if handler != signal.SIG_IGN:
            signal.signal(number, _interrupt)
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    wakeup = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    watch = threading.Thread(target=_watch, args=(ours,), name="signals", daemon=True)
    watch.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(wakeup)
        theirs.close()
        watch.join()
        ours.close()
        sys.unraisablehook = report
        for number, handler in former.items():
            signal.signal(number, handler)


@contextmanager
def exits_at_once() -> Iterator[None]:
    """A signal in this block ends the process with status 130, even while the main thread is inside a library.

    What `cleaned_up` names is called first. Without `remembered_interrupts` around it nothing is changed.
    """
    global _at_once
    with _gate:
        _at_once += 1
    try:
        check_interrupted()
        yield
    finally:
        with _gate:
            _at_once -= 1


@contextmanager
def cleaned_up(function: Callable[[], None]) -> Iterator[None]:
    """A signal that ends the process at once in this block has `function` called before."""
    _cleanups.append(function)
    try:
        yield
    finally:
        _cleanups.remove(function)


@contextmanager
def delayed_interrupts() -> Iterator[None]:
    """A signal that arrives in this block is answered at its end, by the handler that it has outside.

    Meanwhile `was_interrupted` says so. A training step takes over the buffers of the state before it: interrupted in
    between, neither state could be saved. In another thread than the main one, where Python delivers no signals,
    nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    delayed: list[tuple[int, FrameType | None]] = []

    def delay(number: int, frame: FrameType | None) -> None:
        delayed.append((number, frame))
        _waiting.append(number)

    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    for number, handler in handlers.items():
        if callable(handler):
            signal.signal(number, delay)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        del _waiting[len(_waiting) - len(delayed) :]
        for received, frame in delayed:
            answer: Any = handlers[signal.Signals(received)]
            answer(received, frame)


def check_interrupted() -> None:
    """Raise KeyboardInterrupt if a signal has arrived, even if its exception was lost in a callback."""
    if was_interrupted():
        raise KeyboardInterrupt


def was_interrupted() -> bool:
    """Whether a signal has arrived since `remembered_interrupts` began."""
    return bool(_arrived or _waiting)


def _interrupt(number: int, frame: FrameType | None) -> None:
    _arrived.append(number)
    if not _at_once:
        raise KeyboardInterrupt


def _watch(signals: socket.socket) -> None:
    """Read the numbers of signals until the other end is closed; in a block of `exits_at_once` the first one ends the
    process.
    """
    while numbers := signals.recv(64):
        if not set(numbers) & set(SIGNALS):
            continue
        _gate.acquire()
        if _at_once:
            _exit_now()
        _gate.release()


def _exit_now() -> None:
    """No exit handlers and no destructors: a library that is at work in another thread would not survive them."""
    try:
        for function in reversed(_cleanups):
            function()
        cursor = "\x1b[?25h" if os.isatty(2) else ""  # a progress bar hides it
        os.write(2, f"{cursor}{STOPPED}\n".encode())
    finally:
        os._exit(STATUS)
