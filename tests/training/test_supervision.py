"""What a supervisor does after each end of a training; the trainings are small programs that end as real ones do."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from polymath.errors import ConfigError, PolymathError
from polymath.training.supervision import SUPERVISED, is_supervised, last_step, supervise

CHILD = """
import json, os, pathlib, sys
out, statuses, steps = pathlib.Path(sys.argv[1]), json.loads(sys.argv[2]), json.loads(sys.argv[3])
number = len(list(out.glob("start *")))
(out / f"start {number}").touch()
with (out / "metrics.jsonl").open("a") as file:
    file.write(json.dumps({"phase": "robot", "step": steps[min(number, len(steps) - 1)]}) + "\\n")
status = statuses[min(number, len(statuses) - 1)]
os.kill(os.getpid(), -status) if status < 0 else sys.exit(status)
"""


def child(out: Path, statuses: list[int], steps: list[int]) -> list[str]:
    """A command that ends with the statuses in turn (below 0: by that signal), each after its step."""
    return [sys.executable, "-S", "-c", CHILD, str(out), json.dumps(statuses), json.dumps(steps)]


def ignore(_: float) -> None:
    """A pause that takes no time."""


def starts(out: Path) -> int:
    return len(list(out.glob("start *")))


def test_what_was_killed_or_failed_is_started_again_with_growing_pauses(tmp_path: Path) -> None:
    pauses: list[float] = []
    lines: list[str] = []
    command = child(tmp_path, [-signal.SIGKILL, 1, -signal.SIGSEGV, 0], [5, 9, 12, 20])
    assert supervise(command, tmp_path, 5, lines.append, pauses.append) == 0
    assert len(lines) == 3
    assert "exit status -9 after step 5 of robot; again in 1 s, restart 1 of 5" in lines[0]
    assert pauses == [1.0, 2.0, 4.0]
    assert starts(tmp_path) == 4


@pytest.mark.parametrize("status", [0, 2, 130])
def test_an_end_that_would_be_the_same_again_is_final(status: int, tmp_path: Path) -> None:
    assert supervise(child(tmp_path, [status], [3]), tmp_path, 5, print, ignore) == status
    assert starts(tmp_path) == 1


def test_three_failures_after_the_same_step_are_no_accident(tmp_path: Path) -> None:
    with pytest.raises(PolymathError, match="exit status 1 after step 7 of robot, 3 times in a row"):
        supervise(child(tmp_path, [1], [5, 7]), tmp_path, 99, print, ignore)
    assert starts(tmp_path) == 4


def test_restarts_are_used_up(tmp_path: Path) -> None:
    with pytest.raises(PolymathError, match=r"after step 3 of robot, and 2 restarts \(--restarts\) are used up"):
        supervise(child(tmp_path, [1], [1, 2, 3, 4]), tmp_path, 2, print, ignore)
    assert starts(tmp_path) == 3


def test_a_number_of_restarts_below_0_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--restarts -1: give a number of restarts"):
        supervise(child(tmp_path, [0], [1]), tmp_path, -1, print, ignore)


def test_nothing_logged_is_step_0(tmp_path: Path) -> None:
    assert last_step(tmp_path) == ("alignment", 0)
    assert is_supervised({SUPERVISED: "1"})
    assert not is_supervised({})


SUPERVISOR = """
import sys
from pathlib import Path
from polymath.interrupts import remembered_interrupts
from polymath.training.supervision import supervise
try:
    with remembered_interrupts():
        sys.exit(supervise(sys.argv[2:], Path(sys.argv[1]), 5, print))
except KeyboardInterrupt:
    sys.exit(130)
"""
SLEEPER = """
import pathlib, signal, sys, time
def stop(number, frame):
    pathlib.Path(sys.argv[1], "saved").touch()
    sys.exit(130)
signal.signal(signal.SIGTERM, stop)
pathlib.Path(sys.argv[1], "ready").touch()
time.sleep(600)
"""


def test_a_signal_to_the_supervisor_reaches_the_training_which_saves(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SUPERVISOR, str(tmp_path), sys.executable, "-S", "-c", SLEEPER, str(tmp_path)]
    supervisor = subprocess.Popen(command, env={**os.environ, "JAX_PLATFORMS": "cpu"})
    try:
        deadline = time.monotonic() + 300
        while not (tmp_path / "ready").exists():
            assert supervisor.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        supervisor.send_signal(signal.SIGTERM)
        assert supervisor.wait(timeout=300) == 130
    finally:
        supervisor.kill()
    assert (tmp_path / "saved").exists()
