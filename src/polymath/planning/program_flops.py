"""FLOPs of a compiled program, loops multiplied in; XLA's own figure counts a loop's body once and a kernel as zero.

A matrix product counts 2 FLOPs a multiply-add. On TPU it is written as a convolution, whose batch axes are spatial axes
with padding or dilation: only the pairs of input and output positions that really meet are counted, as XLA does.
A Pallas kernel is opaque; those of splash attention are counted by the shape of their queries, causal.
"""

import re
from functools import lru_cache
from typing import Any

from polymath.planning.hlo import Array, Instruction, Module


def count(module: Module) -> dict[str, Any]:
    """`once`: the text's products, each once; `loops`: what their repetitions add; `kernels`: attention in kernels."""
    once = repeated = kernels = 0
    unknown = set()
    for where, lines in module.computations.items():
        times = module.runs[where]
        for line in lines if times else ():
            flops = products(module, where, line)
            once, repeated = once + flops, repeated + (times - 1) * flops
            if line.opcode == "custom-call" and "tpu_custom_call" in line.attributes:
                flops = kernel_flops(module, where, line)
                kernels += times * flops
                unknown |= set() if flops else {line.name}
    total = once + repeated + kernels
    return {"once": once, "loops": repeated, "kernels": kernels, "total": total, "uncounted_kernels": sorted(unknown)}


def products(module: Module, where: str, line: Instruction) -> int:
    """FLOPs of a dot or a convolution, 0 for anything else."""
    names = module.by_name[where]
    if line.opcode == "dot":
        left = names[line.operands[0]].arrays[0].shape
        listed = line.attribute(r"lhs_contracting_dims=\{([\d,]*)\}") or ""
        contracted = 1
        for axis in (int(n) for n in listed.split(",") if n):
            contracted *= left[axis]
        return 2 * contracted * _size(line.arrays[0])
    if line.opcode == "convolution":
        return _convolution(line, names[line.operands[0]].arrays[0], names[line.operands[1]].arrays[0])
    return 0


def kernel_flops(module: Module, where: str, line: Instruction) -> int:
    """Causal attention: 2 products forward, 5 backward, or 3 and 4 where two kernels share them; 2 S^2/2 H E each.

    The queries are the widest floating operand [..., H, S, E]. 0 for a kernel that is not splash attention.
    """
    operation = line.name + (line.attribute(r'op_name="([^"]*)"') or "")
    if "splash" not in operation and "flash" not in operation:
        return 0
    names = module.by_name[where]
    operands = [array for name in line.operands if name in names for array in names[name].arrays[:1]]
    queries = next((a for a in operands if a.dtype in ("bf16", "f32") and len(a.shape) >= 3), None)
    if queries is None:
        return 0
    length = queries.shape[-2]
    one = length * _size(queries)
    if "dkv" in operation:
        return (5 if "fused" in operation or "dq" not in operation else 4) * one
    return (3 if "dq" in operation else 2) * one


def _size(array: Array) -> int:
    size = 1
    for length in array.shape:
        size *= length
    return size


def _convolution(line: Instruction, left: Array, right: Array) -> int:
    labels = line.attribute(r"dim_labels=([^,\s]+)")
    if labels is None:
        return 0
    inputs, kernel, output = re.split(r"_|->", labels)
    result = line.arrays[0].shape
    groups = int(line.attribute(r"feature_group_count=(\d+)") or 1)
    batch_groups = int(line.attribute(r"batch_group_count=(\d+)") or 1)
    flops = 2 * left.shape[inputs.index("b")] // batch_groups * left.shape[inputs.index("f")] // groups
    flops *= result[output.index("f")]
    spatial = [label for label in output if label.isdigit()]
    window = line.attribute(r"window=\{([^}]*)\}") or ""
    for order, label in enumerate(sorted(spatial)):
        sizes = (left.shape[inputs.index(label)], right.shape[kernel.index(label)], result[output.index(label)])
        flops *= _pairs(*sizes, *_window(window, order))
    return flops


def _window(window: str, order: int) -> tuple[int, int, int, int]:
    """(stride, padding below, dilation of the input, dilation of the kernel) of one spatial axis."""

    def entry(name: str, default: str) -> str:
        match = re.search(rf"\b{name}=(\S+)", window)
        return match[1].split("x")[order] if match else default

    padding = int(entry("pad", "0_0").split("_")[0])
    return int(entry("stride", "1")), padding, int(entry("lhs_dilate", "1")), int(entry("rhs_dilate", "1"))


@lru_cache(maxsize=4096)
def _pairs(inputs: int, kernel: int, outputs: int, stride: int, padding: int, left: int, right: int) -> int:
    """Positions of kernel and output that meet a position of the input."""
    last, positions = (inputs - 1) * left, 0
    for tap in range(kernel):
        shift = tap * right - padding
        first = max(0, -(shift // stride)) if shift < 0 else 0
        end = min(outputs - 1, (last - shift) // stride)
        if left == 1:
            positions += max(0, end - first + 1)
        else:
            positions += sum((out * stride + shift) % left == 0 for out in range(first, end + 1))
    return positions
