"""The planner's step time against published measurements, all with the same `LOW`, `MIDDLE` and `HIGH`.

A row states what was published: dimensions, chips, mesh, batch, rematerialisation, and the MFU with its own FLOP
formula (all of these count full attention: 6 N + 12 L H Q T a token, N with the embedding once). It has no field for an
efficiency, so none can be fitted to it. The efficiencies were set before the table was computed, not by it.
"""

import math
from dataclasses import dataclass, replace

from polymath.planning import flops
from polymath.planning.plan import Plan
from polymath.planning.roofline import EFFICIENCIES, step_seconds
from polymath.planning.topology import Mesh, parse
from polymath.planning.workload import Decoder, Workload

V4 = "MaxText, configs/v4/README.md and 22b.sh, 52b.sh (sizes: paxml README, 'MaxText to Pax'); plain attention assumed"
V5P = "MaxText, configs/v5p/README.md and its scripts (sizes by global_parameter_scale)"
LLAMA = "MaxText, docs/reference/models/tiering.md; configs/v5p/llama2_70b.sh"
PAX = "paxml README, weak scaling on v4, read off the plot (about 1 point); paxml/tasks/lm/params/lm_cloud.py and c4.py"
PALM = "Chowdhery et al. 2022, arXiv:2204.02311, table 3, sections 2 and 4"
AXLEARN = "AXLearn, experiments/text/gpt/fuji.py: 3.03 s a step; MFU derived; its remat and attention are assumed"


@dataclass(frozen=True)
class Row:
    """One published run: `sequences` of `length` tokens a step, `mfu` in per cent."""

    name: str
    decoder: Decoder
    topology: str
    mesh: Mesh
    sequences: int
    length: int
    remat: str
    mfu: float
    source: str


def _maxtext(scale: int) -> Decoder:
    """MaxText's global_parameter_scale: 16 layers, width 2,048, 16 heads of 128, MLP 7,168, doubled in turn."""
    base, rest = divmod(int(math.log2(scale)), 3)
    heads, width = base + (rest > 0), base + (rest > 1)
    return Decoder(16 << base, 2048 << width, 16 << heads, 16 << heads, 128, 7168 << heads, 32_000, tied=False)


def _pax(depth: int, width: int) -> Decoder:
    """Pax's cloud language models: heads of 128, two matrices of 4 D, no flash kernel."""
    heads = width // 128
    return Decoder(depth, width, heads, heads, 128, 4 * width, 32_000, gated=False, attention="plain")


_22B = Decoder(48, 6144, 24, 24, 256, 24_576, 32_000, gated=False, tied=False, attention="plain")
_52B = Decoder(32, 12_288, 32, 32, 256, 49_152, 32_000, gated=False, tied=False, attention="plain")
_LLAMA = Decoder(80, 8192, 64, 8, 128, 28_672, 32_000, tied=False)
_FUJI = Decoder(32, 4096, 32, 32, 128, 11_008, 32_000)
_PALM = Decoder(118, 18_432, 48, 1, 256, 73_728, 256_000, parallel=True, attention="plain")

