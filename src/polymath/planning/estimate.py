"""The whole estimate of a plan as one JSON value: what it holds, how long a step takes, how far the days go.

    MFU    FLOPs of the model / (step seconds x devices x peak); what is computed twice does not count
    HFU    FLOPs of the hardware / the same

The middle efficiencies give the headline; `scenarios` has all three.
"""

from typing import Any

from polymath.planning import flops, memory, remat, roofline
from polymath.planning.plan import Plan
from polymath.planning.roofline import EFFICIENCIES, Efficiency
from polymath.planning.traffic import transfers

DAY = 86_400
WRITE = 0.5e9  # byte/s a host to storage: assumed; an orbax user wrote 200 GB in 38 s from several hosts (orbax #392)


def estimate(plan: Plan, days: float = 28.0, price: float | None = None) -> dict[str, Any]:
    """`days` of computation without a pause; `price`: money for a chip and hour."""
    scenarios = {name: scenario(plan, used, days) for name, used in EFFICIENCIES.items()}
    middle = scenarios["middle"]
    return {
        **_setting(plan),
        "parameters": parameters(plan),
        "memory": memory_of(plan),
        "fits": memory.fits(plan),
        "flops": flops_of(plan),
        **{key: middle[key] for key in ("step_seconds", "mfu", "hfu")},
        "tokens_per_step": plan.workload.tokens,
        "days_per_trillion_tokens": middle["days_per_trillion_tokens"],
        "scenarios": scenarios,
        "days": days,
        "communication": communication(plan),
        "computation": computation(plan),
        "checkpoint": checkpoint(plan),
        "money": None if price is None else money(plan, middle["days_per_trillion_tokens"], days, price),
        "sources": list(plan.topology.chip.sources),
    }


def scenario(plan: Plan, efficiency: Efficiency, days: float) -> dict[str, Any]:
    """Time, utilisation and what the days bring under one set of efficiencies."""
    times = roofline.phase_times(plan, efficiency)
    step = sum(time.total for time in times.values())
    peak = step * plan.topology.devices * plan.topology.chip.peak
    steps = days * DAY / step
    return {
        "efficiencies": vars(efficiency),
        "step_seconds": step,
        "mfu": flops.model(plan.workload) / peak,
        "hfu": flops.hardware(plan) / peak,
        "steps": int(steps),
        "tokens": int(steps) * plan.workload.tokens,
        "days_per_trillion_tokens": 1e12 / plan.workload.tokens * step / DAY,
        "phases": {name: {**vars(time), "total": time.total} for name, time in times.items()},
    }


def parameters(plan: Plan) -> dict[str, int]:
    """By part; norms and biases of the decoder, under a thousandth of it, are left out."""
    work, decoder = plan.workload, plan.workload.decoder
    parts = {"layers": decoder.depth * decoder.layer, "embedding": decoder.embedding}
    parts |= {part.name: part.parameters for part in work.parts}
    return {"total": sum(parts.values()), "trainable": work.trainable, "frozen": work.frozen, **parts}


def memory_of(plan: Plan) -> dict[str, Any]:
    """Bytes a chip."""
    return {
        "peak_bytes": memory.peak(plan),
        "usable_bytes": int(plan.topology.chip.usable),
        "categories": memory.at_peak(plan),
        "host_bytes": memory.on_host(plan),
    }


def flops_of(plan: Plan) -> dict[str, Any]:
    """FLOPs of a step on all devices."""
    return {
        "formula": flops.FORMULA,
        "model": flops.model(plan.workload),
        "hardware": flops.hardware(plan),
        "by_part": flops.by_part(plan.workload),
        "recomputed_share": 2 * remat.recomputed(plan.workload.decoder, plan.remat) / (6 * plan.workload.decoder.layer),
    }


def communication(plan: Plan) -> list[dict[str, Any]]:
    """Each tensor's transfers: bytes that a chip receives in a step, seconds at the middle efficiencies."""
    return [
        {**vars(move), "bytes": int(move.bytes), "seconds": roofline.transfer_seconds(move, plan, roofline.MIDDLE)}
        for move in transfers(plan)
    ]


def computation(plan: Plan) -> list[dict[str, Any]]:
    """Each operation of a chip in a step: FLOPs, HBM bytes, seconds at the middle efficiencies, which bound holds."""
    rows = []
    for operation in roofline.operations(plan):
        seconds = roofline.seconds(operation, plan, roofline.MIDDLE)
        by_memory = operation.bytes / (plan.topology.chip.bandwidth * roofline.MIDDLE.memory) >= seconds
        rows.append({**vars(operation), "seconds": seconds, "bound": "memory" if by_memory else "compute"})
    return rows


def checkpoint(plan: Plan) -> dict[str, Any]:
    """Master weights and optimizer state. Training waits for the copy to the hosts; the writing runs beside it."""
    work, chip = plan.workload, plan.topology.chip
    size = 4 * work.trainable + plan.frozen_bytes * work.frozen + work.optimizer_bytes
    hosts = max(1, plan.topology.devices // chip.domain)
    return {
        "bytes": size,
        "bytes_per_host": size // hosts,
        "stall_seconds": size / plan.topology.devices / chip.host,
        "write_seconds": size / hosts / WRITE,
        "assumed_write_bytes_per_second_per_host": WRITE,
    }


def money(plan: Plan, days_per_trillion: float, days: float, price: float) -> dict[str, float]:
    """In the currency of `price`, which is for one chip and hour."""
    hour = plan.topology.devices * price
    return {
        "price_per_chip_hour": price,
        "run": 24 * days * hour,
        "per_trillion_tokens": 24 * days_per_trillion * hour,
    }


def _setting(plan: Plan) -> dict[str, Any]:
    work = plan.workload
    return {
        "preset": work.name,
        "topology": plan.topology.name,
        "devices": plan.topology.devices,
        "mesh": [plan.mesh.replica, plan.mesh.data, plan.mesh.model],
        "remat": plan.remat,
        "accumulation": plan.accumulation,
        "gradient_bytes": plan.gradient_bytes,
        "batch": work.sequences,
        "context": work.length,
        "images": work.images,
    }
