"""Python's garbage collector while a server starts."""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def paused_collector() -> Iterator[Callable[[], None]]:
    """No collection in this block, or until the function that it gives is called.

    What a start makes (modules, weights, programs) stays; looking through it again and again is a tenth of the CPU time
    of a start from compiled programs. Afterwards no collection looks at it any more, so that none delays an answer.
    """
    was = gc.isenabled()

    def go_on() -> None:
        gc.freeze()
        if was:
            gc.enable()

    gc.disable()
    try:
        yield go_on
    finally:
        if was:
            gc.enable()
