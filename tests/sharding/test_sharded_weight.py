"""Cutting and gathering are inverse; what the TPU compiler makes of them, and of less."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from polymath.sharding import sharded_weight as sw

PROGRAM = str(Path(__file__).parent / "sharded_weight_program.py")
LAYOUT = sw.ShardLayout(((-3, ("a",), 4), (-2, ("b",), 2)), (("a", 4), ("b", 2)), sw.Reduction())


def test_parts_are_blocks_of_the_whole_and_put_it_together_again() -> None:
    whole = jnp.arange(2 * 8 * 6 * 5.0).reshape(2, 8, 6, 5)
    parts = sw._split(whole, LAYOUT)
    np.testing.assert_array_equal(parts[2 * 1 + 1], whole[:, 2:4, 3:6])  # device (1, 1)
    np.testing.assert_array_equal(sw._join(parts, LAYOUT), whole)


@pytest.fixture(scope="module")
def programs(beside_libtpu: Callable[..., str]) -> dict[str, list[dict[str, Any]]]:
    return json.loads(beside_libtpu(PROGRAM).splitlines()[-1])


def kinds(program: list[dict[str, Any]]) -> list[str]:
    return sorted(c["kind"] for c in program)


def test_a_gather_a_pass_and_a_scatter_a_ring(programs: dict[str, list[dict[str, Any]]]) -> None:
    written = programs["as written"]
    assert kinds(written) == ["all-gather"] * 2 + ["reduce-scatter"] * 3
    assert all(c["async"] for c in written if c["kind"] == "all-gather")
    assert [c["group"] for c in written if c["kind"] == "reduce-scatter"] == [4, 4, 4]


def test_a_travelling_gradient_is_sent_beside_products(programs: dict[str, list[dict[str, Any]]]) -> None:
    """Two products with the weight, each around a ring of 4 in two directions; their sum is scattered over the other
    two rings.
    """
    hops = [c for c in programs["hops"] if c["kind"] == "collective-permute"]
    assert len(hops) == 2 * 2 * 3
    assert all(c["async"] and c["hidden"] for c in hops)
    scatters = [c for c in programs["hops"] if c["kind"] == "reduce-scatter"]
    assert [(c["group"], c["bytes"]) for c in scatters] == [(4, 4 * 2048 * 1024 // 4), (4, 4 * 2048 * 1024 // 16)]


def test_without_the_option_gathers_are_synchronous(programs: dict[str, list[dict[str, Any]]]) -> None:
    assert not any(c["async"] for c in programs["without the option"])


def test_scattered_at_once_a_gradient_is_reduced_in_full(programs: dict[str, list[dict[str, Any]]]) -> None:
    """The whole gradient, in one group: in float32 by libtpu 0.0.42, in bfloat16 (summed in float32) by 0.0.50."""
    (reduction,) = (c for c in programs["at once"] if c["kind"] != "all-gather")
    assert (reduction["kind"], reduction["group"]) == ("all-reduce", 64)
    assert reduction["bytes"] in (4 * 2048 * 1024, 2 * 2048 * 1024)
