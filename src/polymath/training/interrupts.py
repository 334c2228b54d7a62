"""Ctrl-C and SIGTERM between training steps, never within one."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import jax

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def delayed_interrupts() -> Iterator[None]:
    """A signal that arrives in this block is answered at its end, by the handler that it has outside.

    A step takes over the buffers of the state before it: interrupted in between, neither state could be saved. In
    another thread than the main one, where Python delivers no signals, nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[tuple[int, FrameType | None]] = []
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    for number, handler in handlers.items():
        if callable(handler):
            signal.signal(number, lambda number, frame: arrived.append((number, frame)))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for received, frame in arrived:
            answer: Any = handlers[signal.Signals(received)]
            answer(received, frame)


def is_whole(state: Any) -> bool:
    """Whether no array of the state has been given away, as when the very first step is interrupted."""
    return not any(leaf.is_deleted() for leaf in jax.tree.leaves(state))
