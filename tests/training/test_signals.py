"""Real signals to a real training process: what is left behind goes on to the bytes of an undisturbed run."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from polymath.specs import named
from polymath.training.checkpoints import load_params
from polymath.training.datasets import TrainingData
from polymath.training.run import open_run

STEPS = 60
PATIENCE = 1200  # seconds, on a busy machine
# The command line, as from a terminal: tests that run in the background inherit SIGINT as ignored.
PROGRAM = """
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("polymath", run_name="__main__", alter_sys=True)
"""


def command(data: TrainingData, out: Path) -> list[str]:
    fields = [f"robot.steps={STEPS}", "robot.rows=1", "robot.checkpoint_every=7", "robot.log_every=1"]
    sets = ["--data", str(data.robot), "--tokenizer", str(data.tokenizer)]
    return [sys.executable, "-c", PROGRAM, "train", "tiny", *sets, "--out", str(out), "--set", *fields]


def start(data: TrainingData, out: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command(data, out), env={**os.environ, "JAX_PLATFORMS": "cpu"}, stderr=subprocess.PIPE, text=True
    )


def wait_for_lines(process: subprocess.Popen[str], run: Path, lines: int) -> None:
    """Until the run has logged so many steps."""
    path, deadline = run / "metrics.jsonl", time.monotonic() + PATIENCE
    while not path.exists() or path.read_text().count("\n") < lines:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.005)


def finish(data: TrainingData, out: Path) -> dict[str, bytes]:
    """Run the command to its end; the weights' bytes."""
    done = subprocess.run(
        command(data, out), env={**os.environ, "JAX_PLATFORMS": "cpu"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    recipe = open_run(out).recipe
    params = load_params(out / "checkpoints" / "robot", recipe.model, recipe.robot.optimizer)
    return {name: np.asarray(weight).tobytes() for name, weight in named(params)}


@pytest.fixture(scope="module")
def undisturbed(data: TrainingData, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return finish(data, tmp_path_factory.mktemp("signals") / "undisturbed")


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, 130), (signal.SIGINT, 130)]
)
def test_a_stopped_run_goes_on_to_the_same_bytes(
    number: signal.Signals, status: int, data: TrainingData, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    process = start(data, tmp_path / "run")
    wait_for_lines(process, tmp_path / "run", 10)
    process.send_signal(number)
    error = process.communicate(timeout=PATIENCE)[1]
    assert process.returncode == status, error
    assert "Traceback" not in error
    run = open_run(tmp_path / "run")
    if number != signal.SIGKILL:
        steps = [path.name for path in run.checkpoints("robot").iterdir() if path.name.isdigit()]
        assert max(map(int, steps)) < STEPS
        assert not list(run.checkpoints("robot").glob("*tmp*"))
    assert finish(data, tmp_path / "run") == undisturbed
    assert not list(run.checkpoints("robot").glob("*tmp*"))


def wait_for_main(process: subprocess.Popen[str]) -> None:
    """Until the command line catches SIGTERM, which Python alone does not: the mask SigCgt of proc(5)."""
    status, deadline = Path(f"/proc/{process.pid}/status"), time.monotonic() + PATIENCE
    while not int(re.findall(r"SigCgt:\s*(\w+)", status.read_text())[0], 16) >> (signal.SIGTERM - 1) & 1:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="when the command has begun is read from /proc")
@pytest.mark.parametrize("seconds", [0.0, 0.6, 1.2, 2.4])
def test_ctrl_c_in_the_first_seconds(seconds: float, data: TrainingData, tmp_path: Path) -> None:
    """From the first moment of the command: while libraries are imported, data are opened, or the step compiles."""
    process = start(data, tmp_path / "run")
    wait_for_main(process)
    time.sleep(seconds)
    process.send_signal(signal.SIGINT)
    error = process.communicate(timeout=PATIENCE)[1]
    assert process.returncode == 130, error
    assert "Traceback" not in error
    if (tmp_path / "run" / "config.json").exists():
        open_run(tmp_path / "run")
