"""What goes over the network in a step, tensor by tensor; bytes that one chip receives.

n parameters of a layer, k micro-batches, t tokens of a micro-batch on one group of m chips, d shards of the data axis:

    weights       gathered over data in bf16, once a pass and micro-batch:     2 passes k  L 2 n/m (d-1)/d
    embedding     likewise, once for the lookup and once for the loss, of a slice of V/ring
    shared tokens within the ring, k times: looked-up rows and their gradients, hidden states of the loss in bf16, the
                  gradient of these in float32:                                k (ring - 1) t D (2 + 2 + 2 + 4)
    parts         likewise; a frozen part has no backward pass
    gradients     reduce-scattered over data, every micro-batch:               k  L b n/m (d-1)/d      b bytes each
                  (h - 1)/h of it hop by hop beside computation, where the plan has a ring of h hops, but for key_value
    replicas      all-reduce of the shards over replica, once a step:          2 b trainable/(d m) (r-1)/r
    activations   over model: all-gather and reduce-scatter around attention and feed-forward, forward 4, backward 4,
                  and 2 more where a layer is computed again:                  k L (8 or 10) 2 t D (m-1)/m

    offloaded     to the host and back, what `remat` keeps there:              k L 2 t kept / m, each way

A parallel block (attention and feed-forward side by side) needs half of the line of the activations.
"""

from dataclasses import dataclass, replace
from typing import Literal

from polymath.planning import remat
from polymath.planning.plan import Plan

Phase = Literal["forward", "loss", "backward", "optimizer"]
Kind = Literal[
    "all-gather", "reduce-scatter", "all-reduce", "all-gather + reduce-scatter", "collective-permute", "copy"
]
Hides = Literal["gathers", "reductions", "activations"]


@dataclass(frozen=True)
class Transfer:
    """`bytes` a chip receives in a step, in `count` operations along mesh axis `axis`.

    `hides`: which efficiency says how much of it can run beside computation.
    """

    tensor: str
    kind: Kind
    axis: Literal["replica", "data", "model", "ring", "host"]
    phase: Phase
    count: int
    bytes: float
    hides: Hides


def transfers(plan: Plan) -> list[Transfer]:
    """Those of a step that move anything."""
    transfers = [*_weights(plan), *_gradients(plan), *_activations(plan), *_offloaded(plan)]
    return [transfer for transfer in transfers if transfer.bytes]


def _weights(plan: Plan) -> list[Transfer]:
    work, decoder, k = plan.workload, plan.workload.decoder, plan.accumulation

    def gather(tensor: str, phase: Phase, count: int, parameters: int) -> Transfer:
        received = 2 * count * parameters / plan.mesh.model * _others(plan.mesh.data)
        return Transfer(tensor, "all-gather", "data", phase, count, received, "gathers")

    phases: tuple[Phase, Phase] = ("forward", "backward")
    transfers = [gather("layers", phase, k * decoder.depth, decoder.layer) for phase in phases]
    transfers += _embedding(plan)
    for part in work.parts:
        transfers.append(gather(part.name, "forward", k, part.parameters))
        if not part.frozen:
            transfers.append(gather(part.name, "backward", k, part.parameters))
    return transfers


def _embedding(plan: Plan) -> list[Transfer]:
    shared = (plan.ring - 1) * plan.accumulation * plan.tokens * plan.workload.decoder.width / plan.mesh.model
    tiles = plan.accumulation * -(-plan.tokens // plan.tile)

    def share(tensor: str, phase: Phase, kind: Kind, count: int, width: int) -> Transfer:
        return Transfer(
            tensor, kind, "ring", phase, count, width * shared, "gathers" if kind == "all-gather" else "reductions"
        )

    return [
        _over_slice(plan, "embedding", "all-gather", "forward", 2, "gathers"),
        _over_slice(plan, "embedding", "all-gather", "loss", 2, "gathers"),
        share("looked-up rows", "forward", "reduce-scatter", plan.accumulation, 2),
        share("looked-up rows' gradients", "backward", "all-gather", plan.accumulation, 2),
        share("hidden states of the loss", "loss", "all-gather", tiles, 2),
        share("their gradients", "loss", "reduce-scatter", tiles, 4),
    ]


def _over_slice(plan: Plan, tensor: str, kind: Kind, phase: Phase, width: int, hides: Hides) -> Transfer:
    """A transfer of the ring's slice of the embedding between the rings of the data axis."""
    part = plan.workload.decoder.embedding / (plan.mesh.model * plan.ring)
    others = _others(plan.mesh.data // plan.ring)
    return Transfer(tensor, kind, "data", phase, plan.accumulation, plan.accumulation * width * part * others, hides)


def _gradients(plan: Plan) -> list[Transfer]:
    work, decoder, k, mesh = plan.workload, plan.workload.decoder, plan.accumulation, plan.mesh

    def scatter(tensor: str, count: int, parameters: int) -> Transfer:
        received = plan.gradient_bytes * count * parameters / mesh.model * _others(mesh.data)
        return Transfer(tensor, "reduce-scatter", "data", "backward", count, received, "reductions")

    layers, travelling = scatter("layers' gradients", k * decoder.depth, decoder.layer), _travelling(plan)
    beside = sum(part.parameters for part in work.parts if not part.frozen)
    shard = plan.gradient_bytes * work.trainable / plan.shards
    return [
        replace(layers, bytes=layers.bytes - travelling),
        Transfer("travelling gradients", "collective-permute", "ring", "backward", layers.count, travelling, "gathers"),
        _over_slice(plan, "embedding's gradient", "reduce-scatter", "loss", plan.gradient_bytes, "reductions"),
        scatter("other gradients", k, beside),
        Transfer(
            "gradient shards",
            "all-reduce",
            "replica",
            "optimizer",
            1,
            2 * shard * _others(mesh.replica),
            "reductions",
        ),
    ]


def _travelling(plan: Plan) -> float:
    """Bytes of the layers' gradients that go hop by hop around the first ring (`polymath.sharding.products`)."""
    decoder = plan.workload.decoder
    large = decoder.layer - decoder.matrices["key_value"]
    return plan.gradient_bytes * plan.accumulation * decoder.depth * large / plan.mesh.model * _others(plan.hops)


def _activations(plan: Plan) -> list[Transfer]:
    decoder, again = plan.workload.decoder, "out" in remat.policy(plan.remat).again
    once = 2 * plan.tokens * decoder.width * _others(plan.mesh.model)
    layers = plan.accumulation * decoder.depth
    transfers: list[Transfer] = []
    phases: tuple[tuple[Phase, int], ...] = (("forward", 4), ("backward", 6 if again else 4))
    for phase, a_layer in phases:
        count = layers * (a_layer // 2 if decoder.parallel else a_layer)
        transfers.append(
            Transfer("activations", "all-gather + reduce-scatter", "model", phase, count, count * once, "activations")
        )
    return transfers


def _offloaded(plan: Plan) -> list[Transfer]:
    decoder, layers = plan.workload.decoder, plan.accumulation * plan.workload.decoder.depth
    moved = 2 * plan.tokens * layers * remat.offloaded(decoder, plan.remat) / plan.mesh.model
    phases: tuple[Phase, Phase] = ("forward", "backward")
    return [Transfer("offloaded", "copy", "host", phase, layers, moved, "gathers") for phase in phases]


def _others(chips: int) -> float:
    """(n - 1) / n: the part of a tensor that a chip does not have yet."""
    return (chips - 1) / chips
