"""Waiting by hand: TPU v4, 275 TFLOP/s, 45 GB/s a link, nothing lost."""

import pytest

from polymath.planning.hlo import parse
from polymath.planning.roofline import Efficiency
from polymath.planning.schedule import exposed_seconds
from polymath.planning.topology import parse as topology

IDEAL = Efficiency(1, 1, 1, 1, 1, 1, 1)
V4 = topology("v4:4x4x4")
SENT = 2 * 1024**2 / 45e9  # a bf16[1024,1024] over one link
PRODUCT = 2 * 1024**3 / 275e12

START = "(bf16[1024,1024], bf16[1024,1024]) collective-permute-start(%a), source_target_pairs={{0,1},{1,0}}"
BACK = START.replace("{{0,1},{1,0}}", "{{1,0},{0,1}}")
DOT = "f32[1024,1024] dot(%a, %a), lhs_contracting_dims={1}, rhs_contracting_dims={0}"


def waited(*lines: str, efficiency: Efficiency = IDEAL) -> float:
    body = "\n".join(f"  {line}" for line in ("%a = bf16[1024,1024] parameter(0)", *lines))
    text = f"HloModule m\n\nENTRY %main (a: bf16[1024,1024]) -> bf16[1024,1024] {{\n{body}\n}}\n"
    return exposed_seconds(parse(text), V4, efficiency)


def done(name: str) -> str:
    return f"%{name}-done = bf16[1024,1024] collective-permute-done(%{name})"


def test_a_product_between_start_and_end_hides_its_own_time() -> None:
    assert waited(f"%s = {START}", done("s")) == pytest.approx(SENT)
    assert waited(f"%s = {START}", f"%d = {DOT}", done("s")) == pytest.approx(SENT - PRODUCT)
    assert waited(f"%s = {START}", done("s"), f"%d = {DOT}") == pytest.approx(SENT)


def test_one_link_carries_one_transfer_at_a_time_two_links_two() -> None:
    assert waited(f"%s = {START}", f"%t = {START}", done("s"), done("t")) == pytest.approx(2 * SENT)
    assert waited(f"%s = {START}", f"%t = {BACK}", done("s"), done("t")) == pytest.approx(SENT)


def test_what_is_hidden_counts_with_the_share_that_never_hides() -> None:
    products = [f"%d{n} = {DOT}" for n in range(12)]  # 12 x 7.8 µs cover 46.6 µs
    assert waited(f"%s = {START}", *products, done("s")) == 0
    partly = Efficiency(1, 1, 1, 1, gathers=0.85, reductions=0, activations=0)
    assert waited(f"%s = {START}", *products, done("s"), efficiency=partly) == pytest.approx(0.15 * SENT)


def test_a_synchronous_collective_is_waited_for() -> None:
    """A reduce-scatter over a ring of 4: 3/4 of it arrive over two links."""
    line = "%r = bf16[256,1024] reduce-scatter(%a), replica_groups={{0,1,2,3}}, dimensions={0}"
    assert waited(line) == pytest.approx(3 / 4 * 2 * 1024**2 / 90e9)
