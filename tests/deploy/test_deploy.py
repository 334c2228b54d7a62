"""The files of deploy/ by parsers and a dry run: nothing here needs a cluster."""

import inspect
import os
import re
import shlex
import subprocess
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from polymath.commands import runs
from polymath.config import apply_overrides
from polymath.presets import preset
from polymath.training.processes import PORT, find_cluster

DEPLOY = Path(__file__).parent.parent.parent / "deploy"


@pytest.fixture
def pod() -> dict[str, Any]:
    manifest = yaml.safe_load((DEPLOY / "jobset.yaml").read_text())
    assert (manifest["apiVersion"], manifest["kind"]) == ("jobset.x-k8s.io/v1alpha2", "JobSet")
    (job,) = manifest["spec"]["replicatedJobs"]
    spec = job["template"]["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    return {"name": manifest["metadata"]["name"], "job": job["name"], "spec": spec, "container": container}


def test_the_jobset_has_a_pod_for_every_host_of_the_mesh(pod: dict[str, Any]) -> None:
    spec, container = pod["spec"], pod["container"]
    assert spec["parallelism"] == spec["completions"]
    assert spec["completionMode"] == "Indexed"
    arguments = container["args"]
    assert arguments[0] == "train"
    recipe = apply_overrides(preset(arguments[1]), arguments[arguments.index("--set") + 1 :])
    assert recipe.mesh.size == spec["parallelism"] * container["resources"]["limits"]["google.com/tpu"]


def test_the_pods_environment_leads_to_process_0(pod: dict[str, Any]) -> None:
    environment = {entry["name"]: entry.get("value", "") for entry in pod["container"]["env"]}
    environment |= {"JOBSET_NAME": pod["name"], "REPLICATED_JOB_NAME": pod["job"], "JOB_COMPLETION_INDEX": "5"}
    cluster = find_cluster(environment)
    assert cluster is not None
    assert (cluster.address, cluster.processes, cluster.index) == (f"polymath-workers-0-0.polymath:{PORT}", 128, 5)
    assert {port["containerPort"] for port in pod["container"]["ports"]} >= {PORT}


def test_mounted_volumes_exist(pod: dict[str, Any]) -> None:
    volumes = {volume["name"] for volume in pod["spec"]["template"]["spec"]["volumes"]}
    assert {mount["name"] for mount in pod["container"]["volumeMounts"]} == volumes


def test_the_slurm_script_calls_our_train_command(tmp_path: Path) -> None:
    """A dry run: `srun` prints what it was given, and our own command has those arguments."""
    fake = tmp_path / "srun"
    fake.write_text('#!/bin/bash\nprintf "%q " "$@"\n')
    fake.chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "SLURM_NTASKS": "32",
        "DATA": "/d",
        "OUT": "/o",
    }
    command = [str(DEPLOY / "slurm.sh"), "polymath_v_8b", "--set", "robot.steps=7"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    arguments = shlex.split(done.stdout)
    assert arguments[:4] == ["--kill-on-bad-exit=1", "polymath", "train", "polymath_v_8b"]
    overrides = [argument for flag, argument in pairwise(arguments) if flag == "--set"]
    recipe = apply_overrides(preset(arguments[3]), overrides)
    assert (recipe.mesh.data, recipe.robot.steps) == (32, 7)
    assert {"--data", "--tokenizer", "--out", "--set"} <= {argument for argument in arguments if argument[:2] == "--"}
    flags = {f"--{name}" for name in inspect.signature(runs.train).parameters}
    assert {argument for argument in arguments[4:] if argument[:2] == "--"} <= flags


def test_the_slurm_script_asks_for_what_it_needs() -> None:
    done = subprocess.run(
        [str(DEPLOY / "slurm.sh"), "tiny"],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "set DATA to the directory" in done.stderr
    assert subprocess.run(["bash", "-n", str(DEPLOY / "slurm.sh")], check=False).returncode == 0


def test_the_dockerfile_copies_what_exists_and_installs_a_declared_extra() -> None:
    text = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")
    instructions = [line.split(maxsplit=1) for line in text.splitlines() if line and not line.startswith("#")]
    known = {"ARG", "FROM", "WORKDIR", "RUN", "COPY", "USER", "ENTRYPOINT", "CMD"}
    assert {name for name, _ in instructions} <= known
    for name, rest in instructions:
        if name == "COPY":
            assert all((DEPLOY.parent / source).exists() for source in rest.split()[:-1])
    extra = re.search(r"^ARG EXTRA=(\w+)$", text, flags=re.M)
    assert extra is not None
    assert f"\n{extra[1]} = [" in (DEPLOY.parent / "pyproject.toml").read_text()
