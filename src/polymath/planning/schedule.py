"""How long communication keeps a compiled program waiting, by the order of its instructions.

Each computation is simulated once. Matrix products and attention kernels take their FLOPs over the chip's peak times
its efficiency, all other work no time. What is synchronous waits for its transfer. What is asynchronous travels while
the instructions between its start and its end compute, one transfer after the other on the same links, and the program
waits for the rest at its end. Shifts around a ring (collective-permute) use one link each, clockwise or back; what all
chips take part in uses all links; what a part of them does, the links of its own ring, taken to be other ones.
"""

from dataclasses import dataclass, field

from polymath.planning import program_flops
from polymath.planning.collectives import Collective, collectives
from polymath.planning.hlo import Instruction, Module, trip_count
from polymath.planning.roofline import Efficiency
from polymath.planning.topology import Topology, group_bandwidth


@dataclass
class Clock:
    """Of one run of a computation. now: seconds since its start; busy: until when each link is taken; all_busy: all."""

    now: float = 0.0
    waited: float = 0.0
    travelling: float = 0.0  # seconds of all asynchronous transfers, hidden or not
    busy: dict[str, float] = field(default_factory=dict)
    all_busy: float = 0.0
    arrives: dict[str, float] = field(default_factory=dict)

    def wait_until(self, time: float) -> None:
        self.waited += max(0.0, time - self.now)
        self.now = max(self.now, time)

    def send(self, link: str | None, seconds: float) -> float:
        """When a transfer over one link, or over all of them, that is asked for now has arrived."""
        taken = max(self.busy.values(), default=0.0) if link is None else self.busy.get(link, 0.0)
        arrival = max(self.now, taken, self.all_busy) + seconds
        if link is None:
            self.all_busy = arrival
        else:
            self.busy[link] = arrival
        return arrival


def exposed_seconds(module: Module, topology: Topology, efficiency: Efficiency) -> float:
    """Seconds a step that computation waits for communication.

    Of asynchronous transfers at least the share that the efficiencies leave exposed, however good the schedule looks.
    """
    operations = {one.name: one for one in collectives(module, topology.devices)}
    total = 0.0
    for where, times in module.runs.items():
        if times:
            clock = _run(module, where, operations, topology, efficiency)
            floor = (1 - efficiency.gathers) * clock.travelling
            total += times * max(clock.waited, floor)
    return total


def transfer_seconds(one: Collective, topology: Topology, efficiency: Efficiency) -> float:
    """Of one run of a collective."""
    if one.kind == "collective-permute":
        return one.bytes / (topology.chip.link * efficiency.links)
    return one.wire_bytes / (group_bandwidth(topology, one.group) * efficiency.links)


def _run(
    module: Module, where: str, operations: dict[str, Collective], topology: Topology, efficiency: Efficiency
) -> Clock:
    clock = Clock()
    for line in module.computations[where]:
        one = operations.get(line.name)
        if one is None:
            started = next((name for name in line.operands if name in clock.arrives), None)
            if started and line.opcode.endswith("-done"):
                clock.wait_until(clock.arrives.pop(started))
            else:
                clock.now += _compute_seconds(module, where, line, topology, efficiency)
            continue
        seconds = transfer_seconds(one, topology, efficiency)
        arrival = clock.send(_link(line, one, topology), seconds)
        if one.asynchronous:
            clock.arrives[line.name] = arrival
            clock.travelling += seconds
        else:
            clock.wait_until(arrival)
    return clock


def _link(line: Instruction, one: Collective, topology: Topology) -> str | None:
    """A name for the links that a transfer uses, None for all."""
    if one.kind != "collective-permute" and one.group == topology.devices:
        return None
    return line.attribute(r"(?:source_target_pairs|replica_groups)=(\S+)") or one.kind


def _compute_seconds(
    module: Module, where: str, line: Instruction, topology: Topology, efficiency: Efficiency
) -> float:
    """Of a product, a kernel, or everything that a fusion or loop calls."""
    peak = topology.chip.peak
    seconds = program_flops.products(module, where, line) / (peak * efficiency.matmul)
    if line.opcode == "custom-call" and "tpu_custom_call" in line.attributes:
        seconds += program_flops.kernel_flops(module, where, line) / (peak * efficiency.attention)
    times = trip_count(module, line, where) if line.opcode == "while" else 1
    for called in line.called:
        lines = module.computations.get(called, [])
        seconds += times * sum(_compute_seconds(module, called, inner, topology, efficiency) for inner in lines)
    return seconds
