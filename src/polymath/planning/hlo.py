"""A compiled program's text (HLO) as computations and instructions, and how often each computation runs.

    %all-gather.3 = bf16[2048,2048]{1,0:T(8,128)} all-gather(%fusion.2), replica_groups={{0,1}}, dimensions={0}
     name           type                          opcode     operands     attributes

A loop's body runs as often as its trip count says: `known_trip_count` where XLA wrote it, else the constant that the
loop's condition compares its counter with. The instructions of a computation stand in the order of the schedule.
"""

import math
import re
from dataclasses import dataclass
from functools import cached_property

_HEADER = re.compile(r"^(ENTRY )?%?([\w.\-]+) \(.*\) -> .*\{$")
_STARTS = re.compile(r"^\s+(ROOT )?%?[\w.\-]+ = ")
_ARRAY = re.compile(r"\b([a-z]\w*)\[([\d,]*)\]")
_CALLED = re.compile(r"\b(?:calls|to_apply|body|condition)=%?([\w.\-]+)")
_BRANCHES = re.compile(r"branch_computations=\{([^}]*)\}|(?:true|false)_computation=%?([\w.\-]+)")
_TRIPS = re.compile(r'"?known_trip_count"?[:=]\{"n":"?(\d+)"?\}')
_BITS = {"pred": 8, "bf16": 16, "token": 0, "opaque": 0}


@dataclass(frozen=True)
class Array:
    """One array of a type; a tuple type holds several."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def bytes(self) -> int:
        return math.prod(self.shape) * _bits(self.dtype) // 8


@dataclass(frozen=True)
class Instruction:
    name: str
    type: str
    opcode: str
    operands: tuple[str, ...]
    attributes: str
    text: str  # between the opcode's brackets

    @cached_property
    def arrays(self) -> list[Array]:
        """The arrays of its result."""
        arrays = _ARRAY.findall(self.type)
        return [Array(dtype, tuple(int(n) for n in shape.split(",") if n)) for dtype, shape in arrays]

    @property
    def called(self) -> list[str]:
        """Computations that it runs once each, but for a loop's."""
        names = _CALLED.findall(self.attributes)
        for branches, single in _BRANCHES.findall(self.attributes):
            names += [single] if single else [name.strip(" %") for name in branches.split(",")]
        return names

    def attribute(self, pattern: str) -> str | None:
        match = re.search(pattern, self.attributes)
        return match[1] if match else None


@dataclass(frozen=True)
class Module:
    computations: dict[str, list[Instruction]]
    entry: str

    @cached_property
    def by_name(self) -> dict[str, dict[str, Instruction]]:
        """Computation -> name -> instruction."""
        return {name: {line.name: line for line in lines} for name, lines in self.computations.items()}

    @cached_property
    def runs(self) -> dict[str, int]:
        """How often each computation runs in one call of the program. A branch counts as taken."""
        counts: dict[str, int] = dict.fromkeys(self.computations, 0)
        self._count(self.entry, 1, counts)
        return counts

    def _count(self, name: str, times: int, counts: dict[str, int]) -> None:
        counts[name] += times
        for instruction in self.computations[name]:
            often = times * (trip_count(self, instruction, name) if instruction.opcode == "while" else 1)
            for called in instruction.called:
                if called in self.computations:
                    self._count(called, often, counts)


def parse(text: str) -> Module:
    """Read `jax.stages.Compiled.as_text()`. Raises ValueError if it holds no program."""
    written: dict[str, list[str]] = {}
    entry, lines = "", None
    for line in text.splitlines():
        header = _HEADER.match(line)
        if header:
            lines = written.setdefault(header[2], [])
            entry = header[2] if header[1] else entry
        elif line == "}":
            lines = None
        elif lines is not None and _STARTS.match(line):
            lines.append(line.strip())
        elif lines:  # the attributes of a kernel span several lines
            lines[-1] += line
    if not entry:
        raise ValueError("the text holds no ENTRY computation: it is no HLO")
    return Module({name: [_instruction(line) for line in lines] for name, lines in written.items()}, entry)


def trip_count(module: Module, loop: Instruction, inside: str) -> int:
    """Iterations of a while loop; 1 if the text does not tell."""
    known = _TRIPS.search(loop.attributes)
    if known:
        return int(known[1])
    condition, body = loop.attribute(r"condition=%?([\w.\-]+)"), loop.attribute(r"body=%?([\w.\-]+)")
    if condition is None or body is None:
        return 1
    names = module.by_name[condition]
    compare = next((line for line in reversed(module.computations[condition]) if line.opcode == "compare"), None)
    if compare is None:
        return 1
    initial = module.by_name[inside].get(loop.operands[0])
    ends = [_scalar(module, names[operand], condition, initial, inside) for operand in compare.operands]
    return max((end for end in ends if end is not None), default=1) or 1


def _scalar(module: Module, line: Instruction, where: str, initial: Instruction | None, outside: str) -> int | None:
    """The constant behind copies and casts; an element of the loop's tuple is looked up in its initial value."""
    names = module.by_name[where]
    while line.opcode in ("copy", "convert", "bitcast", "reshape") and line.operands[0] in names:
        line = names[line.operands[0]]
    if line.opcode == "constant" and re.fullmatch(r"-?\d+", line.text):
        return int(line.text)
    if line.opcode == "get-tuple-element" and initial is not None and initial.opcode == "tuple":
        index = int(line.attribute(r"index=(\d+)") or 0)
        source = module.by_name[outside].get(initial.operands[index])
        return None if source is None else _scalar(module, source, outside, None, outside)
    return None


def _instruction(line: str) -> Instruction:
    name, rest = line.removeprefix("ROOT ").split(" = ", 1)
    cut = _closing(rest, 0) + 1 if rest.startswith("(") else rest.index(" ")
    kind, rest = rest[:cut], rest[cut:].lstrip()
    start = rest.index("(")
    end = _closing(rest, start)
    inner = rest[start + 1 : end]
    operands = tuple(re.findall(r"%([\w.\-]+)", inner))
    return Instruction(name.lstrip("%"), kind, rest[:start], operands, rest[end + 1 :], inner)


def _closing(text: str, start: int) -> int:
    """Index of the bracket that closes the one at `start`."""
    depth = 0
    for match in re.compile(r"[()]").finditer(text, start):
        depth += 1 if match[0] == "(" else -1
        if depth == 0:
            return match.start()
    raise ValueError(f"no closing bracket: {text[:80]}")


def _bits(dtype: str) -> int:
    if dtype in _BITS:
        return _BITS[dtype]
    digits = re.match(r"[a-z]+(\d+)", dtype)
    return int(digits[1]) if digits else 0
