"""How the chips are arranged: `v4:8x8x8` is a torus of 512, `2*v4:12x16x16` two slices of 3,072, `h100:4x8` four nodes.

A mesh axis is laid over whole axes of the torus, or over part of one. What it gets there is a bandwidth: the bytes
per second at which one chip can take part in a gather or scatter along that mesh axis.

    8x8x8, mesh [1, 512, 1]    data: three rings, 2 links each       6 x 45 GB/s
    8x8x8, mesh [1, 64, 8]     model: one ring   data: two rings     2 x, 4 x 45 GB/s
    8x8x8, mesh [1, 128, 4]    model: 4 of 8 chips of an axis, a line without a wrap: 1 x 45 GB/s
"""

import math
import re
from dataclasses import dataclass
from itertools import combinations

from polymath.errors import ConfigError
from polymath.planning.chips import CHIPS, Chip, chip

EXAMPLES = "v4:8x8x8, v5p:4x4x8, v5e:16x16, 2*v4:4x4x4 (two slices), h100:8, h100:4x8 (four nodes), cpu:8"


@dataclass(frozen=True)
class Topology:
    """`slices` equal slices; `shape` of one slice: the torus, or [nodes, GPUs a node]."""

    chip: Chip
    shape: tuple[int, ...]
    slices: int = 1

    @property
    def devices(self) -> int:
        return self.slices * math.prod(self.shape)

    @property
    def name(self) -> str:
        prefix = f"{self.slices}*" if self.slices > 1 else ""
        return f"{prefix}{self.chip.name}:{'x'.join(map(str, self.shape))}"


@dataclass(frozen=True)
class Mesh:
    """Sizes of the mesh axes: batch over replica and data, weights sharded over data and model."""

    replica: int
    data: int
    model: int

    @property
    def devices(self) -> int:
        return self.replica * self.data * self.model

    def __str__(self) -> str:
        return f"[{self.replica}, {self.data}, {self.model}]"


def parse(text: str) -> Topology:
    """`[SLICES*]CHIP:AxBxC`. Raises ConfigError with what is known."""
    match = re.fullmatch(r"(?:(\d+)\*)?(\w+):(\d+(?:x\d+)*)", text.strip().lower())
    if match is None:
        raise ConfigError(f"--topology {text!r}: write CHIP:SIZES, for example {EXAMPLES}; chips: {', '.join(CHIPS)}")
    kind, shape = chip(match[2]), tuple(int(n) for n in match[3].split("x"))
    slices = int(match[1] or 1)
    if min(*shape, slices, 1) < 1 or 0 in (*shape, slices):
        raise ConfigError(f"--topology {text}: every size must be at least 1")
    if kind.axes:
        if len(shape) != kind.axes:
            raise ConfigError(f"--topology {text}: {kind.name} is a torus of {kind.axes} axes, for example {EXAMPLES}")
    elif len(shape) > 2 or shape[-1] > kind.domain:
        raise ConfigError(f"--topology {text}: {kind.name} takes GPUs or NODESxGPUS, at most {kind.domain} a node")
    return Topology(kind, shape, slices)


def parse_mesh(text: str, topology: Topology) -> Mesh:
    """`replica,data,model` with at most one -1 for "what is left". Raises ConfigError if it is not the topology's."""
    match = re.fullmatch(r"\[?\s*(-?\d+)\s*,\s*(-?\d+)\s*,\s*(-?\d+)\s*\]?", text)
    if match is None:
        raise ConfigError(f"--mesh {text!r}: write replica,data,model, for example 1,{topology.devices},1")
    sizes = [int(n) for n in match.groups()]
    known = math.prod(n for n in sizes if n > 0)
    if sizes.count(-1) == 1 and topology.devices % known == 0:
        sizes[sizes.index(-1)] = topology.devices // known
    mesh = Mesh(*sizes)
    if min(sizes) < 1 or mesh.devices != topology.devices:
        raise ConfigError(
            f"--mesh {text}: makes {mesh.devices} devices, but {topology.name} has {topology.devices}; "
            f"for example --mesh {topology.slices},{topology.devices // topology.slices},1"
        )
    check(topology, mesh)
    return mesh


def check(topology: Topology, mesh: Mesh) -> None:
    """Raise ConfigError if a mesh axis cannot be laid over the topology."""
    if mesh.replica % topology.slices:
        raise ConfigError(
            f"--mesh {mesh}: the slices of {topology.name} have only the data-centre network between them; "
            f"the replica axis must be a multiple of {topology.slices}"
        )
    bandwidths(topology, mesh)


