"""The files that run a server against the code: paths of probes, options, extras, files. Nothing needs a cluster."""

import inspect
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from polymath.commands.serve import serve
from polymath.serving.access import OPEN
from polymath.serving.limits import Limits

ROOT = Path(__file__).parent.parent.parent
DEPLOY = ROOT / "deploy"
OPTIONS = {f"--{name.replace('_', '-')}" for name in inspect.signature(serve).parameters}


def options_in(words: list[str]) -> set[str]:
    return {word.partition("=")[0] for word in words if word.startswith("--")}


@pytest.fixture
def manifests() -> dict[str, dict[str, Any]]:
    files = ("deployment.yaml", "service.yaml")
    every = [each for file in files for each in yaml.safe_load_all((DEPLOY / "kubernetes" / "cpu" / file).read_text())]
    return {each["kind"]: each for each in every}


@pytest.fixture
def container(manifests: dict[str, dict[str, Any]]) -> dict[str, Any]:
    (container,) = manifests["Deployment"]["spec"]["template"]["spec"]["containers"]
    return container


def test_the_probes_ask_paths_that_need_no_key(container: dict[str, Any]) -> None:
    ports = {port["name"] for port in container["ports"]}
    asked = {}
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        asked[probe] = container[probe]["httpGet"]["path"]
        assert asked[probe] in OPEN
        assert container[probe]["httpGet"]["port"] in ports
    assert asked["livenessProbe"] == "/healthz", "a pod that compiles is alive"
    assert asked["readinessProbe"] == "/readyz"


def test_the_arguments_are_options_of_the_command(container: dict[str, Any]) -> None:
    assert options_in(container["args"]) <= OPTIONS
    unit = (DEPLOY / "polymath-serve.service").read_text()
    for line in re.findall(r"^ExecStart(?:Pre)?=(.*)$", unit, flags=re.M):
        words = shlex.split(line)
        assert words[:2] == ["/opt/polymath/bin/polymath", "serve"]
        assert options_in(words) <= OPTIONS
    (last,) = re.findall(r"^CMD (\[.*\])$", (DEPLOY / "Dockerfile.serve").read_text(), flags=re.M)
    assert options_in(yaml.safe_load(last)) <= OPTIONS


def test_there_is_time_to_drain(manifests: dict[str, dict[str, Any]]) -> None:
    """Requests that run, then replies that are read: `Limits.drain` and `Limits.send`."""
    needed = Limits().drain + Limits().send
    assert manifests["Deployment"]["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] > needed
    (seconds,) = re.findall(r"^TimeoutStopSec=(\d+)$", (DEPLOY / "polymath-serve.service").read_text(), flags=re.M)
    assert int(seconds) > needed


def test_the_pod_may_do_nothing_but_serve(manifests: dict[str, dict[str, Any]], container: dict[str, Any]) -> None:
    spec = manifests["Deployment"]["spec"]["template"]["spec"]
    assert spec["securityContext"]["runAsNonRoot"]
    assert not spec["automountServiceAccountToken"]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in spec["volumes"]}


def test_the_service_finds_the_pods(manifests: dict[str, dict[str, Any]]) -> None:
    labels = manifests["Deployment"]["spec"]["template"]["metadata"]["labels"]
    for selector in (
        manifests["Service"]["spec"]["selector"],
        manifests["Deployment"]["spec"]["selector"]["matchLabels"],
        manifests["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
    ):
        assert selector.items() <= labels.items()


def test_the_image_copies_what_exists_and_installs_declared_extras() -> None:
    text = (DEPLOY / "Dockerfile.serve").read_text().replace("\\\n", " ")
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    for line in text.splitlines():
        if line.startswith("COPY ") and "--from" not in line:
            for source in line.split()[1:-1]:
                assert (ROOT / source).exists(), source
                assert f"!{source}" in ignored, "the build sees what .dockerignore lets through"
    project = (ROOT / "pyproject.toml").read_text()
    lists = re.findall(r"EXTRAS=([\w,]+)", text)
    assert len(lists) == 2
    for extra in {extra for each in lists for extra in each.split(",")}:
        assert f"\n{extra} = [" in project
    (pinned,) = re.findall(r"^ARG UV=(.*)$", text, flags=re.M)
    assert f"UV_VERSION := {pinned}\n" in (ROOT / "Makefile").read_text()
