"""Seconds of a step: each phase is its computation, and what of its communication does not hide behind it.

    computation    max(FLOPs / (peak x efficiency), bytes / (HBM bandwidth x efficiency)), operation by operation
    communication  bytes / (links x bandwidth x efficiency), tensor by tensor (`traffic`)
    phase          computation + communication - min(what may hide, computation)

The three efficiencies are stated once, in `LOW`, `MIDDLE` and `HIGH`, for every chip, model and mesh; `calibration`
says how well they predict published runs.
"""

from dataclasses import dataclass
from typing import Literal

from polymath.planning import flops, remat
from polymath.planning.plan import Plan
from polymath.planning.topology import bandwidths, reduction_bandwidth
from polymath.planning.traffic import Phase, Transfer, transfers

PHASES: tuple[Phase, ...] = ("forward", "loss", "backward", "optimizer")


@dataclass(frozen=True)
class Efficiency:
    """Shares of the chip's peaks. matmul, attention: of the FLOP/s; memory: of the HBM bandwidth; links: of the
    network's; gathers, reductions, activations: how much of that communication runs beside computation.
    """

    matmul: float
    attention: float
    memory: float
    links: float
    gathers: float
    reductions: float
    activations: float


LOW = Efficiency(matmul=0.72, attention=0.30, memory=0.60, links=0.50, gathers=0.70, reductions=0.0, activations=0.0)
MIDDLE = Efficiency(matmul=0.80, attention=0.40, memory=0.75, links=0.80, gathers=0.85, reductions=0.0, activations=0.3)
HIGH = Efficiency(matmul=0.87, attention=0.50, memory=0.90, links=1.00, gathers=0.95, reductions=0.5, activations=0.8)
EFFICIENCIES = {"low": LOW, "middle": MIDDLE, "high": HIGH}

# Bytes that a score of a plain attention moves through HBM: float32 written once and read twice, bf16 written and read
# once, forward; the same again for its gradient, and the bf16 weights read once more, backward.
SCORE_FORWARD, SCORE_BACKWARD = 16, 18


@dataclass(frozen=True)
class Operation:
    """Work of one chip in a step. `rate` names the efficiency of its FLOPs."""

    name: str
    phase: Phase
    rate: Literal["matmul", "attention"]
    flops: float
    bytes: float


def operations(plan: Plan) -> list[Operation]:
    """All of a step, per chip."""
    return [*_matrices(plan), *_attention(plan), *_elementwise(plan), *_beside(plan)]


def seconds(operation: Operation, plan: Plan, efficiency: Efficiency) -> float:
    chip, rate = plan.topology.chip, getattr(efficiency, operation.rate)
    return max(operation.flops / (chip.peak * rate), operation.bytes / (chip.bandwidth * efficiency.memory))


def transfer_seconds(transfer: Transfer, plan: Plan, efficiency: Efficiency) -> float:
    if transfer.hides == "reductions" and transfer.axis == "data":
        bandwidth = reduction_bandwidth(plan.topology, plan.mesh, plan.rings)
    elif transfer.axis == "ring":
        bandwidth = reduction_bandwidth(plan.topology, plan.mesh, 1)
    else:
        bandwidth = bandwidths(plan.topology, plan.mesh)[transfer.axis]
    return transfer.bytes / (bandwidth * efficiency.links)


@dataclass(frozen=True)
class PhaseTime:
    """Seconds of one phase; `exposed` is the communication that no computation hides."""

    compute: float
    communication: float
    exposed: float

    @property
    def total(self) -> float:
        return self.compute + self.exposed


def phase_times(plan: Plan, efficiency: Efficiency) -> dict[Phase, PhaseTime]:
    work, moves = operations(plan), transfers(plan)
    phases = {}
    for phase in PHASES:
        compute = sum(seconds(op, plan, efficiency) for op in work if op.phase == phase)
        times = [(move, transfer_seconds(move, plan, efficiency)) for move in moves if move.phase == phase]
        communication = sum(time for _, time in times)
        hideable = sum(time * getattr(efficiency, move.hides) for move, time in times)
        phases[phase] = PhaseTime(compute, communication, communication - min(hideable, compute))
    return phases


def step_seconds(plan: Plan, efficiency: Efficiency) -> float:
    return sum(time.total for time in phase_times(plan, efficiency).values())


def _matrices(plan: Plan) -> list[Operation]:
    work, decoder, chips = plan.workload, plan.workload.decoder, plan.mesh.devices
    forward, logits = flops.matrices(work) / chips, flops.logits(work) / chips
    again = 2 * work.tokens * decoder.depth * remat.recomputed(decoder, plan.remat) / chips
    # a pass reads each layer's weights once a micro-batch
    weights = 2 * plan.accumulation * decoder.depth * decoder.layer / plan.mesh.model
    table = 2 * plan.accumulation * decoder.vocabulary * decoder.width / plan.mesh.model
    scores = 8 * work.tokens * decoder.vocabulary / chips  # float32 logits written and read
    backward = 1 if decoder.frozen else 2
    return [
        Operation("layers forward", "forward", "matmul", forward, weights),
        Operation("layers again", "backward", "matmul", again, weights if again else 0.0),
        Operation("layers backward", "backward", "matmul", backward * forward, backward * weights),
        Operation("logits", "loss", "matmul", (1 + backward) * logits, (1 + backward) * table + 3 * scores),
    ]


def _attention(plan: Plan) -> list[Operation]:
    work, decoder, chips = plan.workload, plan.workload.decoder, plan.mesh.devices
    flash = decoder.attention == "flash"
    forward = flops.attention(work, causal=flash) / chips
    scores = 0 if flash else work.tokens * work.length * decoder.depth * decoder.heads / chips
    operations = [
        Operation("attention forward", "forward", "attention", forward, SCORE_FORWARD * scores),
        Operation(
            "attention backward",
            "backward",
            "attention",
            (2.5 if flash else 2) * forward,
            SCORE_BACKWARD * scores,
        ),
    ]
    if "attention" in remat.policy(plan.remat).again:
        operations.append(Operation("attention again", "backward", "attention", forward, SCORE_FORWARD * scores))
    return operations


def _elementwise(plan: Plan) -> list[Operation]:
    """Norms, rotations, gates: read and written once each where no matrix product takes them in; twice backward."""
    work, decoder, chips = plan.workload, plan.workload.decoder, plan.mesh.devices
    values = 6 * decoder.width + 2 * (decoder.inner + decoder.inner_kv) + (3 if decoder.gated else 2) * decoder.mlp
    moved = 2 * work.tokens * decoder.depth * values / chips
    state = (4 * 3 * work.trainable + 2 * work.optimizer_bytes + 4 * work.trainable) / plan.shards
    return [
        Operation("elementwise forward", "forward", "matmul", 0, moved),
        Operation("elementwise backward", "backward", "matmul", 0, 2 * moved),
        Operation("weights' update", "optimizer", "matmul", 0, state),
    ]


def _beside(plan: Plan) -> list[Operation]:
    operations = []
    for part in plan.workload.parts:
        forward = part.forward * plan.workload.sequences / plan.mesh.devices
        operations.append(Operation(part.name, "forward", "matmul", forward, 0))
        if not part.frozen:
            operations.append(Operation(f"{part.name} backward", "backward", "matmul", 2 * forward, 0))
    return operations
