"""Traffic and time against hand counts."""

from dataclasses import replace

import pytest

from polymath.planning import roofline
from polymath.planning.plan import Plan
from polymath.planning.roofline import HIGH, LOW, MIDDLE, phase_times, step_seconds
from polymath.planning.topology import Mesh, parse
from polymath.planning.traffic import transfers
from polymath.planning.workload import Decoder, Workload

GIB = 2**30
DECODER = Decoder(44, 7168, 64, 16, 128, 20_480, 256_000)
WORK = Workload("body", DECODER, 2048, 4096, 2**25)
PLAN = Plan(WORK, parse("v4:8x8x8"), Mesh(1, 512, 1))
IDEAL = roofline.Efficiency(1, 1, 1, 1, 1, 1, 1)


def received(plan: Plan) -> dict[tuple[str, str], float]:
    return {(move.tensor, move.phase): move.bytes for move in transfers(plan)}


def test_gathers_of_a_compiled_program() -> None:
    """96.25 GiB all-gathered a step, 12 gathers a layer, in the compiled forward and backward pass of this decoder on
    512 chips, and 192.5 GiB with two micro-batches; the program's figure counts a chip's own shard in.
    """
    layers = [move for move in transfers(PLAN) if move.tensor == "layers"]
    assert sum(move.bytes for move in layers) * 512 / 511 / GIB == pytest.approx(96.25, rel=2e-3)
    twice = [move for move in transfers(replace(PLAN, accumulation=2)) if move.tensor == "layers"]
    assert sum(move.bytes for move in twice) * 512 / 511 / GIB == pytest.approx(192.5, rel=2e-3)


def test_gradients_are_reduced_once_a_micro_batch() -> None:
    moved = received(PLAN)
    assert moved["layers' gradients", "backward"] == 4 * 44 * DECODER.layer * 511 / 512
    assert (
        received(replace(PLAN, gradient_bytes=2))["layers' gradients", "backward"] * 2
        == moved["layers' gradients", "backward"]
    )
    assert ("gradient shards", "optimizer") not in moved, "one replica"


def test_travelling_gradients_are_taken_off_the_reduction() -> None:
    """7/8 of all matrices but keys and values; what both send together is what the collectives alone would send."""
    plan = replace(PLAN, rings=1)
    hops = replace(plan, hops=8)
    there, here = received(hops), received(plan)
    large = 44 * (2 * 8192 + 3 * 20_480) * 7168
    assert there["travelling gradients", "backward"] == 4 * large * 7 / 8
    both = there["travelling gradients", "backward"] + there["layers' gradients", "backward"]
    assert both == pytest.approx(here["layers' gradients", "backward"])
    assert ("travelling gradients", "backward") not in here
    assert step_seconds(hops, MIDDLE) < step_seconds(plan, MIDDLE)
    bare = replace(MIDDLE, gathers=0)
    assert step_seconds(hops, bare) == pytest.approx(step_seconds(plan, bare)), "hidden by nothing, it takes as long"


def test_activations_of_a_compiled_program() -> None:
    """[64, 8] with full remat: the program gathers 474 GiB and scatters 386, of which about 96/8 are weights."""
    plan = replace(PLAN, mesh=Mesh(1, 64, 8))
    activations = sum(move.bytes for move in transfers(plan) if move.tensor == "activations")
    assert activations * 8 / 7 / GIB == pytest.approx(474 + 386 - 96 / 8, rel=0.1)


def test_replicas_exchange_their_shards() -> None:
    """A ring all-reduce of b bytes over r members receives 2 b (r - 1) / r."""
    plan = Plan(WORK, parse("2*v4:8x8x4"), Mesh(2, 256, 1))
    assert received(plan)["gradient shards", "optimizer"] == 2 * (4 * WORK.trainable / 256) / 2


def test_an_ideal_machine_needs_the_flops_only() -> None:
    """8.4e6 tokens x 6 x 27.7 B parameters at 512 x 275 TFLOP/s and causal attention: 10.4 s."""
    none = replace(PLAN, remat="minimal")
    seconds = step_seconds(none, IDEAL)
    flops = WORK.tokens * (6 * WORK.trainable + 6 * 44 * 8192 * 4096) / (512 * 275e12)
    assert flops == pytest.approx(10.4, abs=0.05)
    assert flops < seconds < 1.2 * flops


def test_slower_parts_make_slower_steps() -> None:
    assert step_seconds(PLAN, LOW) > step_seconds(PLAN, MIDDLE) > step_seconds(PLAN, HIGH) > step_seconds(PLAN, IDEAL)
    assert step_seconds(replace(PLAN, mesh=Mesh(1, 64, 8)), MIDDLE) > step_seconds(PLAN, MIDDLE)


def test_hidden_communication_needs_computation_to_hide_behind() -> None:
    for phase in phase_times(PLAN, replace(IDEAL, links=1e-3)).values():
        assert phase.exposed >= phase.communication - phase.compute - 1e-9
    for phase in phase_times(PLAN, replace(MIDDLE, gathers=0, reductions=0, activations=0)).values():
        assert phase.exposed == phase.communication


def test_plain_attention_moves_its_scores() -> None:
    """16 bytes a score: [512 sequences...] 4 sequences a chip x 64 heads x 4,096^2 x 44 layers."""
    plain = replace(PLAN, workload=replace(WORK, decoder=replace(DECODER, attention="plain")))
    (forward,) = [op for op in roofline.operations(plain) if op.name == "attention forward"]
    assert forward.bytes == 16 * 4 * 64 * 4096**2 * 44
    (flash,) = [op for op in roofline.operations(PLAN) if op.name == "attention forward"]
    assert (flash.bytes, flash.flops * 2) == (0, forward.flops)
