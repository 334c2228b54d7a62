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


def gather(chips: int) -> tuple[str, str]:
    """An asynchronous gather of a bf16[64,1024] over the first so many chips, and its end."""
    shape, groups = f"bf16[{64 * chips},1024]", ",".join(map(str, range(chips)))
    start = f"(bf16[64,1024], {shape}) all-gather-start(%p), replica_groups={{{{{groups}}}}}, dimensions={{0}}"
    return start, f"%g-done = {shape} all-gather-done(%g)"


def test_what_all_chips_take_part_in_shares_the_links_of_a_shift() -> None:
    """A gather over 64 chips over all six links; over a ring of 4 over its own two."""
    part = "%p = bf16[64,1024] parameter(1)"
    everybody, end = gather(64)
    alone = 63 * 64 * 1024 * 2 / (6 * 45e9)
    assert waited(part, f"%s = {START}", f"%g = {everybody}", done("s"), end) == pytest.approx(SENT + alone)
    ring, end = gather(4)
    assert waited(part, f"%s = {START}", f"%g = {ring}", done("s"), end) == pytest.approx(SENT)


def test_what_is_hidden_counts_with_the_share_that_never_hides() -> None:
    products = [f"%d{n} = {DOT}" for n in range(12)]  # 12 x 7.8 µs cover 46.6 µs
    assert waited(f"%s = {START}", *products, done("s")) == 0
    partly = Efficiency(1, 1, 1, 1, gathers=0.85, reductions=0, activations=0)
    assert waited(f"%s = {START}", *products, done("s"), efficiency=partly) == pytest.approx(0.15 * SENT)


def test_a_synchronous_collective_is_waited_for() -> None:
    """A reduce-scatter over a ring of 4: 3/4 of it arrive over two links."""
    line = "%r = bf16[256,1024] reduce-scatter(%a), replica_groups={{0,1,2,3}}, dimensions={0}"
    assert waited(line) == pytest.approx(3 / 4 * 2 * 1024**2 / 90e9)
