"""FLOPs of a step. A matrix product of n parameters costs 2 n a token forward and 4 n backward; frozen parts only 2 n.

    model      3 (2 T (L n_layer + V D) + attention) + 3 parts - 2 frozen parts      T tokens a step; 2 and 3 for a
               frozen decoder's matrices and its attention
    attention  2 T S L H E forward, causal: each token sees S/2 others on average; "full" counts all S
    hardware   model + what the rematerialisation computes again + the scores that a flash backward pass computes again

A flash backward pass has five products where the forward pass has two, so 2.5 forward passes where `model` counts 2.
"""

from polymath.planning import remat
from polymath.planning.plan import Plan
from polymath.planning.workload import Workload

FORMULA = "3 (2 T (L n + V D) + 2 T S L H E) + 3 parts - 2 frozen parts; causal attention, 2 FLOPs a multiply-add"


def attention(workload: Workload, *, causal: bool = True) -> int:
    """Both products of the attention, forward, all layers."""
    decoder = workload.decoder
    return (2 if causal else 4) * workload.tokens * workload.length * decoder.depth * decoder.inner


def matrices(workload: Workload) -> int:
    """The decoder's matrix products, forward, without the logits."""
    return 2 * workload.tokens * workload.decoder.depth * workload.decoder.layer


def logits(workload: Workload) -> int:
    return 2 * workload.tokens * workload.decoder.vocabulary * workload.decoder.width


def by_part(workload: Workload, *, causal: bool = True) -> dict[str, int]:
    """FLOPs of the model by part, forward and backward; frozen matrices pass gradients on, and have none."""
    times = 2 if workload.decoder.frozen else 3
    flops = {
        "decoder": times * matrices(workload),
        "attention": 3 * attention(workload, causal=causal),
        "logits": times * logits(workload),
    }
    for part in workload.parts:
        flops[part.name] = (1 if part.frozen else 3) * part.forward * workload.sequences
    return flops


def model(workload: Workload, *, causal: bool = True) -> int:
    """What MFU counts."""
    return sum(by_part(workload, causal=causal).values())


def again(plan: Plan) -> int:
    """What the backward pass computes a second time under the plan's policy; the logits are not among it."""
    decoder, policy = plan.workload.decoder, remat.policy(plan.remat)
    products = 2 * plan.workload.tokens * decoder.depth * remat.recomputed(decoder, plan.remat)
    scores = attention(plan.workload) if "attention" in policy.again else 0
    return products + scores


def hardware(plan: Plan) -> int:
    """What HFU counts."""
    flash = attention(plan.workload) // 2 if plan.workload.decoder.attention == "flash" else 0
    return model(plan.workload) + again(plan) + flash
