"""The closed form of the peak against XLA's memory analysis of ahead-of-time compiled programs for 512 v4 chips.

The programs: the decoder's forward and backward pass, or the whole step, of 44 layers, width 7,168, 64 query and 16
key-value heads of 128, feed-forward 20,480, with 2,048 sequences of 4,096 tokens, compiled with libtpu. The vocabulary
was divided over 8 chips, so a layer's backward pass was their peak.
"""

import pytest

from polymath.errors import ConfigError
from polymath.planning.memory import at_peak, by_category, fits, on_host, peak
from polymath.planning.plan import Plan
from polymath.planning.request import Request, prepare
from polymath.planning.topology import Mesh, parse
from polymath.planning.workload import Decoder, Part, Workload
from polymath.presets import preset

GIB = 2**30
DECODER = Decoder(44, 7168, 64, 16, 128, 20_480, 262_144)
STEP = Workload("step", DECODER, 2048, 4096, 2**25, (Part("vision", 1_842_775_680, 0, frozen=True),))
V4 = parse("v4:8x8x8")


@pytest.mark.parametrize(
    ("mesh", "remat", "accumulation", "measured"),
    [
        (Mesh(1, 512, 1), "full", 1, 16.75),
        (Mesh(1, 512, 1), "projections", 2, 28.38),
        (Mesh(1, 512, 1), "minimal", 4, 28.96),
        (Mesh(1, 256, 2), "full", 1, 16.70),
        (Mesh(1, 128, 4), "full", 1, 18.24),
        (Mesh(1, 64, 8), "full", 1, 21.80),
        (Mesh(1, 32, 16), "full", 1, 28.00),
    ],
)
def test_peak_against_compiled_programs(mesh: Mesh, remat: str, accumulation: int, measured: float) -> None:
    plan = Plan(STEP, V4, mesh, remat, accumulation, tile=128, ring=8)
    assert peak(plan) / GIB == pytest.approx(measured, rel=0.06)
    assert peak(plan) == sum(at_peak(plan).values())
    assert fits(plan)


@pytest.mark.parametrize(
    ("remat", "accumulation", "reduction", "measured"),
    [
        ("full", 1, "scatter", 17.50),
        ("attention", 2, "hops", 20.84),
        ("projections", 2, "hops", 29.07),
        ("minimal", 4, "hops", 29.49),
    ],
)
def test_peak_against_the_real_step(remat: str, accumulation: int, reduction: str, measured: float) -> None:
    """GiB of the whole training step of `polymath_v_30b`, 4 images a sequence, gradients in bf16, compiled by
    `polymath plan polymath_v_30b --images 4 --remat … --accumulation … --reduction … --compile` (libtpu 0.0.42.1).
    """
    request = Request(images=4, remat=remat, accumulation=accumulation, reduction=reduction, gradients="bfloat16")
    assert peak(prepare(preset("polymath_v_30b"), request)[1]) / GIB == pytest.approx(measured, rel=0.07)


def test_state_by_hand() -> None:
    """28.0 B trainable and 1.84 B frozen parameters in 4 bytes over 512 chips."""
    sizes = by_category(Plan(STEP, V4, Mesh(1, 512, 1)))
    trainable = 44 * (2 * 8192 + 2 * 2048 + 3 * 20_480) * 7168 + 262_144 * 7168
    assert sizes["master weights"] == 4 * (trainable + 1_842_775_680) // 512
    assert sizes["gradients"] == 4 * trainable // 512
    assert sizes["activations"] == 44 * 4 * 4096 * 7168 * 2


def test_offloading_moves_activations_to_the_host() -> None:
    here, there = (Plan(STEP, V4, Mesh(1, 512, 1), remat) for remat in ("attention", "offload"))
    assert on_host(there) == 2 * 4 * 4096 * 44 * 7168 == peak(here) - peak(there)
    assert on_host(here) == 0


def test_the_loss_can_be_the_peak() -> None:
    plan = Plan(STEP, V4, Mesh(1, 512, 1), tile=16_384)
    assert at_peak(plan)["logits"] == 8 * 16_384 * 262_144
    assert "working set" not in at_peak(plan)
    assert not fits(plan), "16,384 x 262,144 float32 logits and their gradients are 34 GB"


def test_a_batch_that_does_not_divide() -> None:
    with pytest.raises(ConfigError, match="take a multiple of 4096"):
        Plan(STEP, V4, Mesh(1, 512, 1), accumulation=8)
    with pytest.raises(ConfigError, match="choose from full, attention"):
        Plan(STEP, V4, Mesh(1, 512, 1), remat="some")
