"""How many parameters each part of the model has."""

from polymath.model import polymath_v
from polymath.specs import count


def count_by_part(config: polymath_v.Config) -> dict[str, int]:
    """`total` and its parts, which add up to it.

    `resampler` includes the projection into the decoder's width and the localizer, `state` encodes the proprioception
    and the committed actions;
    `embedding` also gives the logits if it is tied, else it includes their matrix.
    """
    specs = polymath_v.specs(config)
    embedding = count(specs.decoder.embedding) + count(specs.decoder.output)
    parts = {
        "vision": count(specs.vit),
        "resampler": count(specs.resampler) + count(specs.projection) + count(specs.localizer),
        "embedding": embedding,
        "state": count(specs.state) + count(specs.state_bias) + count(specs.committed),
        "decoder": count(specs.decoder) - embedding,
        "action_head": count(specs.action_head),
    }
    return {"total": count(specs), **parts}
