"""FLOPs against hand counts and against published totals."""

import pytest

from polymath.planning import flops, remat
from polymath.planning.cost import training_flops_per_token
from polymath.planning.plan import Plan
from polymath.planning.topology import Mesh, parse
from polymath.planning.workload import Decoder, Workload, of_recipe
from polymath.presets import preset

# PaLM 540B (Chowdhery et al. 2022, arXiv:2204.02311, table 1): 118 layers, width 18,432, 48 heads of 256, one for keys
# and values.
PALM = Decoder(118, 18_432, 48, 1, 256, 4 * 18_432, 256_000, parallel=True)


def test_parameters_of_palm() -> None:
    assert PALM.depth * PALM.layer + PALM.embedding == pytest.approx(540.35e9, rel=1e-3)


def test_model_flops_are_six_a_parameter_and_attention() -> None:
    """6 N + 12 L H Q T (PaLM, appendix B) a token; the causal half of the latter by default."""
    work = Workload("palm", PALM, 1, 2048, 0)
    parameters, full = PALM.depth * PALM.layer + PALM.embedding, 12 * 118 * 48 * 256 * 2048
    assert flops.model(work, causal=False) == 2048 * (6 * parameters + full)
    assert flops.model(work) == 2048 * (6 * parameters + full // 2)


@pytest.mark.parametrize("name", ["demo", "polymath_v_30b"])
def test_a_recipe_counts_as_in_the_preset_table(name: str) -> None:
    recipe = preset(name)
    work = of_recipe(recipe)
    assert flops.model(work) // work.tokens == training_flops_per_token(recipe)
    assert sum(flops.by_part(work).values()) == flops.model(work)


def test_what_the_policies_compute_again() -> None:
    """By hand for D = 4, one head of 2, F = 8: query 8, key and value 16, out 8, gate and up 64, down 32 parameters."""
    decoder = Decoder(1, 4, 1, 1, 2, 8, 10)
    assert decoder.matrices == {"query": 8, "key_value": 16, "out": 8, "up": 64, "down": 32}
    again = {name: remat.recomputed(decoder, name) for name in remat.POLICIES}
    assert [again[n] for n in ("full", "attention", "offload", "projections", "dots", "none")] == [96, 88, 88, 64, 0, 0]
    kept = {name: remat.kept(decoder, name) for name in remat.POLICIES}
    assert kept["full"] == 4
    assert kept["attention"] == 4 + (2 + 2) + 4
    assert kept["projections"] == 4 + 2 + 4 + (2 + 2) + 4
    assert kept["dots"] == 4 + 2 + 4 + 4 + 16
    assert kept["none"] > kept["minimal"] > kept["dots"]


def test_full_remat_costs_a_quarter() -> None:
    """Everything but the last product again: 25 % of 6 N in a compiled program of the 30B's decoder."""
    decoder = of_recipe(preset("polymath_v_30b")).decoder
    assert remat.recomputed(decoder, "full") / (3 * decoder.layer) == pytest.approx(0.25, abs=0.002)


def test_hardware_flops() -> None:
    work = of_recipe(preset("polymath_v_30b"), images=4)
    plan = Plan(work, parse("v4:8x8x8"), Mesh(1, 512, 1))
    scores = flops.attention(work)
    again = 2 * work.tokens * 44 * remat.recomputed(work.decoder, "full") + scores
    assert flops.hardware(plan) == flops.model(work) + again + scores // 2
