"""What the compiled step sends between chips, read off the HLO that libtpu writes for a torus of 64 TPU v4 chips.

Needs libtpu, no TPU. The model is shallow (`shallow.py`), its axes divide as the reference's.
"""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.training import shallow

from polymath.planning.collectives import Collective, collectives
from polymath.planning.hlo import parse

PROGRAM = str(Path(__file__).parent / "shallow.py")
LARGE = 2**18  # bytes; a layer's smallest weight is 1 MiB in bfloat16
WEIGHT = 4 * shallow.MLP * shallow.WIDTH  # bytes of a layer's largest gradient in float32
MATRICES = 6  # query, key_value, out, gate, up, down


def read(text: str) -> list[Collective]:
    return collectives(parse(text), shallow.CHIPS)


@pytest.fixture(scope="module")
def step(beside_libtpu: Callable[..., str]) -> list[Collective]:
    return read(beside_libtpu(PROGRAM))


@pytest.fixture(scope="module")
def hopping(beside_libtpu: Callable[..., str]) -> list[Collective]:
    return read(beside_libtpu(PROGRAM, json.dumps({"gradient_reduction": "hops", "remat": "minimal"})))


def of_decoder_layers(step: list[Collective], kind: str) -> list[Collective]:
    return [c for c in step if c.kind == kind and c.times == shallow.DEPTH and c.bytes >= LARGE]


def test_every_weight_of_a_layer_is_gathered_once_a_pass(step: list[Collective]) -> None:
    """Forward, and again in the backward pass where everything is recomputed."""
    passes = Counter(
        "recomputed" if "remat" in c.operation else "forward" for c in of_decoder_layers(step, "all-gather")
    )
    assert passes == {"forward": MATRICES, "recomputed": MATRICES}


def test_all_large_gathers_are_asynchronous(step: list[Collective]) -> None:
    large = [c for c in step if c.kind == "all-gather" and c.bytes >= LARGE]
    assert large
    assert all(c.asynchronous for c in large)


def test_no_all_reduce_is_larger_than_a_layers_gradient(step: list[Collective]) -> None:
    """None is even near: what is summed whole are norms, biases, and the parts that copies share."""
    assert max(c.bytes for c in step if c.kind == "all-reduce") < WEIGHT / 4


def test_a_gradient_is_reduced_over_one_ring_after_the_other(step: list[Collective]) -> None:
    """Three rings of 4 chips: 1, 1/4 and 1/16 of the gradient of each matrix."""
    scatters = [c for c in step if c.kind == "reduce-scatter" and c.times == shallow.DEPTH]
    assert {c.group for c in scatters} == {4}
    assert len(scatters) == 3 * MATRICES


def test_travelling_gradients_leave_a_scatter_over_two_rings(hopping: list[Collective]) -> None:
    """Five matrices go around a ring of 4 in two directions, 3 hops each; keys and values go over 3 rings."""
    hops = of_decoder_layers(hopping, "collective-permute")
    assert len(hops) == (MATRICES - 1) * 2 * 3
    assert all(c.asynchronous and c.hidden for c in hops)
    scatters = [c for c in hopping if c.kind == "reduce-scatter" and c.times == shallow.DEPTH]
    assert len(scatters) == 2 * (MATRICES - 1) + 3
    assert len(of_decoder_layers(hopping, "all-gather")) == 2 * MATRICES
    assert max(c.bytes for c in hopping if c.kind == "all-reduce") < WEIGHT / 4


def test_nothing_has_a_row_for_each_token_and_a_column_for_each_entry(step: list[Collective]) -> None:
    tokens = 2 * shallow.LENGTH
    assert all(c.bytes < 2 * tokens * shallow.VOCABULARY for c in step)
