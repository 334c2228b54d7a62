"""Bytes a chip holds at the peak of a step, by category; every formula is one line of `by_category`.

n parameters of a layer, t tokens of a micro-batch on one group of `model` = m chips, d m chips share the weights.

    master weights      4 trainable / (d m) + frozen / (d m)
    optimizer           its state / (d m)
    gradients           4 trainable / (d m), of the step
    gathered weights    2 n / m, of two layers: one in use, one on its way
    activations         2 t L kept / m (`remat.kept`; what a policy offloads is in the host's memory)
    working set         2 t (2 matrices of F x 3 + 2 D) / m: the feed-forward layer's values and their gradients
    gathered sequence   4 copies of 2 t D (m - 1) / m: activations whole along the model axis
    logits              8 tile V / m and the gathered embedding with its gradient 6 V D / (m ring): not beside a layer

The peak is the state and the activations, and the larger one of a layer's backward pass and of the loss. The factors
"two layers", 3 and 4 were read off ahead-of-time compiled programs (`tests/planning/test_memory.py`). A single device,
which gathers nothing, has forms of its own (`one_device`).
"""

from polymath.planning import remat
from polymath.planning.plan import Plan

LAYER = ("gathered weights", "working set", "gathered sequence")
LOSS = ("logits", "gathered embedding")


def by_category(plan: Plan) -> dict[str, int]:
    """Bytes of each category, whether or not it is alive at the peak."""
    work, decoder, m, t = plan.workload, plan.workload.decoder, plan.mesh.model, plan.tokens
    hidden = (2 if decoder.gated else 1) * decoder.mlp
    kept = 2 * t * decoder.depth * remat.kept(decoder, plan.remat) // m
    tile = min(plan.tile, t)
    return {
        "master weights": (4 * work.trainable + plan.frozen_bytes * work.frozen) // plan.shards,
        "optimizer": work.optimizer_bytes // plan.shards,
        "gradients": 4 * work.trainable // plan.shards,
        "gathered weights": 2 * 2 * decoder.layer // m,
        "activations": kept,
        "working set": 2 * t * (3 * hidden + 2 * decoder.width) // m,
        "gathered sequence": 4 * 2 * t * decoder.width * (m - 1) // m,
        "logits": 8 * tile * decoder.vocabulary // m,
        "gathered embedding": 6 * decoder.vocabulary * decoder.width // (m * plan.ring),
    }


def at_peak(plan: Plan) -> dict[str, int]:
    """The categories that are alive at the peak; they add up to it."""
    if plan.alone is not None:
        return dict(plan.alone)
    sizes = by_category(plan)
    layer, loss = (sum(sizes[name] for name in names) for names in (LAYER, LOSS))
    absent = LOSS if layer >= loss else LAYER
    return {name: size for name, size in sizes.items() if name not in absent and size}


def peak(plan: Plan) -> int:
    return sum(at_peak(plan).values())


def on_host(plan: Plan) -> int:
    """Bytes a chip keeps in its host's memory."""
    decoder = plan.workload.decoder
    return 2 * plan.tokens * decoder.depth * remat.offloaded(decoder, plan.remat) // plan.mesh.model


def fits(plan: Plan) -> bool:
    return peak(plan) <= plan.topology.chip.usable
