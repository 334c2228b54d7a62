"""The collectives of a compiled program: kind, count, bytes, asynchronous or not, loops multiplied in.

`bytes` is the whole tensor of an operation (the gathered result, the tensor before it is scattered), `wire_bytes` what
a chip receives of it in a group of n: (n - 1)/n of it, twice that for an all-reduce.

XLA writes a native reduce-scatter on TPU also as a fusion of the kind kCustom around an all-reduce and a slice
(`calls=%all-reduce-scatter…`, emitter "…AllReduceScatterFusion"): it counts as a reduce-scatter.
"""

import math
import re
from dataclasses import dataclass

from polymath.planning.hlo import Instruction, Module

KINDS = ("all-gather", "all-reduce", "reduce-scatter", "all-to-all", "collective-permute", "collective-broadcast")
COLUMNS = ("count", "bytes", "wire_bytes", "async", "async_bytes", "overlapped_bytes", "in_text")
COMPUTES = ("fusion", "convolution", "dot", "custom-call", "while")


@dataclass(frozen=True)
class Collective:
    """One operation of the text; it runs `times` a step. `hidden`: work is scheduled between its start and its end."""

    name: str
    kind: str
    times: int
    bytes: int
    group: int
    asynchronous: bool
    hidden: bool
    operation: str

    @property
    def wire_bytes(self) -> float:
        if self.kind == "collective-permute":
            return self.bytes
        return self.bytes * (self.group - 1) / self.group * (2 if self.kind == "all-reduce" else 1)


def collectives(module: Module, devices: int) -> list[Collective]:
    """Every collective of the program, in the order of the text; `devices`: size of a group that is not written out."""
    scattering = _fused_scatters(module)
    operations = []
    for where, lines in module.computations.items():
        times = module.runs[where]
        if not times:
            continue
        for index, line in enumerate(lines):
            kind, asynchronous = _kind(line)
            if where in scattering and kind == "all-reduce":
                kind = "reduce-scatter"
            if kind:
                hidden = asynchronous and _works_between(lines, index)
                operations.append(_collective(module, where, line, kind, times, devices, asynchronous, hidden))
    return operations


def summary(operations: list[Collective]) -> dict[str, dict[str, int]]:
    """Kind -> count, bytes, wire_bytes, and of these the asynchronous ones and those with work beside them."""
    table: dict[str, dict[str, int]] = {}
    for one in operations:
        row = table.setdefault(
            one.kind,
            dict.fromkeys(COLUMNS, 0),
        )
        row["in_text"] += 1
        row["count"] += one.times
        row["bytes"] += one.times * one.bytes
        row["wire_bytes"] += int(one.times * one.wire_bytes)
        row["async"] += one.times * one.asynchronous
        row["async_bytes"] += one.times * one.bytes * one.asynchronous
        row["overlapped_bytes"] += one.times * one.bytes * one.hidden
    return table


def _kind(line: Instruction) -> tuple[str, bool]:
    """("", False) for what is no collective; the end of an asynchronous one is none."""
    for kind in KINDS:
        if line.opcode == kind:
            return kind, False
        if line.opcode == f"{kind}-start":
            return kind, True
    return "", False


def _fused_scatters(module: Module) -> set[str]:
    """Computations that XLA's native reduce-scatter fusions call."""
    names: set[str] = set()
    for lines in module.computations.values():
        for line in lines:
            if line.opcode == "fusion" and "kind=kCustom" in line.attributes:
                names |= {name for name in line.called if name.startswith("all-reduce-scatter")}
    return names


def _collective(
    module: Module,
    where: str,
    line: Instruction,
    kind: str,
    times: int,
    devices: int,
    asynchronous: bool,
    hidden: bool,
) -> Collective:
    names = module.by_name[where]
    inputs = sum(array.bytes for name in line.operands if name in names for array in names[name].arrays)
    outputs = sum(array.bytes for array in line.arrays)
    if asynchronous:  # its result holds the operands too
        outputs = max(outputs - inputs, inputs)
    whole = inputs if kind in ("reduce-scatter", "all-reduce", "collective-permute") else outputs
    operation = line.attribute(r'op_name="([^"]*)"') or ""
    return Collective(line.name, kind, times, whole, group_size(line, devices), asynchronous, hidden, operation)


def group_size(line: Instruction, devices: int) -> int:
    """Devices that take part together: `{{0,1},{2,3}}` and `[2,2]<=[4]` both say 2; `{}` says all.

    Since jax 0.12 also by axes of a mesh: `mesh['x'=4,'y'=2] {'y'}` says 2, `{'x':(1)2}` a part of 2 of the axis x.
    """
    axes = line.attribute(r"replica_groups=(mesh\[[^\]]*\]\s*\{[^}]*\})")
    if axes:
        return _group_of_axes(axes)
    listed = line.attribute(r"replica_groups=\{\{([\d,]+)\}")
    if listed:
        return listed.count(",") + 1
    iota = line.attribute(r"replica_groups=\[\d+,(\d+)\]")
    return int(iota) if iota else devices


def _group_of_axes(text: str) -> int:
    """Of `mesh['x'=4,'y'=2] {'y','x':(1)2}`: the sizes of the axes in the braces, a part's own size if it is one."""
    mesh, axes = text.split("{")
    sizes = dict(re.findall(r"'([^']+)'=(\d+)", mesh))
    return math.prod(int(part or sizes[name]) for name, part in re.findall(r"'([^']+)'(?::\(\d+\)(\d+))?", axes))


def _works_between(lines: list[Instruction], start: int) -> bool:
    """Does the schedule put computation between the start of an operation and its end?"""
    name = lines[start].name
    for line in lines[start + 1 :]:
        if re.search(r"-done(-\d+)?$", line.opcode) and name in line.operands:
            return False
        if line.opcode in COMPUTES:
            return True
    return False
