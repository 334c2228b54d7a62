"""How every contender measures itself, and what it prints: one JSON object on the last line."""

import json
import resource
import sys
import time
from collections.abc import Callable
from importlib import metadata
from typing import Any

PACKAGES = ("jax", "gemma", "torch", "transformers", "lerobot")  # whose versions decide the speed


def measure(step: Callable[[], Any], steps: int, warmup: int = 2) -> dict[str, Any]:
    """Wall and CPU seconds of each call; `step` returns when its work is done."""
    for _ in range(warmup):
        step()
    wall, cpu = [], []
    for _ in range(steps):
        before, used = time.perf_counter(), time.process_time()
        step()
        wall.append(time.perf_counter() - before)
        cpu.append(time.process_time() - used)
    return {"seconds": wall, "cpu_seconds": cpu}


def report(name: str, parameters: int, measured: dict[str, Any], **more: Any) -> None:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    versions = {package: metadata.version(package) for package in PACKAGES if package in sys.modules}
    figures = {"name": name, "parameters": parameters, "peak_bytes": peak, "versions": versions, **measured, **more}
    print(json.dumps(figures), flush=True)
