"""What each rematerialisation policy keeps of a layer, and what the backward pass computes again.

Widths of a layer's tensors in values a token: x the layer's input, q k v the projections, c the attention's result,
m the residual stream after attention (its projection has the same size), g u the gate and the linear part, h their
product.

    full          keeps x; computes everything but the last product (`down`) again, for nothing needs its result
    attention     keeps x, c, m; computes q, k, v, g and u again
    projections   keeps x, q, k, v, c, m; computes g and u again
    minimal       keeps x, q, k, v, c, m, g, u: computes no product again
    offload       as attention, but m waits in the host's memory
    none          keeps everything, normalised copies and elementwise results included
    dots          keeps x, q, k, v, m, g, u and computes the attention again: what MaxText calls minimal

The names are those of `polymath.model.execution`, but for the last, which only published runs use.
"""

from dataclasses import dataclass

from polymath.errors import ConfigError
from polymath.planning.workload import Decoder


@dataclass(frozen=True)
class Policy:
    """keeps: names of `widths`; again: matrices of `Decoder.matrices`, and "attention"; host: kept there instead."""

    keeps: tuple[str, ...]
    again: tuple[str, ...]
    host: tuple[str, ...] = ()


POLICIES: dict[str, Policy] = {
    "full": Policy(("x",), ("query", "key_value", "out", "up", "attention")),
    "attention": Policy(("x", "c", "m"), ("query", "key_value", "up")),
    "projections": Policy(("x", "q", "kv", "c", "m"), ("up",)),
    "minimal": Policy(("x", "q", "kv", "c", "m", "gu"), ()),
    "offload": Policy(("x", "c"), ("query", "key_value", "up"), host=("m",)),
    "none": Policy(("x", "x", "q", "q", "kv", "kv", "c", "m", "m", "gu", "gu", "h"), ()),
    "dots": Policy(("x", "q", "kv", "m", "gu"), ("attention",)),
}


def policy(name: str) -> Policy:
    """Raises ConfigError with the known names."""
    return POLICIES[policy_name(name)]


def policy_name(name: str) -> str:
    """`name`, if it is a policy. Raises ConfigError with the known names."""
    if name in POLICIES:
        return name
    raise ConfigError(f"--remat {name!r}: no such policy; choose from {', '.join(POLICIES)}")


def widths(decoder: Decoder) -> dict[str, int]:
    """Values a token of each tensor that a policy can keep; with c the float32 log-sum of each head goes along."""
    return {
        "x": decoder.width,
        "q": decoder.inner,
        "kv": 2 * decoder.inner_kv,
        "c": decoder.inner + 2 * decoder.heads,
        "m": decoder.width,
        "gu": (2 if decoder.gated else 1) * decoder.mlp,
        "h": decoder.mlp,
    }


def kept(decoder: Decoder, name: str) -> int:
    """Values a token and layer that wait for the backward pass on the chip."""
    sizes = widths(decoder)
    return sum(sizes[tensor] for tensor in policy(name).keeps)


def offloaded(decoder: Decoder, name: str) -> int:
    """Values a token and layer that wait in the host's memory."""
    sizes = widths(decoder)
    return sum(sizes[tensor] for tensor in policy(name).host)


def recomputed(decoder: Decoder, name: str) -> int:
    """Parameters of the matrix products of a layer that the backward pass computes again (2 FLOPs each a token)."""
    return sum(count for matrix, count in decoder.matrices.items() if matrix in policy(name).again)
