"""Several processes over loopback give the curve of one; what the environment says of a cluster."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from tests.compilation import QUICK
from tests.training.test_meshes import PROGRAM, curves

from polymath.errors import ConfigError, PolymathError
from polymath.training.checkpoint_choice import steps_in
from polymath.training.metrics import read_metrics
from polymath.training.processes import Cluster, find_cluster, wait_for_file

ROOT = Path(__file__).parents[2]
STEPS = 3
DEADLINE = 1200  # seconds until a run is given up: long enough for eight processes on a busy machine
ADDRESS_TAKEN = ("Address already in use", "Failed to bind", "address in use")


def curve_of_processes(count: int, folder: Path) -> list[list[float]]:
    """The curve of mesh [1, count, 1] as each of `count` processes of one device sees it.

    Between the moment a free port is found and the one when process 0 opens it, another program may take it: then once
    more, with another port.
    """
    for attempt in range(3):
        place = folder / str(attempt)
        place.mkdir()
        failure = run_processes(count, place)
        if failure is None:
            return [json.loads((place / f"{i}.out").read_text().splitlines()[-1])[0] for i in range(count)]
        if not any(words in failure for words in ADDRESS_TAKEN):
            break
    raise AssertionError(failure)


def run_processes(count: int, folder: Path) -> str | None:
    """Run the processes to their end, outputs in `folder`; None, or what went wrong. None of them is left behind.

    Their outputs are files: a process whose pipe is full would wait for the reader, and the others for it.
    """
    request = json.dumps([{"mesh": {"data": count}, "execution": {}, "steps": STEPS}])
    common = {**os.environ, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": QUICK}
    common |= {"JAX_COORDINATOR_ADDRESS": f"127.0.0.1:{free_port()}", "JAX_NUM_PROCESSES": str(count)}
    with ExitStack() as stack:
        running = []
        for index in range(count):
            out, err = (stack.enter_context((folder / f"{index}.{kind}").open("w")) for kind in ("out", "err"))
            own = {**common, "JAX_PROCESS_ID": str(index)}
            running.append(subprocess.Popen([sys.executable, str(PROGRAM), request], env=own, stdout=out, stderr=err))
            stack.callback(running[-1].wait)
            stack.callback(running[-1].kill)
        why = watch(running)
        states = [process.poll() for process in running]
    if why is None:
        return None
    ends = (f"process {i}, exit status {state}: …{last_output(folder / f'{i}.err')}" for i, state in enumerate(states))
    return "\n".join([f"{count} processes: {why}", *ends])


def watch(running: list[subprocess.Popen[bytes]]) -> str | None:
    """Wait for all of them, but no longer than for the first that fails; None if all end well."""
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        states = [process.poll() for process in running]
        failed = [index for index, state in enumerate(states) if state]
        if failed:
            return f"{failed} failed"
        if all(state == 0 for state in states):
            return None
        time.sleep(0.05)
    return f"not at their end after {DEADLINE} s"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def last_output(path: Path) -> str:
    return path.read_text(errors="replace")[-1500:]


def test_a_process_that_fails_ends_the_run_is_quoted_and_leaves_none_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of three that would wait for ever, the second gives up."""
    program = tmp_path / "program.py"
    program.write_text(
        "import os, pathlib, sys, time\n"
        "index = os.environ['JAX_PROCESS_ID']\n"
        "pathlib.Path(sys.argv[0]).with_name(f'{index}.pid').write_text(str(os.getpid()))\n"
        "time.sleep(1 if index == '1' else 1000)\n"
        "sys.exit('no device')\n"
    )
    monkeypatch.setattr("tests.training.test_processes.PROGRAM", program)
    failure = run_processes(3, tmp_path) or ""
    assert "3 processes: [1] failed" in failure
    assert "process 1, exit status 1: …no device" in failure
    assert "process 0, exit status None: …" in failure
    left = [path.read_text() for path in tmp_path.glob("*.pid") if Path("/proc", path.read_text()).exists()]
    assert left == []


@pytest.mark.parametrize("count", [2, 4, 8])
def test_processes_with_a_device_each_give_the_curve_of_one_process_with_all_devices(
    count: int, tmp_path: Path
) -> None:
    (one_process,) = curves([{"mesh": {"data": count}, "execution": {}, "steps": STEPS}], devices=count)
    seen = curve_of_processes(count, tmp_path)
    assert all(curve == seen[0] for curve in seen)
    np.testing.assert_allclose(seen[0], one_process, rtol=1e-6)


PHASE_PROGRAM = Path(__file__).with_name("phase_on_hosts.py")
MANY = 10_000  # steps that no test waits for