ROWS: tuple[Row, ...] = (
    Row("MaxText 22B, v4", _22B, "v4:4x4x4", Mesh(1, 64, 1), 13 * 64, 2048, "full", 56.7, V4),
    Row("MaxText 22B, 2 slices", _22B, "2*v4:4x4x4", Mesh(2, 64, 1), 13 * 128, 2048, "full", 55.2, V4),
    Row("MaxText 22B, 4 slices", _22B, "4*v4:4x4x4", Mesh(4, 64, 1), 13 * 256, 2048, "full", 54.3, V4),
    Row("MaxText 22B, 8 slices", _22B, "8*v4:4x4x4", Mesh(8, 64, 1), 13 * 512, 2048, "full", 53.2, V4),
    Row("MaxText 52B, v4", _52B, "v4:4x4x12", Mesh(1, 192, 1), 7 * 192, 2048, "full", 56.0, V4),
    Row("MaxText 52B, 2 slices", _52B, "2*v4:4x4x12", Mesh(2, 192, 1), 7 * 384, 2048, "full", 58.9, V4),
    Row("MaxText 32B, v5p", _maxtext(32), "v5p:4x4x4", Mesh(1, 16, 4), 7 * 64, 2048, "dots", 71.47, V5P),
    Row("MaxText 64B, v5p", _maxtext(64), "v5p:4x4x4", Mesh(1, 16, 4), 3 * 64, 2048, "dots", 70.31, V5P),
    Row("MaxText 128B, v5p", _maxtext(128), "v5p:4x4x8", Mesh(1, 16, 8), 128, 2048, "dots", 68.68, V5P),
    Row("MaxText 128B, v5p", _maxtext(128), "v5p:4x8x8", Mesh(1, 32, 8), 256, 2048, "dots", 68.83, V5P),
    Row("MaxText 256B, v5p", _maxtext(256), "v5p:8x8x8", Mesh(1, 64, 8), 512, 2048, "dots", 67.09, V5P),
    Row("MaxText 512B, v5p", _maxtext(512), "v5p:8x8x8", Mesh(1, 64, 8), 2 * 512, 2048, "full", 63.99, V5P),
    Row("MaxText 1024B, v5p", _maxtext(1024), "v5p:8x16x16", Mesh(1, 256, 8), 2 * 2048, 2048, "full", 64.80, V5P),
    Row("Llama 2 70B, v5p", _LLAMA, "v5p:4x8x8", Mesh(1, 256, 1), 4 * 256, 4096, "dots", 65.4, LLAMA),
    Row("Pax 16B, v4", _pax(36, 6144), "v4:2x4x4", Mesh(1, 16, 2), 16 * 32, 1024, "full", 42, PAX),
    Row("Pax 32B, v4", _pax(40, 8192), "v4:4x4x4", Mesh(1, 16, 4), 8 * 64, 1024, "full", 42, PAX),
    Row("Pax 128B, v4", _pax(71, 12_288), "v4:4x8x8", Mesh(1, 64, 4), 4 * 256, 1024, "full", 48, PAX),
    Row("Pax 256B, v4", _pax(80, 16_384), "v4:8x8x8", Mesh(1, 64, 8), 4 * 512, 1024, "full", 53, PAX),
    Row("Pax 512B, v4", _pax(102, 20_480), "v4:8x8x16", Mesh(1, 64, 16), 4 * 1024, 1024, "full", 49, PAX),
    Row("Pax 1024B, v4", _pax(142, 24_576), "v4:8x16x16", Mesh(1, 256, 8), 2 * 2048, 1024, "full", 53, PAX),
    Row("PaLM 540B, v4", _PALM, "2*v4:12x16x16", Mesh(2, 256, 12), 2048, 2048, "full", 46.2, PALM),
    Row("AXLearn 7B, v4", _FUJI, "v4:8x8x8", Mesh(32, 16, 1), 2048, 2048, "full", 42, AXLEARN),
)


def plan_of(row: Row) -> Plan:
    """The planner's input for that run; Adam's two float32 moments where the optimizer is not known to be smaller."""
    work = Workload(row.name, row.decoder, row.sequences, row.length, 0)
    work = replace(work, optimizer_bytes=8 * work.trainable)
    return Plan(work, parse(row.topology), row.mesh, row.remat)


def predicted(row: Row) -> dict[str, float]:
    """MFU in per cent by the row's own FLOP formula, under each of the three efficiencies."""
    plan = plan_of(row)
    counted = flops.model(plan.workload, causal=False)
    peak = plan.topology.devices * plan.topology.chip.peak
    return {name: 100 * counted / (peak * step_seconds(plan, used)) for name, used in EFFICIENCIES.items()}


def error(row: Row) -> float:
    """Relative error of the middle prediction, in per cent; above zero the planner is too hopeful."""
    return 100 * (predicted(row)["middle"] / row.mfu - 1)


def summary() -> dict[str, float]:
    """Mean, mean absolute and largest absolute error in per cent; share of rows between low and high."""
    errors = [error(row) for row in ROWS]
    ends = [predicted(row) for row in ROWS]
    inside = [low_high["low"] <= row.mfu <= low_high["high"] for row, low_high in zip(ROWS, ends, strict=True)]
    return {
        "rows": len(ROWS),
        "mean": sum(errors) / len(ROWS),
        "mean_absolute": sum(map(abs, errors)) / len(ROWS),
        "largest": max(map(abs, errors)),
        "inside": sum(inside) / len(ROWS),
    }
