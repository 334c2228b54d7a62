"""The benchmark of a GPU, at tiny size on a CPU; and the training step as it is lowered for CUDA."""

import json
from dataclasses import replace
from types import SimpleNamespace

import jax
import pytest

from benchmarks import gpu
from polymath.model.execution import Execution
from polymath.planning import flops
from polymath.planning.workload import of_recipe, resized
from polymath.presets import preset
from polymath.presets.demo import TINY
from polymath.training.step import make_step, state_on_mesh


def test_it_runs_and_prints_what_mfu_is_made_of(capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--preset", "tiny", "--rows", "2", "--images", "2", "--steps", "1", "--peak", "0.1", "--json"]
    assert gpu.main(given) == 0
    found = json.loads(capsys.readouterr().out)
    step = found["training"]
    assert step["flops"] == flops.model(of_recipe(resized(TINY, 2, None, 2)))
    assert found["mfu"] == pytest.approx(step["flops"] / (step["step_seconds"] * 1e11))
    assert found["attention"] == "reference"
    assert found["policy_seconds"]["answers"] == 5
    shown = gpu.shown(found)
    assert flops.FORMULA in shown
    assert "MFU " in shown
    assert "give --peak" not in shown


def test_the_peak_is_the_planners() -> None:
    peaks = {"NVIDIA H100 80GB HBM3": 989e12, "NVIDIA B200": 2250e12, "cpu": None, "NVIDIA A10G": None}
    for kind, peak in peaks.items():
        assert gpu.peak_of(SimpleNamespace(device_kind=kind)) == peak


def test_the_step_of_the_1b_lowers_for_cuda_with_cudnns_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two layers of it, from shapes alone: the kernel forward, again in the recomputed forward pass, and backward."""
    monkeypatch.setattr("jax._src.cudnn.fused_attention_stablehlo.check_cudnn_version", lambda: 91_002)
    recipe = resized(preset("polymath_v_1b"), 2, None, 2)
    model = replace(recipe.model, decoder=replace(recipe.model.decoder, depth=2))
    phase, execution = recipe.robot, Execution(dtype="bfloat16", remat="full", attention="cudnn")
    step = make_step(model, phase.optimizer, phase.loss, execution, phase.steps)
    state = jax.eval_shape(lambda key: state_on_mesh(model, phase.optimizer, key, None), jax.random.key(0))
    batch = jax.eval_shape(lambda: gpu.random_batch(recipe.layout, 2, 1000))
    text = step.trace(state, batch).lower(lowering_platforms=("cuda",)).as_text()  # type: ignore[attr-defined]
    assert text.count("@__cudnn$fmhaScaleBiasSoftmax(") == 2
    assert text.count("@__cudnn$fmhaScaleBiasSoftmaxBackward(") == 1
