"""Reading compiled programs, against programs whose products and collectives are counted by hand.

`programs/gathered_scan_v4.hlo` is what libtpu made of this, ahead of time, on v4:2x2x1 (asynchronous gathers switched
on; of metadata and backend configurations only what is read here was kept):

    a scan over 6 layers: x [1024, 2048] per chip, weights [6, 2048, 2048] float32 in 4 shards;
    each layer gathers its weight in bf16, y = tanh(x w), under jax.checkpoint; loss, gradient, w - 0.1 gradient
"""

from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from polymath.planning import collectives, hlo, program_flops

MODULE = hlo.parse((Path(__file__).parent / "programs" / "gathered_scan_v4.hlo").read_text())
LAYER, ITERATIONS = 2048 * 2048, 6


def test_loops_are_multiplied_in() -> None:
    """Two loops of six; their trip counts stand in the conditions alone."""
    loops = [line for lines in MODULE.computations.values() for line in lines if line.opcode == "while"]
    assert [hlo.trip_count(MODULE, loop, MODULE.entry) for loop in loops] == [ITERATIONS, ITERATIONS]
    assert MODULE.runs[MODULE.entry] == 1
    assert max(MODULE.runs.values()) == ITERATIONS


def test_collectives_of_the_program() -> None:
    """A gather forward and one backward, a native reduce-scatter (padded to 2,112 rows), the loss' sum."""
    counts = collectives.summary(collectives.collectives(MODULE, 4))
    gather = counts["all-gather"]
    assert (gather["count"], gather["bytes"], gather["async"]) == (2 * ITERATIONS, 2 * ITERATIONS * 2 * LAYER, 12)
    assert gather["wire_bytes"] == gather["bytes"] * 3 // 4
    assert gather["overlapped_bytes"] == gather["bytes"] // 2, "nothing is scheduled beside the backward pass' gather"
    scatter = counts["reduce-scatter"]
    assert (scatter["count"], scatter["async"]) == (ITERATIONS, 0)
    assert scatter["bytes"] == ITERATIONS * 2 * 2112 * 2048
    assert counts["all-reduce"] == {
        "count": 1,
        "bytes": 4,
        "wire_bytes": 6,
        "async": 0,
        "async_bytes": 0,
        "overlapped_bytes": 0,
        "in_text": 1,
    }


def test_flops_of_the_program() -> None:
    """Four products of 2 x 1024 x 2048 x 2048 a layer: forward, again, and two backward."""
    counted = program_flops.count(MODULE)
    product = 2 * 1024 * LAYER
    assert counted["once"] == 4 * product
    assert counted["total"] == ITERATIONS * 4 * product
    assert counted["kernels"] == 0


def compiled_text(function: object, *shapes: tuple[int, ...]) -> tuple[str, float]:
    arguments = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    step = jax.jit(function).lower(*arguments).compile()  # type: ignore[arg-type]
    return step.as_text(), (step.cost_analysis() or {}).get("flops", 0)


def test_a_scan_compiled_here() -> None:
    """XLA's own figure holds one iteration of five; ours all."""

    def function(x: jax.Array, w: jax.Array) -> jax.Array:
        return jax.lax.scan(lambda x, _: (jnp.tanh(x @ w), None), x, length=5)[0]

    text, xla = compiled_text(function, (64, 128), (128, 128))
    product = 2 * 64 * 128 * 128
    counted = program_flops.count(hlo.parse(text))
    if counted["total"]:  # the CPU compiler may turn a product into a library call, which is no dot
        assert counted["total"] == 5 * product
        assert product <= xla < 2 * product


@pytest.mark.parametrize(
    ("labels", "shapes", "result", "window", "flops"),
    [
        ("bf_io->bf", ((8, 16), (16, 32)), (8, 32), "", 2 * 8 * 16 * 32),
        # an ordinary convolution: 5 taps over 9 positions without padding
        ("b0f_0io->b0f", ((2, 9, 3), (5, 3, 7)), (2, 5, 7), "window={size=5}", 2 * 2 * 5 * 5 * 3 * 7),
        # with padding 1 at both ends: 3 taps over 4 positions, but 2 pairs lie outside
        ("b0f_0io->b0f", ((1, 4, 1), (3, 1, 1)), (1, 4, 1), "window={size=3 pad=1_1}", 2 * (3 * 4 - 2)),
        # a product with 4 batches as TPU writes it: each output position meets one tap of the kernel
        (
            "0bf_0io->0bf",
            ((4, 8, 16), (4, 16, 32)),
            (4, 8, 32),
            "window={size=4 stride=3 pad=0_0 lhs_dilate=4}",
            2 * 4 * 8 * 16 * 32,
        ),
    ],
)
def test_convolutions_count_the_pairs_that_meet(
    labels: str, shapes: tuple[tuple[int, ...], ...], result: tuple[int, ...], window: str, flops: int
) -> None:
    def array(shape: tuple[int, ...]) -> str:
        return f"f32[{','.join(map(str, shape))}]"

    attributes = ", ".join(filter(None, (window, f"dim_labels={labels}")))
    text = (
        f"ENTRY %main (a: f32[1], b: f32[1]) -> f32[1] {{\n  %a = {array(shapes[0])} parameter(0)\n"
        f"  %b = {array(shapes[1])} parameter(1)\n"
        f"  ROOT %c = {array(result)} convolution(%a, %b), {attributes}\n}}\n"
    )
    assert program_flops.count(hlo.parse(text))["total"] == flops


def test_groups() -> None:
    forms = {"{{0,1,2},{3,4,5}}": 3, "[2,4]<=[8]": 4, "[4,2]<=[2,4]T(1,0)": 2, "{}": 8}
    forms |= {"mesh['x'=4,'y'=2] {'y'}": 2, "mesh['x'=4,'y'=2] {'x','y'}": 8, "mesh['x'=4,'y'=2] {'y','x':(1)2}": 4}
    for groups, size in forms.items():
        line = hlo.Instruction("x", "f32[1]", "all-reduce", (), f", replica_groups={groups}, to_apply=%add", "")
        assert collectives.group_size(line, 8) == size


def test_types() -> None:
    line = hlo.Instruction("x", "(bf16[2,3]{1,0:T(8,128)}, s4[8]{0}, /*index=2*/pred[])", "tuple", (), "", "")
    assert [array.bytes for array in line.arrays] == [12, 4, 1]


def test_text_that_is_no_program() -> None:
    with pytest.raises(ValueError, match="no ENTRY"):
        hlo.parse("hello")
