"""The training step on simulated devices: every mesh gives the curve of a single device."""

import json
import os
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.compilation import QUICK

PROGRAM = Path(__file__).parent / "curves.py"
STEPS = 20
MESHES: dict[str, dict[str, Any]] = {
    "[1, 1, 1]": {"data": 1},
    "[1, 8, 1]": {"data": 8},
    "[1, 2, 4]": {"data": 2, "model": 4, "rules": "pax_2d"},
    "[2, 2, 2]": {"replica": 2, "data": 2, "model": 2, "rules": "pax_2d"},
    "[2, 2, 2] fsdp": {"replica": 2, "data": 2, "model": 2},
    "[1, 4, 2] small_batch": {"data": 4, "model": 2, "rules": "small_batch"},
}


def curves(requests: list[dict[str, Any]], devices: int = 8) -> list[list[float]]:
    """Of the program `curves.py` in its own process, which has so many simulated devices."""
    environment = {
        **os.environ,
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices} {QUICK}",
        "JAX_PLATFORMS": "cpu",
    }
    command = [sys.executable, str(PROGRAM), json.dumps(requests)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def alone_and_by_mesh() -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The curve without a mesh, and those of every mesh with both axis types."""
    both = product(MESHES.items(), ("auto", "explicit"))
    meshes = {f"{name} {axes}": {**mesh, "axes": axes} for (name, mesh), axes in both}
    requests = [{"mesh": mesh, "execution": {}, "steps": STEPS} for mesh in ({}, *meshes.values())]
    alone, *others = map(np.array, curves(requests))
    return alone, dict(zip(meshes, others, strict=True))


def test_the_loss_curves_of_all_meshes_agree(alone_and_by_mesh: tuple[np.ndarray, dict[str, np.ndarray]]) -> None:
    """To 1e-5 relative over 20 steps, float32; axis types auto and explicit."""
    alone, by_mesh = alone_and_by_mesh
    assert alone.shape == (STEPS,)
    assert np.ptp(alone) > 0.1  # it moves
    for name, curve in by_mesh.items():
        np.testing.assert_allclose(curve, alone, rtol=1e-5, err_msg=name)


def test_micro_batches_and_what_is_recomputed_change_nothing() -> None:
    ways = list(product(["full", "attention", "projections", "minimal"], ["scatter", "hops"]))
    requests: list[dict[str, Any]] = [{"mesh": {}, "execution": {"remat": "none"}, "steps": 4}]
    for remat, reduction in ways:
        execution = {"remat": remat, "micro_batches": 2, "gradient_reduction": reduction}
        requests.append({"mesh": {"data": 4}, "execution": execution, "steps": 4})
    alone, *others = map(np.array, curves(requests, devices=4))
    for names, curve in zip(ways, others, strict=True):
        np.testing.assert_allclose(curve, alone, rtol=1e-5, err_msg=str(names))


def test_gradients_may_be_reduced_hop_by_hop() -> None:
    """Rings of 2; `tests/sharding/test_rings.py` has larger ones. With and without products that wait."""
    hops = {"gradient_reduction": "hops"}
    requests: list[dict[str, Any]] = [
        {"mesh": {}, "execution": {}, "steps": STEPS},
        {"mesh": {"data": 8}, "execution": {**hops, "remat": "full"}, "steps": STEPS},
        {"mesh": {"replica": 2, "data": 4}, "execution": {**hops, "remat": "minimal"}, "steps": STEPS},
    ]
    alone, *others = map(np.array, curves(requests))
    for request, curve in zip(requests[1:], others, strict=True):
        np.testing.assert_allclose(curve, alone, rtol=1e-5, err_msg=str(request))


def test_gradients_may_travel_in_half_precision() -> None:
    """Their sum loses digits, so the curve is another one, but near."""
    requests = [
        {"mesh": {"data": 4}, "execution": {"gradient_dtype": dtype}, "steps": 6} for dtype in ("float32", "bfloat16")
    ]
    exact, rounded = map(np.array, curves(requests, devices=4))
    assert not np.array_equal(exact, rounded)
    np.testing.assert_allclose(rounded, exact, rtol=2e-3)


def test_a_checkpoint_of_one_mesh_goes_on_on_another(tmp_path: Path) -> None:
    """Saved from 2 replicas x 2 shards, restored on 4 shards, then on one device."""
    here, there = str(tmp_path / "here"), str(tmp_path / "there")
    whole, first, second, third = curves(
        [
            {"mesh": {}, "execution": {}, "steps": 6},
            {"mesh": {"replica": 2, "data": 2}, "execution": {}, "steps": 2, "save": here},
            {"mesh": {"data": 4}, "execution": {}, "steps": 2, "first": 2, "restore": here, "save": there},
            {"mesh": {}, "execution": {}, "steps": 2, "first": 4, "restore": there},
        ],
        devices=4,
    )
    np.testing.assert_allclose(first + second + third, whole, rtol=1e-5)