def bandwidths(topology: Topology, mesh: Mesh) -> dict[str, float]:
    """Byte/s at which a chip gathers or scatters along `replica`, `data` and `model`; inf for an axis of one.

    `host`: byte/s to its host's memory, one way.
    """
    inside = mesh.replica // topology.slices
    bandwidths = _torus(topology, inside, mesh) if topology.chip.axes else _switched(topology, inside, mesh)
    if topology.slices > 1:
        bandwidths["replica"] = min(bandwidths["replica"], topology.chip.network)
    return {**bandwidths, "host": topology.chip.host}


def reduction_bandwidth(topology: Topology, mesh: Mesh, rings: int) -> float:
    """Byte/s of a reduce-scatter over `data` that spans this many rings of the torus at once."""
    whole = bandwidths(topology, mesh)["data"]
    return min(whole, rings * 2 * topology.chip.link) if topology.chip.axes and mesh.data > 1 else whole


def group_bandwidth(topology: Topology, size: int) -> float:
    """Byte/s of a collective in groups of `size` neighbouring chips; one link for a group of another form."""
    if size == topology.devices and topology.slices > 1:
        return topology.chip.network
    if not topology.chip.axes:
        return _switched(topology, 1, Mesh(1, size, 1))["data"]
    axes = [(length, _links(topology.chip, length)) for length in topology.shape if length > 1]
    try:
        return topology.chip.link * sum(_take(topology, axes, size, "group")[0]) if size > 1 else math.inf
    except ConfigError:
        return topology.chip.link


def _torus(topology: Topology, replica: int, mesh: Mesh) -> dict[str, float]:
    """Whole axes first, the smallest mesh axis first; what is left of a split axis goes to the next mesh axis."""
    axes = [(n, _links(topology.chip, n)) for n in topology.shape if n > 1]
    bandwidths = {"replica": math.inf, "data": math.inf, "model": math.inf}
    for name, size in (("model", mesh.model), ("replica", replica), ("data", mesh.data)):
        if size == 1:
            continue
        taken, axes = _take(topology, axes, size, name)
        bandwidths[name] = topology.chip.link * sum(taken)
    return bandwidths


def _take(
    topology: Topology, axes: list[tuple[int, int]], size: int, name: str
) -> tuple[list[int], list[tuple[int, int]]]:
    for count in range(1, len(axes) + 1):
        for chosen in combinations(range(len(axes)), count):
            if math.prod(axes[i][0] for i in chosen) == size:
                rest = [axis for i, axis in enumerate(axes) if i not in chosen]
                return [axes[i][1] for i in chosen], rest
    for i, (length, _) in sorted(enumerate(axes), key=lambda item: -item[1][0]):
        rest = [axis for j, axis in enumerate(axes) if j != i]
        if length % size == 0:  # part of an axis: a line, whose ends have one link
            return [1], [*rest, (length // size, 1)]
        if size % length == 0:
            taken, rest = _take(topology, rest, size // length, name)
            return [axes[i][1], *taken], rest
    shape = "x".join(map(str, topology.shape))
    raise ConfigError(f"--mesh: {name} = {size} is no product of axes, or of parts of axes, of the {shape} torus")


def _links(chip: Chip, length: int) -> int:
    """Links a chip has along an axis: 2 on a ring, 1 where the axis is a line (the ends have one)."""
    return 2 if length % chip.wraps == 0 else 1


def _switched(topology: Topology, replica: int, mesh: Mesh) -> dict[str, float]:
    """Inside a node NVLink; beyond it the node's ports, which its GPUs share (each byte enters a node once)."""
    kind, node = topology.chip, topology.shape[-1]
    bandwidths, span = {}, 1
    for name, size in (("model", mesh.model), ("data", mesh.data), ("replica", replica)):
        inside = max(1, min(size, node // span)) if node % span == 0 else 1
        span *= size
        if size == 1:
            bandwidths[name] = math.inf
        elif size <= inside:
            bandwidths[name] = kind.link
        else:
            bandwidths[name] = min(kind.link, kind.network * max(1, inside))
    return bandwidths


def factorisations(topology: Topology, largest_model: int = 16) -> list[Mesh]:
    """Meshes that the topology can hold, one replica a slice, model = 1, 2, 4, … up to `largest_model`."""
    chips, meshes = topology.devices // topology.slices, []
    for model in (2**i for i in range(largest_model.bit_length())):
        if chips % model:
            continue
        mesh = Mesh(topology.slices, chips // model, model)
        try:
            check(topology, mesh)
        except ConfigError:
            continue
        meshes.append(mesh)
    return meshes
