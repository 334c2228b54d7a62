"""The search against its own estimates, and the errors of what cannot be planned."""

import pytest

from polymath.errors import ConfigError
from polymath.planning import memory
from polymath.planning.remat import POLICIES
from polymath.planning.request import Request, prepare
from polymath.planning.roofline import MIDDLE, step_seconds
from polymath.planning.search import ACCUMULATIONS, REMATS, row, search
from polymath.presets import preset

REFERENCE = preset("polymath_v_30b")


def test_every_candidate_is_ranked_or_counted() -> None:
    """v4:8x8x8: five meshes (model 1 to 16) x policies x micro-batches."""
    ranking = search(REFERENCE, Request(images=4))
    assert len(ranking.plans) + sum(ranking.infeasible.values()) == 5 * len(REMATS) * len(ACCUMULATIONS)
    times = [step_seconds(plan, MIDDLE) for plan in ranking.plans]
    assert times == sorted(times)
    assert all(memory.fits(plan) for plan in ranking.plans)
    assert set(ranking.infeasible) == {"out of memory", "batch does not divide"}
    assert row(ranking.plans[0])["step_seconds"] == times[0]


def test_what_is_given_is_held() -> None:
    ranking = search(REFERENCE, Request(mesh="1,512,1", remat="full", images=4))
    assert {(plan.mesh.data, plan.remat) for plan in ranking.plans} == {(512, "full")}
    assert [plan.accumulation for plan in ranking.plans] == [1, 2, 4]


def test_the_planner_knows_every_policy_of_the_model() -> None:
    assert set(REMATS) <= set(POLICIES)


def test_the_recipe_is_what_was_planned() -> None:
    recipe, plan = prepare(REFERENCE, Request(batch=4096, context=2048, images=7, remat="full", accumulation=4))
    assert (recipe.robot.rows, recipe.layout.length, recipe.layout.max_images) == (4096, 2048, 7)
    assert (recipe.execution.remat, recipe.execution.micro_batches) == ("full", 4)
    assert (plan.workload.sequences, plan.workload.length, plan.workload.images) == (4096, 2048, 7)
    assert plan.tokens == 4096 * 2048 // 512 // 4


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (Request(mesh="1,16,32"), "model = 32 does not divide decoder.kv_heads = 16"),
        (Request(batch=1000), "take a multiple of 1024"),
        (Request(accumulation=0), "must be at least 1"),
        (Request(images=65), "has room for the latents of 64 images"),
        (Request(context=8192), "was trained for 4096"),
        (Request(remat="some"), "no such policy; choose from"),
        (Request(topology="v4:7x7x7"), "take a multiple of 686"),
    ],
)
def test_what_cannot_be_planned(request_: Request, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        prepare(REFERENCE, request_)
    assert message in str(error.value)


def test_a_search_over_an_impossible_request_says_why() -> None:
    with pytest.raises(ConfigError, match="room for the latents"):
        search(REFERENCE, Request(images=65))
