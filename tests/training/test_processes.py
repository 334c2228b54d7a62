"""Several processes over loopback give the curve of one; what the environment says of a cluster."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.training.test_meshes import PROGRAM, curves

from polymath.errors import ConfigError, PolymathError
from polymath.training.processes import Cluster, find_cluster, wait_for_file

STEPS = 3


def curve_of_processes(count: int) -> list[list[float]]:
    """The curve of mesh [1, count, 1] as each of `count` processes of one device sees it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    common = {**os.environ, "JAX_PLATFORMS": "cpu", "JAX_COORDINATOR_ADDRESS": address, "JAX_NUM_PROCESSES": str(count)}
    common.pop("XLA_FLAGS", None)
    request = json.dumps([{"mesh": {"data": count}, "execution": {}, "steps": STEPS}])
    running = [
        subprocess.Popen(
            [sys.executable, str(PROGRAM), request],
            env={**common, "JAX_PROCESS_ID": str(index)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for index in range(count)
    ]
    outputs = [process.communicate(timeout=1200) for process in running]
    assert all(process.returncode == 0 for process in running), outputs[0][1][-3000:]
    return [json.loads(output.splitlines()[-1])[0] for output, _ in outputs]


@pytest.mark.parametrize("count", [2, 4, 8])
def test_processes_with_a_device_each_give_the_curve_of_one_process_with_all_devices(count: int) -> None:
    (one_process,) = curves([{"mesh": {"data": count}, "execution": {}, "steps": STEPS}], devices=count)
    seen = curve_of_processes(count)
    assert all(curve == seen[0] for curve in seen)
    np.testing.assert_allclose(seen[0], one_process, rtol=1e-6)


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
