"""Several processes, one training run: who they are, and how they find each other.

    TPU pod       every host runs the same command; libtpu knows the others  TPU_WORKER_HOSTNAMES
    SLURM         `srun polymath train …`, one task a host or a GPU          SLURM_JOB_ID, SLURM_NTASKS
    Kubernetes    a JobSet (deploy/jobset.yaml); its first pod coordinates   JOBSET_NAME, JOB_COMPLETION_INDEX
    anywhere      set explicitly             JAX_COORDINATOR_ADDRESS=HOST:PORT, JAX_NUM_PROCESSES, JAX_PROCESS_ID

Alone, nothing is started. Process 0 writes what is one file for all: the run directory, the curves.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import jax

from polymath.errors import ConfigError, PolymathError

PORT = 8476
START_SECONDS = 600


@dataclass(frozen=True)
class Cluster:
    """address: HOST:PORT of process 0. All None: jax detects them."""

    address: str | None = None
    processes: int | None = None
    index: int | None = None


def find_cluster(environment: Mapping[str, str]) -> Cluster | None:
    """What the environment says about the other processes; None if there are none.

    Raises ConfigError naming the variable that is missing or no number.
    """
    if "JAX_COORDINATOR_ADDRESS" in environment:
        count, index = _number(environment, "JAX_NUM_PROCESSES"), _number(environment, "JAX_PROCESS_ID")
        return Cluster(environment["JAX_COORDINATOR_ADDRESS"], count, index)
    if "JOBSET_NAME" in environment and int(environment.get("JOB_PARALLELISM", "1")) > 1:
        name, job = environment["JOBSET_NAME"], environment.get("REPLICATED_JOB_NAME", "workers")
        count, index = _number(environment, "JOB_PARALLELISM"), _number(environment, "JOB_COMPLETION_INDEX")
        return Cluster(f"{name}-{job}-0-0.{name}:{PORT}", count, index)
    slurm = "SLURM_JOB_ID" in environment and int(environment.get("SLURM_NTASKS", "1")) > 1
    pod = len(environment.get("TPU_WORKER_HOSTNAMES", "").split(",")) > 1
    return Cluster() if slurm or pod else None


def start_processes(environment: Mapping[str, str]) -> None:
    """Meet the other processes, once, before anything touches a device. Raises PolymathError if they do not come."""
    cluster = find_cluster(environment)
    if cluster is None or jax.distributed.is_initialized():
        return
    jax.config.update("jax_enable_preemption_service", False)  # it would take SIGTERM away from `polymath.interrupts`
    try:
        jax.distributed.initialize(
            cluster.address, cluster.processes, cluster.index, initialization_timeout=START_SECONDS
        )
    except (RuntimeError, ValueError) as error:
        raise PolymathError(
            f"the processes did not meet at {cluster.address or 'the address that the cluster gives'} within "
            f"{START_SECONDS} s: {error}; look whether every process runs and can reach that port"
        ) from error


def is_first() -> bool:
    return jax.process_index() == 0


def wait_for_file(path: Path, seconds: float = START_SECONDS) -> None:
    """Until process 0 has written `path` on the file system that all share. Raises PolymathError after `seconds`."""
    deadline = time.monotonic() + seconds
    while not path.exists():
        if time.monotonic() > deadline:
            raise PolymathError(
                f"{path}: process 0 has not written it within {seconds:.0f} s; every process needs the same run "
                "directory on a shared file system"
            )
        time.sleep(0.1)


def _number(environment: Mapping[str, str], name: str) -> int:
    value = environment.get(name, "")
    if not value.isdigit():
        raise ConfigError(f"{name}={value!r}: set it to a number in the environment of every process")
    return int(value)
