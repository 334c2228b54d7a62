"""The `polymath` command, also as `python -m polymath`: from its first import on, Ctrl-C ends it with status 130."""

import os
import signal
import sys
from types import FrameType

STOPPED = 130


def main() -> int:
    """Run the command line; after Ctrl-C end without the destructors of libraries whose threads are still at work."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _leave)
    from polymath.cli import main as run

    status = run()
    if status == STOPPED:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    return status


def _leave(number: int, frame: FrameType | None) -> None:
    """Before the command line has begun, and after its end, there is nothing to save."""
    os._exit(STOPPED)


if __name__ == "__main__":
    sys.exit(main())