class Phase:
    """Two processes that train one phase together in `out`; a context in which none of them is left behind."""

    def __init__(self, out: Path, logs: Path, steps: int) -> None:
        self._out, self._logs, self._steps, self._stack = out, logs, steps, ExitStack()

    def __enter__(self) -> "Phase":
        self._logs.mkdir()
        common = {**os.environ, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": QUICK, "PYTHONPATH": str(ROOT)}
        common |= {"JAX_COORDINATOR_ADDRESS": f"127.0.0.1:{free_port()}", "JAX_NUM_PROCESSES": "2"}
        command = [sys.executable, str(PHASE_PROGRAM), str(self._out), str(self._steps)]
        self.processes = []
        for index in range(2):
            error = self._stack.enter_context((self._logs / f"{index}.err").open("w"))
            process = subprocess.Popen(command, env={**common, "JAX_PROCESS_ID": str(index)}, stderr=error)
            self.processes.append(process)
            self._stack.callback(process.wait)
            self._stack.callback(process.kill)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def wait_for_steps(self, count: int) -> None:
        """Until so many more steps are logged than before."""
        path, deadline = self._out / "metrics.jsonl", time.monotonic() + DEADLINE
        begin = len(steps_in(self._out / "checkpoints" / "alignment")) and len(losses(self._out))
        while not path.exists() or len(losses(self._out)) < begin + count:
            assert all(process.poll() is None for process in self.processes), self.errors()
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def statuses(self) -> list[int]:
        return [process.wait(timeout=DEADLINE) for process in self.processes]

    def errors(self) -> str:
        return "\n".join(last_output(path) for path in sorted(self._logs.glob("*.err")))


def losses(out: Path) -> dict[int, float]:
    return {line["step"]: line["loss"] for line in read_metrics(out / "metrics.jsonl")}


def test_a_signal_to_one_or_both_of_two_processes_is_one_save_of_one_step(tmp_path: Path) -> None:
    """To the second alone, to the first alone, to both 0.2 s apart; each time both end with 130, and go on together to
    the losses of an undisturbed run, bit for bit.
    """
    out, directory = tmp_path / "run", tmp_path / "run" / "checkpoints" / "alignment"
    for number, receivers in enumerate(([1], [0], [0, 1])):
        before = max(steps_in(directory), default=0)
        with Phase(out, tmp_path / f"logs {number}", MANY) as phase:
            phase.wait_for_steps(3)
            for index in receivers:
                phase.processes[index].send_signal(signal.SIGTERM)
                time.sleep(0.2)
            assert phase.statuses() == [130, 130], phase.errors()
        saved = [step for step in steps_in(directory) if step > before and (step > 1)]
        assert len(saved) == 1
        assert max(losses(out)) == saved[0] < MANY
        assert not list(directory.glob("*tmp*"))
    steps = max(steps_in(directory)) + 2
    for place in (out, tmp_path / "undisturbed"):
        with Phase(place, tmp_path / f"logs of the whole {place.name}", steps) as phase:
            assert phase.statuses() == [0, 0], phase.errors()
    assert losses(out) == losses(tmp_path / "undisturbed")
    assert len(losses(out)) == steps


@pytest.mark.parametrize(
    ("environment", "cluster"),
    [
        ({}, None),
        ({"SLURM_JOB_ID": "7", "SLURM_NTASKS": "1"}, None),
        ({"SLURM_JOB_ID": "7", "SLURM_NTASKS": "16"}, Cluster()),
        ({"TPU_WORKER_HOSTNAMES": "localhost"}, None),
        ({"TPU_WORKER_HOSTNAMES": "host-0,host-1"}, Cluster()),
        (
            {"JAX_COORDINATOR_ADDRESS": "a:1", "JAX_NUM_PROCESSES": "4", "JAX_PROCESS_ID": "3"},
            Cluster("a:1", 4, 3),
        ),
    ],
)
def test_what_the_environment_says(environment: dict[str, str], cluster: Cluster | None) -> None:
    assert find_cluster(environment) == cluster


def test_a_missing_number_is_named() -> None:
    with pytest.raises(ConfigError, match="JAX_NUM_PROCESSES=''"):
        find_cluster({"JAX_COORDINATOR_ADDRESS": "a:1", "JAX_PROCESS_ID": "0"})


def test_waiting_for_process_0_ends(tmp_path: Path) -> None:
    with pytest.raises(PolymathError, match=r"process 0 has not written it within 0 s.*shared file system"):
        wait_for_file(tmp_path / "config.json", seconds=0.2)
