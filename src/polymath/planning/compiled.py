"""The real training step, compiled ahead of time for the topology, and what XLA says of it beside the estimate.

memory        XLA's own analysis of one chip: arguments, temporaries, peak
collectives   of the program's text, loops multiplied in (`collectives`)
FLOPs         XLA's figure counts a loop's body once and a kernel as zero; both are added back (`program_flops`)
step_seconds  the estimate's computation, and what the program's own schedule leaves exposed of its communication
              (`schedule`)
"""

import importlib.metadata
import importlib.util
import os
import re
import time
from typing import Any

import jax

from polymath.errors import ConfigError, PolymathError
from polymath.planning import collectives, flops, hlo, memory, program_flops, roofline
from polymath.planning.plan import Plan
from polymath.planning.schedule import exposed_seconds
from polymath.planning.traffic import transfers
from polymath.training.recipe import Recipe

INSTALL = "pip install 'polymath-v[tpu]'"
KNOWN = "v4:XxYxZ, v5p:XxYxZ, v5e:XxY and v6e:XxY with even X and Y, for example v4:8x8x8 or v5e:16x16"
# libtpu does not look for a TPU machine's metadata nor warn that there is none, and two compilations may run at once.
LIBTPU_ALONE = {
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_ACCELERATOR_TYPE": "v4-8",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
}


class OutOfMemory(PolymathError):
    """The compiler found no room for the step in a chip's memory."""


def compile_for(recipe: Recipe, plan: Plan, phase: str = "robot") -> tuple[jax.stages.Compiled, float]:
    """The compiled step and the seconds it took.

    Raises ConfigError if libtpu is missing or does not know the topology, OutOfMemory if the step does not fit.
    """
    from polymath.training.ahead import compile_step

    if plan.topology.chip.libtpu is None or plan.topology.slices > 1:
        raise ConfigError(f"--compile: {plan.topology.name} is no single slice of TPUs; libtpu compiles for {KNOWN}")
    if importlib.util.find_spec("libtpu") is None:
        raise ConfigError(f"--compile needs libtpu (no TPU): {INSTALL}")
    for name, value in LIBTPU_ALONE.items():
        os.environ.setdefault(name, value)
    mesh, started = (plan.mesh.replica, plan.mesh.data, plan.mesh.model), time.monotonic()
    try:
        step = compile_step(recipe, mesh, plan.topology.name, plan.workload.sequences, phase=phase)
    except jax.errors.JaxRuntimeError as error:
        raise explained(str(error), plan) from error
    return step, time.monotonic() - started


def explained(message: str, plan: Plan) -> PolymathError:
    """The compiler's message as an error with the remedy."""
    if "RESOURCE_EXHAUSTED" not in message and "Ran out of memory" not in message:
        reason = message.splitlines()[0].removeprefix("INVALID_ARGUMENT: ")
        return ConfigError(f"--topology {plan.topology.name}: {reason} (libtpu compiles for {KNOWN})")
    need = re.search(r"Used ([\d.]+[KMG]) of|temporaries \(([\d.]+[KMG])\)", message)
    size = next((group for group in need.groups() if group), "more") if need else "more"
    usable = f"{plan.topology.chip.usable / 2**30:.2f}G"
    tensors = largest_tensors(message) or [
        f"{size / 2**30:.2f}G {name} (by the estimate)"
        for name, size in sorted(memory.at_peak(plan).items(), key=lambda item: -item[1])
    ]
    return OutOfMemory(
        f"--compile: the step needs {size} of {usable} on a {plan.topology.chip.name} chip. Largest: "
        f"{'; '.join(tensors[:3])}. {_remedy(plan)}"
    )


def largest_tensors(message: str) -> list[str]:
    """`size shape (operation)` of the allocations that XLA lists, the largest first; [] if it lists none."""
    entries = re.split(r"\n\s*\d+\. Size: ", message)[1:]
    labels = []
    for entry in entries:
        shape = re.search(r"Shape: (\S+?)(?:\{|\s)", entry)
        operation = re.search(r'op_name="([^"]*)"', entry)
        label = f" ({operation[1].split('/')[-1]})" if operation else ""
        labels.append(f"{entry.split()[0]} {shape[1] if shape else '?'}{label}")
    return labels


def analyse(step: jax.stages.Compiled, plan: Plan) -> dict[str, Any]:
    """JSON values of one chip; `estimate` holds the closed forms for the same quantities.

    A step takes as long as its computation and what of the communication its schedule leaves exposed.
    """
    stats: Any = step.memory_analysis()
    module = hlo.parse(step.as_text() or "")
    peak = int(getattr(stats, "peak_memory_in_bytes", 0)) or _sum(stats)
    operations = collectives.collectives(module, plan.topology.devices)
    counted = program_flops.count(module)
    cost = step.cost_analysis() or {}
    exposed = {name: exposed_seconds(module, plan.topology, used) for name, used in roofline.EFFICIENCIES.items()}
    times = {
        name: computing(plan, used, counted["total"]) + exposed[name] for name, used in roofline.EFFICIENCIES.items()
    }
    machine = plan.topology.devices * plan.topology.chip.peak
    return {
        "peak_bytes": peak,
        "temp_bytes": int(stats.temp_size_in_bytes),
        "argument_bytes": int(stats.argument_size_in_bytes),
        "host_temp_bytes": int(stats.host_temp_size_in_bytes),
        "fits": peak <= plan.topology.chip.usable,
        "collectives": collectives.summary(operations),
        "flops": {"xla": int(cost.get("flops", 0)), **counted},
        "exposed_seconds": exposed,
        "step_seconds": times,
        "mfu": {name: flops.model(plan.workload) / (time * machine) for name, time in times.items()},
        "estimate": {
            "peak_bytes": memory.peak(plan),
            "wire_bytes": int(sum(move.bytes for move in transfers(plan) if move.axis != "host")),
            "flops": flops.hardware(plan) // plan.topology.devices,
        },
        "versions": {name: _version(name) for name in ("jax", "libtpu")},
    }


def computing(plan: Plan, efficiency: roofline.Efficiency, program_flops: int) -> float:
    """Seconds of a step's computation: the estimate's, scaled to the FLOPs of a chip's program."""
    estimated = sum(time.compute for time in roofline.phase_times(plan, efficiency).values())
    return estimated * program_flops * plan.topology.devices / flops.hardware(plan)


def _remedy(plan: Plan) -> str:
    remedies = []
    if plan.remat != "full":
        remedies.append("--remat full")
    shards = plan.mesh.replica * plan.mesh.data
    if plan.workload.sequences % (2 * shards * plan.accumulation) == 0:
        remedies.append(f"--accumulation {2 * plan.accumulation}")
    elif plan.workload.sequences > shards * plan.accumulation:
        remedies.append("a smaller --batch")
    remedies.append("a larger model axis in --mesh, a shorter --context or more chips; --search tries them")
    return "Try " + ", ".join(remedies)


def _sum(stats: Any) -> int:
    """Where the runtime gives no peak: everything but what the output shares with the arguments."""
    size = stats.argument_size_in_bytes + stats.output_size_in_bytes + stats.temp_size_in_bytes
    return int(size - stats.alias_size_in_bytes)


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
