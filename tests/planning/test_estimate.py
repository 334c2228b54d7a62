"""The estimate of the reference run against hand counts and a hand-made table of its MFU."""

import json

import pytest

from polymath.planning.estimate import DAY, estimate
from polymath.planning.plan import Plan
from polymath.planning.topology import Mesh, parse
from polymath.planning.workload import of_recipe
from polymath.presets import preset

WORK = of_recipe(preset("polymath_v_30b"), images=4)
PLAN = Plan(WORK, parse("v4:8x8x8"), Mesh(1, 512, 1))
REPORT = estimate(PLAN, days=28, price=2.0)


def test_what_scripts_read() -> None:
    assert json.loads(json.dumps(REPORT, allow_nan=False)) == REPORT
    assert (REPORT["devices"], REPORT["fits"], REPORT["tokens_per_step"]) == (512, True, 2048 * 4096)
    assert REPORT["parameters"]["total"] == pytest.approx(29.79e9, rel=1e-3)


def test_time_and_utilisation_belong_together() -> None:
    """10.4 s at 100 % of 512 x 275 TFLOP/s (1.47e18 FLOPs a step); days and tokens by hand from the step time."""
    ideal = REPORT["flops"]["model"] / (512 * 275e12)
    assert ideal == pytest.approx(10.45, rel=0.01)
    for scenario in REPORT["scenarios"].values():
        assert scenario["mfu"] * scenario["step_seconds"] == pytest.approx(ideal)
        assert scenario["hfu"] > scenario["mfu"]
        assert scenario["steps"] == int(28 * DAY / scenario["step_seconds"])
        assert scenario["days_per_trillion_tokens"] == pytest.approx(
            1e12 / (2048 * 4096) * scenario["step_seconds"] / DAY
        )
        assert sum(phase["total"] for phase in scenario["phases"].values()) == pytest.approx(scenario["step_seconds"])
    assert REPORT["scenarios"]["low"]["mfu"] < REPORT["mfu"] < REPORT["scenarios"]["high"]["mfu"]


def test_images_cost_their_share() -> None:
    """Frozen vision: 0.6 % of the step's FLOPs at 4 images a sequence, 4.8 % at 32 (hand count of ViT-bigG/14)."""
    many = estimate(Plan(of_recipe(preset("polymath_v_30b"), images=32), PLAN.topology, PLAN.mesh))
    for report, share in ((REPORT, 0.006), (many, 0.048)):
        vision = report["flops"]["by_part"]["vision"] / report["flops"]["model"]
        assert vision == pytest.approx(share, rel=0.15)


def test_money_and_checkpoint() -> None:
    """512 chips x 672 hours x 2; 29.8 B float32 weights on 128 hosts of four chips."""
    assert REPORT["money"]["run"] == 512 * 672 * 2
    assert REPORT["checkpoint"]["bytes"] == pytest.approx(4 * 29.79e9, rel=0.01)
    assert REPORT["checkpoint"]["bytes_per_host"] == pytest.approx(0.93e9, rel=0.01)
    assert estimate(PLAN)["money"] is None
