"""A training that is started again when it fails: `polymath train --restarts N`.

The supervisor starts the very same command as a child and looks at how it ends:

    0      the training is done
    130    a signal stopped it: the supervisor ends too. One that the supervisor gets is handed on to the child
    2      bad input, or a run that ended itself with one line: the same again would end the same
    other  killed, or failed by an error of its own: again, after a pause that doubles from 1 s to LONGEST_PAUSE

It gives up after N restarts, and where the training failed three times after the same step: that is no accident.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from polymath.errors import ConfigError, PolymathError
from polymath.interrupts import STATUS
from polymath.training.metrics import read_metrics

SUPERVISED = "POLYMATH_SUPERVISED"
"""Set in the environment of the child, which trains instead of supervising."""
PAUSE, LONGEST_PAUSE = 1.0, 300.0  # seconds
SAME_STEP = 3
FINAL = (0, 2, STATUS)


def is_supervised(environment: Mapping[str, str]) -> bool:
    """Whether this process is the child of a supervisor."""
    return SUPERVISED in environment


def supervise(
    command: Sequence[str],
    out: Path,
    restarts: int,
    tell: Callable[[str], None],
    pause: Callable[[float], None] = time.sleep,
) -> int:
    """Run the training `command` of the run directory `out`, at most `restarts` times more; its last exit status.

    Every restart is told in a line. Raises PolymathError where it failed three times after the same step, or once more
    than `restarts`; ConfigError for restarts below 0. No device is touched: a TPU belongs to one process.
    """
    if restarts < 0:
        raise ConfigError(f"--restarts {restarts}: give a number of restarts, 0 or more")
    failures: list[tuple[str, int]] = []
    while (status := _run(command)) not in FINAL:
        failures.append(last_step(out))
        phase, step = failures[-1]
        where = f"{out}: the training failed with exit status {status} after step {step} of {phase}"
        if failures[-SAME_STEP:] == [failures[-1]] * SAME_STEP:
            raise PolymathError(f"{where}, {SAME_STEP} times in a row; look at its last output before a restart")
        if len(failures) > restarts:
            raise PolymathError(f"{where}, and {restarts} restarts (--restarts) are used up")
        seconds = min(PAUSE * 2 ** (len(failures) - 1), LONGEST_PAUSE)
        tell(f"{where}; again in {seconds:g} s, restart {len(failures)} of {restarts}")
        pause(seconds)
    return status


def last_step(out: Path) -> tuple[str, int]:
    """(phase, step) of the newest logged step; the first phase's step 0 where nothing is logged yet."""
    path = Path(out) / "metrics.jsonl"
    lines = read_metrics(path) if path.is_file() else []
    return (lines[-1]["phase"], lines[-1]["step"]) if lines else ("alignment", 0)


def _run(command: Sequence[str]) -> int:
    """The command's exit status. It has a process group of its own, so that a signal comes to it once, from here."""
    child = subprocess.Popen(command, env={**os.environ, SUPERVISED: "1"}, start_new_session=True)
    try:
        return child.wait()
    except KeyboardInterrupt:
        child.send_signal(signal.SIGTERM)
        child.wait()
        raise
