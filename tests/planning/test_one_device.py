"""Memory of a step on one device: against XLA's buffer assignment of a shallow model, by hand, and in the command."""

import json
from dataclasses import replace

import pytest

from polymath import specs as weights
from polymath.cli import main
from polymath.model import lora, polymath_v
from polymath.planning.memory import at_peak, fits, peak
from polymath.planning.remedies import BLOCKS, remedies
from polymath.planning.request import Request, prepare
from polymath.presets import preset
from polymath.training.adapters import with_adapters_on_published
from polymath.training.ahead import compiled_bytes
from polymath.training.recipe import Recipe

GIB = 2**30
PRESETS = ("polymath_v_600m", "polymath_v_2b")
GPU = Request("rtx4090:1")


def shallow() -> Recipe:
    """polymath_v_600m with one layer of each kind, and one row; every matrix has its full size."""
    recipe = preset("polymath_v_600m")
    vit, resampler, decoder = (replace(part, depth=1) for part in _parts(recipe))
    model = replace(recipe.model, vit=vit, resampler=resampler, decoder=decoder)
    return replace(recipe, model=model, robot=replace(recipe.robot, rows=1))


def _parts(recipe: Recipe) -> tuple:
    return recipe.model.vit, recipe.model.resampler, recipe.model.decoder


def adapted(recipe: Recipe) -> Recipe:
    return with_adapters_on_published(recipe, lora.Config(BLOCKS, 16, 16.0))


def test_a_shallow_model_against_xla() -> None:
    """Within 10 % of what XLA's compiler for CPUs assigns; `benchmarks/one_gpu.py` compares the whole presets."""
    recipe = shallow()
    assert peak(prepare(recipe, Request("cpu:1"))[1]) == pytest.approx(compiled_bytes(recipe), rel=0.1)


@pytest.mark.parametrize(
    ("name", "low_rank", "measured"),
    [
        ("polymath_v_600m", False, 10.03),
        ("polymath_v_600m", True, 5.75),
        ("polymath_v_2b", False, 24.90),
        ("polymath_v_2b", True, 11.42),
    ],
)
def test_the_whole_presets_against_xla(name: str, low_rank: bool, measured: float) -> None:
    """GiB of XLA's buffer assignment as `make one-gpu` printed it (jax 0.10.2)."""
    recipe = adapted(preset(name)) if low_rank else preset(name)
    assert peak(prepare(recipe, Request("cpu:1"))[1]) / GIB == pytest.approx(measured, rel=0.07)


@pytest.mark.parametrize("name", PRESETS)
def test_state_by_hand(name: str) -> None:
    """Four bytes a weight and a gradient; below adapters almost nothing has a gradient."""
    recipe = preset(name)
    count = weights.count(polymath_v.specs(recipe.model))
    full, low_rank = (at_peak(prepare(tried, GPU)[1]) for tried in (recipe, adapted(recipe)))
    assert full["weights"] == full["gradients"] == 4 * count
    learning = count - weights.count(polymath_v.specs(recipe.model).vit)
    learning -= weights.count(polymath_v.specs(recipe.model).decoder)
    assert low_rank["weights"] - full["weights"] == low_rank["gradients"] - 4 * learning > 0
    assert low_rank["gradients"] < full["gradients"] / 10
    batch = preset(name).robot.rows * (6 * 224 * 224 * 3 + 512 * 6 * 4 + 4 * 32 * 4 + 4 * 16 * (16 * 5 + 4))
    assert full["batch"] == 2 * batch


def test_what_fits_a_card_of_24_gb() -> None:
    small, large = (prepare(preset(name), GPU)[1] for name in PRESETS)
    assert fits(small)
    assert not fits(large)
    assert fits(prepare(preset("polymath_v_2b"), Request("a100:1"))[1])
    rows = remedies(preset("polymath_v_2b"), GPU)
    assert [row["fits"] for row in rows] == [False, True]
    assert rows[-1]["options"] == f"--adapters '{BLOCKS}' --rank 16"


def test_micro_batches_and_rematerialisation_trade_memory() -> None:
    """Micro-batches add a second set of gradients and divide the activations; policies that keep more need more."""
    recipe = preset("polymath_v_600m")
    whole, parts = (at_peak(prepare(recipe, replace(GPU, accumulation=n))[1]) for n in (1, 4))
    assert parts["gradients"] == 2 * whole["gradients"]
    sizes = [peak(prepare(recipe, replace(GPU, remat=remat))[1]) for remat in ("full", "attention", "minimal", "none")]
    assert sizes == sorted(sizes)


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "polymath_v_2b", "--topology", "rtx4090:1"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "DOES NOT FIT" in shown
    assert "what would make it fit" in shown
    options = ["--adapters", BLOCKS, "--set", "robot.rows=4", "--json"]
    assert main(["plan", "polymath_v_2b", "--topology", "rtx4090:1", *options]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["fits"]
    assert report["batch"] == 4
    assert {"weights", "optimizer", "gradients", "activations", "batch"} <= set(report["memory"]["categories"])
    assert report["parameters"]["trainable"] < report["parameters"]["total"] / 20
    assert main(["plan", "polymath_v_2b", "--topology", "gtx1080:1"]) == 2
    assert "no chip 'gtx1080'" in capsys.readouterr().err
