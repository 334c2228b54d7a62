"""The sharding table: logical axis -> mesh axes, one column a way to divide the work.

    fsdp          every chip takes its own sequences; weights are spread over all chips and gathered layer by layer.
                  The best at 16k tokens a chip (X_opt = 591 chips of FSDP for the reference run, see docs/sharding.md).
    pax_2d        Pax' canonical 2D rules (praxis/layers/transformer_models.py, set_sharding_params_v1 with
                  training_optimized): w_df (data, mdl), w_dnh (data, mdl, -), w_vd (mdl, data), a_bld ((replica,
                  data), -, mdl). The weights' large axis stays on `model`, the width is gathered over `data`.
    small_batch   few sequences a chip: as pax_2d, but between the matrix products the residual stream is cut along the
                  sequence (Korthikanti et al. 2022, arXiv:2205.05198, section 4.2).
    decode        weights stay where they are, whole over `data`: a token's step gathers nothing.

A weight's large axis may need more axes of the mesh than divide it; what is left over goes to its next axis to the
right ("head_width"). `polymath.sharding.placement` does that, and explains what does not divide.
"""

from typing import NamedTuple

ALL, BATCH, WEIGHTS = ("replica", "data", "model"), ("replica", "data"), ("data", "model")
DATA, MODEL, WHOLE = ("data",), ("model",), ()
RING = ("ring", *WEIGHTS)  # the last axis of `data` first: `polymath.sharding.vocabulary`


class Row(NamedTuple):
    fsdp: tuple[str, ...]
    pax_2d: tuple[str, ...]
    small_batch: tuple[str, ...]
    decode: tuple[str, ...]


# fmt: off
TABLE: dict[str, Row] = {
    #                       fsdp     pax_2d  small_batch  decode
    # of weights, and of the statistics and gradients that belong to them
    "layers":          Row(WHOLE,   WHOLE,   WHOLE,   WHOLE),
    "vocab":           Row(RING,    MODEL,   MODEL,   MODEL),
    "heads":           Row(WEIGHTS, MODEL,   MODEL,   MODEL),
    "kv_heads":        Row(WEIGHTS, MODEL,   MODEL,   MODEL),
    "head_width":      Row(WHOLE,   WHOLE,   WHOLE,   WHOLE),
    "mlp":             Row(WEIGHTS, MODEL,   MODEL,   MODEL),
    "embed":           Row(WHOLE,   DATA,    DATA,    WHOLE),
    "vision_heads":    Row(WEIGHTS, DATA,    DATA,    WHOLE),
    "vision_mlp":      Row(WEIGHTS, DATA,    DATA,    WHOLE),
    "vision_embed":    Row(WHOLE,   WHOLE,   WHOLE,   WHOLE),
    "resampler_heads": Row(WEIGHTS, DATA,    DATA,    WHOLE),
    "resampler_mlp":   Row(WEIGHTS, DATA,    DATA,    WHOLE),
    # of activations
    "batch":           Row(ALL,     BATCH,   BATCH,   BATCH),
    "sequence":        Row(WHOLE,   WHOLE,   MODEL,   WHOLE),
    "residual":        Row(WHOLE,   MODEL,   WHOLE,   WHOLE),
    "query_heads":     Row(WHOLE,   MODEL,   MODEL,   MODEL),
}
# fmt: on


def column(name: str) -> dict[str, tuple[str, ...]]:
    """Logical axis -> mesh axes of one column."""
    return {axis: getattr(row, name) for axis, row in TABLE.items()}
